#!/usr/bin/env python3
"""Verify vidimus outputs with c2pa-python: a later release of the C2PA SDK, called by none of our code.

    pip install -r tests/interop/requirements.txt
    tests/interop/verify_manifests.py --anchor anchors.pem OUTPUT...

Prints one JSON line per file. Exit status: 0 if every file is Trusted, carries the digital source type
trainedAlgorithmicMedia and states one derivation in action and assertion alike; 1 otherwise.
"""

import argparse
import json
import mimetypes
import sys
from pathlib import Path

import c2pa

ASSERTION = "org.vidimus.derivation"
PREFIX = "org.vidimus."
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

# Python 3.11 and older do not know it.
mimetypes.add_type("image/webp", ".webp")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anchor", type=Path, required=True, help="PEM bundle of trusted roots (vidimus keys export-trust)")
    parser.add_argument("files", type=Path, nargs="+")
    args = parser.parse_args()
    settings = c2pa.Settings.from_dict(
        {
            "trust": {"user_anchors": args.anchor.read_text()},
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        }
    )
    lines = []
    with c2pa.Context(settings) as context:
        for path in args.files:
            try:
                line = verify(path, context)
            except (c2pa.C2paError, OSError) as error:
                line = {"file": str(path), "ok": False, "error": " ".join(str(error).split())}
            print(json.dumps(line, sort_keys=True))
            lines.append(line)
    return 0 if all(line["ok"] for line in lines) else 1


def verify(path: Path, context: c2pa.Context) -> dict:
    mime = mimetypes.guess_type(path.name)[0]
    if mime is None:
        raise OSError(f"unknown type of file: {path.suffix}")
    with path.open("rb") as stream, c2pa.Reader(mime, stream, context=context) as reader:
        store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    actions = [
        action
        for assertion in manifest["assertions"]
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"]["actions"]
    ]
    created = next((a for a in actions if a["action"] == "c2pa.created"), {})
    parameters = {
        name.removeprefix(PREFIX): value
        for name, value in created.get("parameters", {}).items()
        if name.startswith(PREFIX)
    }
    derivation = next((a["data"] for a in manifest["assertions"] if a["label"] == ASSERTION), None)
    state = store.get("validation_state")
    source_type = created.get("digitalSourceType")
    agrees = derivation is not None and derivation == parameters
    failures = store.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    return {
        "file": str(path),
        "ok": state == "Trusted" and source_type == TRAINED and agrees,
        "state": state,
        "digitalSourceType": source_type,
        "derivation": derivation,
        "agrees": agrees,
        "signer": manifest.get("signature_info", {}).get("common_name"),
        "ingredients": [
            {
                "title": ingredient.get("title"),
                "relationship": ingredient.get("relationship"),
                "manifest": ingredient.get("active_manifest"),
            }
            for ingredient in manifest.get("ingredients", [])
        ],
        "failures": [failure["code"] for failure in failures],
    }


if __name__ == "__main__":
    sys.exit(main())

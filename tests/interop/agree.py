#!/usr/bin/env python3
"""Holds what vidimus reads in files against two other readers of C2PA manifests: c2pa-python (a later release of the
same SDK) and encypher-c2pa (an implementation of its own), and what is signed against docs/derivation.schema.json.

    agree.py --anchor anchors.pem --schema docs/derivation.schema.json --ours verify.json

verify.json is the array that `vidimus verify FILE FILE... --json` prints. One JSON line per file. Exit status: 0 if
all three are of one mind on each file, and every derivation that holds keeps the schema; 1 otherwise.
"""

import argparse
import json
import mimetypes
import sys
from pathlib import Path

import c2pa
import encypher_c2pa
import jsonschema

# Python 3.11 and older do not know it.
mimetypes.add_type("image/webp", ".webp")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anchor", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--ours", type=Path, required=True)
    args = parser.parse_args()
    anchors = args.anchor.read_text()
    schema = json.loads(args.schema.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    settings = c2pa.Settings.from_dict(
        {"trust": {"user_anchors": anchors}, "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    )
    good = True
    with c2pa.Context(settings) as context:
        for report in json.loads(args.ours.read_text()):
            path = Path(report["file"])
            state, derivation = by_sdk(path, context)
            # What the catalog gave back is not in the file.
            ours = report["manifest"]["state"]
            line = {
                "file": str(path),
                "vidimus": "absent" if ours == "recovered" else ours,
                "c2pa-python": state,
                "encypher-c2pa": by_encypher(path, anchors),
                "schema": [error.message for error in validator.iter_errors(derivation)] if derivation else None,
            }
            line["ok"] = line["vidimus"] == state == line["encypher-c2pa"] and not line["schema"]
            good &= line["ok"]
            print(json.dumps(line))
    return 0 if good else 1


def by_sdk(path: Path, context: c2pa.Context) -> tuple:
    """State of the manifest in the file, and the derivation that it states."""
    try:
        with path.open("rb") as stream, c2pa.Reader(mimetypes.guess_type(path.name)[0], stream, context=context) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError as error:
        return ("absent" if "ManifestNotFound" in str(error) else "invalid"), None
    manifest = store["manifests"][store["active_manifest"]]
    found = [a["data"] for a in manifest["assertions"] if a["label"] == "org.vidimus.derivation"]
    return store["validation_state"].lower(), found[0] if found else None


def by_encypher(path: Path, anchors: str) -> str:
    report = encypher_c2pa.verify(
        str(path), mimetypes.guess_type(path.name)[0], trust_pem=anchors, no_default_trust=True, telemetry=False, online=False
    )
    if not report["present"]:
        return "absent"
    return report["validation_state"].lower()


if __name__ == "__main__":
    sys.exit(main())

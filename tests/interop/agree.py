#!/usr/bin/env python3
"""Holds what vidimus reads in files against other readers of C2PA manifests, and what is signed against
docs/derivation.schema.json. The readers:

    c2pa-python    a later release of the same SDK
    encypher-c2pa  an implementation of its own, in Rust
    c2pa-ts        an implementation of its own, in TypeScript; checks no chain of certificates, so that what holds is
                   "holds" to it and never "trusted"; knows PNG and JPEG alone
    c2patool       the SDK's command line, where --c2patool names it; asked for its JSON, since it exits with 0 on
                   tampered files, too

    agree.py --anchor anchors.pem --schema docs/derivation.schema.json --ours verify.json --c2pa-ts target/npm

verify.json is the array that `vidimus verify FILE FILE... --json` prints, and target/npm is where `make test` installs
c2pa-ts. Prints one JSON line per file, and with --table the same for people to a file. Exit status: 0 if all are of one
mind on each file, and every derivation that holds keeps the schema; 1 otherwise.
"""

import argparse
import json
import mimetypes
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import c2pa
import encypher_c2pa
import jsonschema

# Python 3.11 and older do not know it.
mimetypes.add_type("image/webp", ".webp")

# What c2pa-ts has no reader for.
UNREAD = {".webp", ".tiff"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anchor", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--ours", type=Path, required=True)
    parser.add_argument("--c2pa-ts", type=Path, required=True)
    parser.add_argument("--c2patool", type=Path)
    parser.add_argument("--table", type=Path)
    args = parser.parse_args()
    schema = json.loads(args.schema.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    reports = json.loads(args.ours.read_text())
    paths = [Path(report["file"]) for report in reports]
    states, derivations = by_sdk(paths, args.anchor)
    readers = {
        f"c2pa-python {version('c2pa-python')}": states,
        f"encypher-c2pa {version('encypher-c2pa')}": [by_encypher(path, args.anchor) for path in paths],
        f"c2pa-ts {version_of_ts(args.c2pa_ts)}": by_ts(paths, args.c2pa_ts),
    }
    if args.c2patool:
        told = subprocess.run([args.c2patool, "--version"], check=True, capture_output=True, text=True).stdout
        readers[told.strip()] = [by_tool(path, args.anchor, args.c2patool) for path in paths]
    lines = []
    for at, (path, report) in enumerate(zip(paths, reports)):
        # What the catalog gave back is not in the file.
        ours = report["manifest"]["state"]
        ours = "absent" if ours == "recovered" else ours
        told = {name: said[at] for name, said in readers.items()}
        faults = None
        if derivations[at]:
            faults = [error.message for error in validator.iter_errors(derivations[at])]
        agreed = all(said in allowed(name, ours, path) for name, said in told.items())
        lines.append({"file": str(path), "vidimus": ours, **told, "schema": faults, "ok": agreed and not faults})
        print(json.dumps(lines[-1]))
    if args.table:
        args.table.write_text(table(lines, list(readers)))
    return 0 if all(line["ok"] for line in lines) else 1


def allowed(reader: str, ours: str, path: Path) -> set:
    """What `reader` may say of a file that we call `ours`."""
    if not reader.startswith("c2pa-ts"):
        return {ours}
    if path.suffix in UNREAD:
        return {"unread"}
    return {"holds" if ours in ("trusted", "valid") else ours}


def by_sdk(paths: list, anchors: Path) -> tuple:
    """States of the manifests in the files, and the derivations that they state."""
    settings = c2pa.Settings.from_dict(
        {"trust": {"user_anchors": anchors.read_text()}, "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    )
    with c2pa.Context(settings) as context:
        found = [one_by_sdk(path, context) for path in paths]
    return [state for state, _ in found], [derivation for _, derivation in found]


def one_by_sdk(path: Path, context: c2pa.Context) -> tuple:
    try:
        with path.open("rb") as stream, c2pa.Reader(mimetypes.guess_type(path.name)[0], stream, context=context) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError as error:
        return ("absent" if "ManifestNotFound" in str(error) else "invalid"), None
    manifest = store["manifests"][store["active_manifest"]]
    found = [a["data"] for a in manifest["assertions"] if a["label"] == "org.vidimus.derivation"]
    return store["validation_state"].lower(), found[0] if found else None


def by_encypher(path: Path, anchors: Path) -> str:
    report = encypher_c2pa.verify(
        str(path),
        mimetypes.guess_type(path.name)[0],
        trust_pem=anchors.read_text(),
        no_default_trust=True,
        telemetry=False,
        online=False,
    )
    if not report["present"]:
        return "absent"
    return report["validation_state"].lower()


def by_ts(paths: list, installed: Path) -> list:
    script = Path(__file__).with_name("c2pa_ts.mjs")
    command = ["node", script, installed, *paths]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line)["state"] for line in told.splitlines()]


def version_of_ts(installed: Path) -> str:
    return json.loads((installed / "node_modules/@trustnxt/c2pa-ts/package.json").read_text())["version"]


def by_tool(path: Path, anchors: Path, tool: Path) -> str:
    ended = subprocess.run([tool, path, "trust", "--trust_anchors", anchors], capture_output=True, text=True)
    if ended.returncode == 0:
        return json.loads(ended.stdout)["validation_state"].lower()
    return "absent" if "No claim found" in ended.stderr else f"error: {ended.stderr.strip()}"


def table(lines: list, readers: list) -> str:
    columns = ["file", "vidimus", *readers]
    rows = [columns, ["---"] * len(columns), *([line[column] for column in columns] for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main())

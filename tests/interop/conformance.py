#!/usr/bin/env python3
"""Holds manifests against what C2PA's conformance programme asks of an asset (rubric 0.2 for specification 2.4), as
far as it concerns what we write. They are read as crJSON, by c2pa-python.

    conformance.py --anchor anchors.pem FILE...

Prints one JSON line per file, with the rules that it breaks. Exit status: 0 if none is broken; 1 otherwise.
"""

import argparse
import json
import mimetypes
import sys
from pathlib import Path

import c2pa

# Python 3.11 and older do not know it.
mimetypes.add_type("image/webp", ".webp")

ASSERTIONS = {
    "c2pa.actions.v2",
    "c2pa.ai-disclosure",
    "c2pa.hash.data",
    "c2pa.ingredient.v3",
    "c2pa.soft-binding",
    "c2pa.thumbnail.ingredient",
}
ACTIONS = {
    "c2pa.addedText",
    "c2pa.created",
    "c2pa.opened",
    "c2pa.watermarked.unbound",
}
INCEPTION = {"c2pa.created", "c2pa.opened"}
# What changes nothing that people see needs no source type.
UNSEEN = {"c2pa.watermarked.unbound"}
RELATIONSHIPS = {"parentOf", "inputTo", "componentOf"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anchor", type=Path, required=True)
    parser.add_argument("files", type=Path, nargs="+")
    args = parser.parse_args()
    settings = c2pa.Settings.from_dict(
        {
            "trust": {"user_anchors": args.anchor.read_text()},
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        }
    )
    good = True
    with c2pa.Context(settings) as context:
        for path in args.files:
            with path.open("rb") as stream:
                mime = mimetypes.guess_type(path.name)[0]
                with c2pa.Reader(mime, stream, context=context) as reader:
                    manifest = json.loads(reader.crjson())["manifests"][0]
            broken = [rule for rule, kept in rules(manifest).items() if not kept]
            good &= not broken
            print(json.dumps({"file": str(path), "broken": broken}))
    return 0 if good else 1


def rules(manifest: dict) -> dict:
    """Each rule, and whether `manifest` keeps it."""
    claim, assertions = manifest["claim.v2"], manifest["assertions"]
    labels = {label.split("__")[0] for label in assertions}
    created = [assertion["url"].rsplit("/", 1)[1] for assertion in claim["created_assertions"]]
    lists = [assertion for assertion in assertions.values() if "actions" in assertion]
    first = next((label for label in created if label.startswith("c2pa.actions")), None)
    inception = assertions[first]["actions"][0] if first else {}
    actions = [action for each in lists for action in each["actions"]]
    opened = [action for action in actions if action["action"] == "c2pa.opened"]
    parameters = [name for action in actions for name in action.get("parameters", {})]
    ingredients = [assertion for assertion in assertions.values() if "relationship" in assertion]

    def named(names: set, known: set) -> bool:
        return all(name in known if name.startswith("c2pa.") else "." in name for name in names)

    return {
        "the label is a URN of C2PA": manifest["label"].startswith("urn:c2pa:"),
        "the version of the specification is stated": claim["claim_generator_info"].get("specVersion", "").startswith("2.4"),
        "nothing fails": manifest["validationResults"].get("failure", []) == [],
        "every assertion is the signer's own": not claim.get("gathered_assertions") and set(created) == set(assertions),
        "one hard binding": [label for label in assertions if label.startswith("c2pa.hash")] == ["c2pa.hash.data"],
        "assertions are those of C2PA, or of somebody's own name": named(labels, ASSERTIONS),
        "actions are those of C2PA, or of somebody's own name": named({action["action"] for action in actions}, ACTIONS),
        "parameters are those of C2PA, or of somebody's own name": all(
            "." in name or name == "ingredients" for name in parameters
        ),
        "it is said whether all actions are told": bool(lists) and all("allActionsIncluded" in each for each in lists),
        "the first action is where the picture begins": inception.get("action") in INCEPTION,
        "what is created has a source type": all(
            "digitalSourceType" in action for action in actions if action["action"] == "c2pa.created"
        ),
        "what is opened has none, and one ingredient": all(
            "digitalSourceType" not in action and len(action["parameters"]["ingredients"]) == 1 for action in opened
        ),
        "what people see has a source type": all(
            "digitalSourceType" in action
            for action in actions
            if action["action"].startswith("c2pa.") and action["action"] not in INCEPTION | UNSEEN
        ),
        "ingredients are related": all(each["relationship"] in RELATIONSHIPS for each in ingredients),
        "ingredients with a manifest are validated, and no others": all(
            ("activeManifest" in each) == ("validationResults" in each) for each in ingredients
        ),
    }


if __name__ == "__main__":
    sys.exit(main())

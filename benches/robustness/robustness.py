#!/usr/bin/env python3
"""How well watermarks survive: pictures x attacks, ours beside its peers, as Markdown and JSON.

robustness.py run                       our specimens, every attack, every method installed
robustness.py run --images DIR --sizes 0,256 --attacks core --methods vidimus-either,dwtDctSvd
robustness.py curve --methods vidimus   recovery against PSNR and against size
robustness.py table a.json b.json       the tables of earlier runs again
robustness.py list                      attacks and methods
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from hashlib import sha256
from importlib import metadata
from pathlib import Path

# One thread on every side; read by the libraries when they are loaded, hence before the imports below.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import attacks
import measure
import methods
import peers
import pictures
import report
from errors import Failure

RELEASE = Path(__file__).resolve().parents[2] / "target" / "release"
DEFAULT_METHODS = "vidimus,vidimus-short,vidimus-either,vidimus-auto,blind-watermark,dwtDctSvd,dwtDct,rivaGan"
LIBRARIES = ("numpy", "pillow", "opencv-python-headless", "scikit-image", *peers.PACKAGES)


def main():
    options = arguments()
    try:
        options.command(options)
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run_parser = commands.add_parser("run", help="measure methods under attacks")
    add_common(run_parser, methods_default=DEFAULT_METHODS)
    run_parser.add_argument(
        "--sizes", type=numbers, default=[0], metavar="N,N", help="central squares of this side; 0: as is [0]"
    )
    run_parser.add_argument("--unmarked", type=int, default=200, metavar="N", help="unmarked pictures to search [200]")
    run_parser.add_argument(
        "--first-unmarked", type=int, default=0, metavar="N", help="go on after N unmarked pictures of a run before [0]"
    )
    run_parser.set_defaults(command=run)

    curve_parser = commands.add_parser("curve", help="recovery against PSNR and against size")
    add_common(curve_parser, methods_default="vidimus,vidimus-short")
    curve_parser.add_argument(
        "--psnr", type=words, default=["38", "40", "42", "44"], metavar="DB,DB", help="[38,40,42,44]"
    )
    curve_parser.add_argument(
        "--sizes", type=numbers, default=[200, 256, 320, 384, 512, 768], metavar="N,N", help="[200,256,320,384,512,768]"
    )
    curve_parser.set_defaults(command=curve)

    table_parser = commands.add_parser("table", help="print the tables of earlier runs")
    table_parser.add_argument("files", nargs="+", type=Path, metavar="JSON")
    table_parser.set_defaults(command=table)

    commands.add_parser("list", help="print attacks and methods").set_defaults(command=show_list)
    return parser.parse_args()


def add_common(parser, methods_default):
    parser.add_argument(
        "--images", action="append", default=[], metavar="DIR", help="pictures to mark, repeatable [our specimens]"
    )
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="no more than N pictures, spread over the folders"
    )
    parser.add_argument("--attacks", type=attack_names, default="all", metavar="core|all|A,B", help="[all]")
    parser.add_argument("--methods", type=words, default=methods_default, metavar="M,M", help=f"[{methods_default}]")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes; times are only fair with one [1]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here too")
    parser.add_argument("--slow", type=int, default=4, metavar="N", help="slow peers on N of the pictures only [4]")
    program, vidimus = RELEASE / "examples" / "watermark", RELEASE / "vidimus"
    parser.add_argument("--program", type=Path, default=program, help="[target/release/examples/watermark]")
    parser.add_argument("--vidimus", type=Path, default=vidimus, help="draws specimens [target/release/vidimus]")


def words(text):
    return [word for word in text.split(",") if word]


def numbers(text):
    return [int(word) for word in words(text)]


def attack_names(text):
    names = {"all": attacks.NAMES, "core": attacks.CORE}.get(text) or words(text)
    if unknown := set(names) - set(attacks.NAMES):
        raise argparse.ArgumentTypeError(f"no attack {', '.join(sorted(unknown))}; see: robustness.py list")
    return names


def run(options):
    def columns(names):
        return [
            [measure.Column(f"{size} px" if size else "native size", name, name, size) for name in names]
            for size in options.sizes
        ]

    measured(options, columns, options.unmarked, options.first_unmarked)


def curve(options):
    def columns(names):
        ours = [name for name in names if name not in peers.CODECS]
        pairs = [(name, psnr) for name in ours for psnr in options.psnr]
        sides = [(name, side) for name in names for side in options.sizes]
        return [
            [measure.Column("against PSNR", f"{n} {db} dB", f"{n}@{db}", 0) for n, db in pairs],
            [measure.Column("against size", f"{n} {side} px", n, side) for n, side in sides],
        ]

    measured(options, columns, unmarked=0)


def measured(options, columns, unmarked, first=0):
    """Measures every picture in the columns that `columns` makes of the installed methods, and reports."""
    names, left_out = installed(options.methods)
    ours = [methods.create(name, options.program) for name in names if name not in peers.CODECS]
    with methods.scratch_folder() as folder:
        files = pictures.in_folders(options.images) if options.images else pictures.specimens(options.vidimus, folder)
        if options.limit:
            files = spread(files, options.limit)
        tasks = plan(files, columns(names), options.slow)
        with measure.workers(options.jobs, files, options.attacks, options.program) as each:
            results = measure.measure_all(each, tasks, say)
            found = search_unmarked(each, ours, names, first, unmarked) if unmarked else {}
    document = {
        **{"schema": report.SCHEMA, "machine": machine(), "versions": versions(options.program if ours else None)},
        **{"images": options.images or ["specimens"], "attacks": options.attacks, "left_out": left_out},
        **{"results": results, "unmarked": found},
    }
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    text = report.markdown([("this run", document)])
    if options.markdown:
        options.markdown.write_text(text)
    print(text, end="")


def plan(files, sections, slow):
    """Each section's pictures with the columns to measure them in; slow peers get `slow` pictures of all."""
    few, tasks = spread(files, slow), []
    for section in sections:
        thorough = [column for column in section if len(few) == len(files) or not peers.is_slow(column.method)]
        note = f"{len(few)} of {len(files)} pictures"
        rest = [replace(column, label=f"{column.label}, {note}") for column in section if column not in thorough]
        for file in files:
            if columns := thorough + (rest if file in few else []):
                tasks.append((file, columns))
    return tasks


def spread(files, count):
    """At most `count` files, from one end to the other."""
    return files if count >= len(files) else [files[i * (len(files) - 1) // max(1, count - 1)] for i in range(count)]


def installed(names):
    """The methods that can run, and those that cannot with the modules they lack."""
    left_out = [{"method": n, "missing": peers.missing(n)} for n in names if n in peers.CODECS and peers.missing(n)]
    for left in left_out:
        lacks = ", ".join(left["missing"])
        say(f"{left['method']}: not installed, left out (no module {lacks}; see requirements-peers.txt)")
    absent = {left["method"] for left in left_out}
    remaining = [name for name in names if name not in absent]
    if not remaining:
        raise Failure("none of these methods is installed")
    return remaining, left_out


def search_unmarked(each, ours, names, first, count):
    """False positives of each of our detectors; what the peers in this run mark is searched too."""
    marking = [name for name in names if name in peers.CODECS]
    one_of_each = {method.detector: method.name for method in reversed(ours)}
    return {d: measure.count_false_positives(each, n, marking, range(first, first + count), say) for d, n in one_of_each.items()}


def table(options):
    documents = []
    for file in options.files:
        document = json.loads(file.read_text())
        if document.get("schema") != report.SCHEMA:
            raise Failure(f"{file} is of schema {document.get('schema')}; this script reads {report.SCHEMA}")
        documents.append((file.stem, document))
    print(report.markdown(documents), end="")


def show_list(_):
    print("Attacks (* core):")
    for name in attacks.NAMES:
        print(f"  {name}{' *' if name in attacks.CORE else ''}")
    print("Methods of ours (@DB or @auto after the name: another PSNR than 42 dB):")
    for name, meaning in methods.SPELLINGS.items():
        print(f"  {name:20} {meaning}")
    print("Peers (-80: with 80 bits; @42: weakened to about 42 dB):")
    for name, (codec, _) in peers.CODECS.items():
        print(f"  {name:20} {'not installed' if peers.missing(name) else codec.package}")


def machine():
    model = "unknown processor"
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        model = next((value.strip() for key, _, value in lines if key.strip() == "model name"), model)
    return f"{model}, {platform.system()} {platform.machine()}"


def versions(program):
    found = {"Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if program:
        found["watermark sha256"] = sha256(Path(program).read_bytes()).hexdigest()[:16]
    return found


def say(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

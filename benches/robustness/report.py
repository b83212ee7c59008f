"""Markdown tables of one or more result documents."""

from dataclasses import dataclass
from statistics import mean, median

from attacks import COLLUSIONS, CORE, NAMES

SCHEMA = 1
NOTES = """\
¹ Pictures × attacks whose whole message was read, without collusion; a picture that the method refused counts as
lost under every attack. ² The same over the core attacks. ³ Pictures without our mark in which one was found;
“no check”: the method reads bits out of any picture. Times are medians, on one thread, without reading or
writing files; the self-check of vidimus-either is not in its embedding time."""


@dataclass
class Column:
    label: str
    results: list
    unmarked: dict | None

    def cases(self, names):
        """Whether each picture under each of these attacks gave the exact message."""
        return [r["attacks"][n]["exact"] for r in self.results for n in names if n in r["attacks"]]

    def of(self, key):
        return [r[key] for r in self.results if key in r]


def markdown(documents):
    """Documents as pairs of a name and the JSON that `run` or `curve` wrote."""
    parts = []
    for section, columns in _sections(documents).items():
        pictures = len({r["picture"] for c in columns for r in c.results})
        parts.append(f"### {section[0].upper()}{section[1:]} ({pictures} picture{'s' * (pictures != 1)})")
        parts.append(_table(_summary_rows(columns)))
        parts.append(_table(_attack_rows(columns)))
    parts += [NOTES, "\n".join(f"- {line}" for line in _remarks(documents))]
    return "\n\n".join(parts) + "\n"


def _sections(documents):
    """The columns of every section; where two documents have the same one, each bears its document's name."""
    found = {}
    for name, document in documents:
        for result in document["results"]:
            labels = found.setdefault(result["section"], {}).setdefault(result["column"], {})
            if name not in labels:
                labels[name] = Column(result["column"], [], document["unmarked"].get(result["detector"]))
            labels[name].results.append(result)
    for labels in found.values():
        for columns in labels.values():
            for name, column in columns.items():
                column.label = f"{column.label} ({name})" if len(columns) > 1 else column.label
    return {section: [c for cs in labels.values() for c in cs.values()] for section, labels in found.items()}


def _summary_rows(columns):
    yield ["method", "bits", "PSNR dB mean (min)", "SSIM mean (min)", "recovered % ¹", "core % ²"] + [
        *("embed ms/MP", "detect ms/MP: as is", "attacked", "unmarked", "false positives ³")
    ]
    everything = [n for n in NAMES if n not in COLLUSIONS]
    for c in columns:
        attacked = [a for r in c.results for a in r["attacks"].values()]
        yield [
            *(c.label, c.results[0]["bits"]),
            *(_mean_min(c.of("psnr_db"), 1), _mean_min(c.of("ssim"), 4)),
            *(_percent(c.cases(everything), 1), _percent(c.cases(CORE), 1)),
            _number([r["embed_ms"] / r["megapixels"] for r in c.results if "embed_ms" in r]),
            _number(_speeds(r["attacks"]["none"] for r in c.results if "none" in r["attacks"])),
            *(_number(_speeds(attacked)), *_unmarked(c)),
        ]


def _unmarked(column):
    if column.results[0]["detector"] is None:
        return ["", "no check"]
    if column.unmarked is None:
        return ["", "not run"]
    return [
        f"{column.unmarked['ms_per_megapixel']:.0f}",
        f"{len(column.unmarked['hits'])} of {column.unmarked['pictures']}",
    ]


def _attack_rows(columns):
    yield ["attack: exact %", *(c.label for c in columns)]
    for name in NAMES:
        cells = [c.cases([name]) for c in columns]
        if any(cells):
            yield [name, *map(_percent, cells)]


def _remarks(documents):
    for name, document in documents:
        for result in document["results"]:
            if "refused" in result:
                yield f"{name}: {result['column']} refused {result['picture']}: {result['refused']}"
        for left in document["left_out"]:
            yield f"{name}: {left['method']} left out, not installed ({', '.join(left['missing'])})"
        versions = ", ".join(f"{k} {v}" for k, v in document["versions"].items())
        yield f"{name}: {document['machine']}; {versions}."


def _speeds(outcomes):
    return [a["ms"] / a["megapixels"] for a in outcomes if a["ms"]]


def _mean_min(values, digits):
    return f"{mean(values):.{digits}f} ({min(values):.{digits}f})" if values else "–"


def _percent(cases, digits=0):
    return f"{100 * mean(cases):.{digits}f}" if cases else "–"


def _number(values):
    return f"{median(values):.0f}" if values else "–"


def _table(rows):
    rows = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([rows[0], "|---" * (rows[0].count("|") - 1) + "|", *rows[1:]])

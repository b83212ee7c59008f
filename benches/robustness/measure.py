"""Marks pictures, attacks them, reads them again, and keeps what happened."""

import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import repeat

import cv2
import numpy as np
from skimage.metrics import structural_similarity

import methods
from attacks import COLLUDE_ALIKE, COLLUDERS, COLLUSIONS, as_rgb, attack, collude
from pictures import Unmarked, load

# The size at which pictures collude when they are measured at their own.
COLLUSION_SIDE = 512
BATCH = 64


@dataclass(frozen=True)
class Column:
    """One column of a result table: a method on pictures of one size (0: their own)."""

    section: str
    label: str
    method: str
    size: int


class Bench:
    """The files, attacks and methods of one run."""

    def __init__(self, files, attacks, program):
        cv2.setNumThreads(1)
        self.files, self.attacks = files, attacks
        self.method = cache(lambda name: methods.create(name, program))
        self.colluder = cache(self._mark)

    def measure(self, path, column):
        """What became of one picture in one column."""
        method, picture = self.method(column.method), load(path, column.size)
        result = {
            **{"section": column.section, "column": column.label, "method": method.name, "bits": method.bits},
            **{"detector": method.detector, "picture": path.name, "shape": list(picture.shape)},
            "megapixels": _megapixels(picture),
        }
        try:
            marked = method.embed(picture, path.name)
        except methods.Refused as refusal:
            lost = {"exact": False, "bit_accuracy": 0.5, "found": False, "ms": None}
            return {**result, "refused": str(refusal), "attacks": dict.fromkeys(self.attacks, lost)}
        return {
            **result,
            **_quality(picture, marked.picture),
            **{"embed_ms": marked.ms, "message": marked.message.hex()},
            "attacks": self._attack(method, marked, path, column),
        }

    def _attack(self, method, marked, path, column):
        cases = {n: (marked, attack(n, marked.picture, path.name)) for n in self.attacks if n not in COLLUSIONS}
        for name in set(COLLUSIONS) & set(self.attacks):
            if (colluded := self._colluded(name, path, column)) is not None:
                cases[name] = colluded
        readings = method.detect([picture for _, picture in cases.values()])
        return {name: _outcome(m, a, r) for (name, (m, a)), r in zip(cases.items(), readings)}

    def _colluded(self, name, path, column):
        """The picture marked at one size for all, and that less what eight others have in common, if there are
        eight others."""
        others, side = [f for f in self.files if f != path][:COLLUDERS], column.size or COLLUSION_SIDE
        if len(others) < COLLUDERS:
            return None
        try:
            said = {f: path if name == COLLUDE_ALIKE else f for f in others}
            victim = self._mark(column.method, path, side)
            colluders = [self.colluder(column.method, f, side, named).picture for f, named in said.items()]
            return victim, collude(victim.picture, colluders)
        except methods.Refused:
            return None

    def _mark(self, method_name, path, side, named=None):
        """A picture with the message that belongs to the name of `named`, or to its own."""
        return self.method(method_name).embed(load(path, side), (named or path).name)

    def search(self, method_name, peer_names, indices):
        """What a method finds in the unmarked pictures of these indices."""
        unmarked = Unmarked(self.files, [self.method(name) for name in peer_names])
        pictures = [unmarked.make(i) for i in indices]
        readings = self.method(method_name).detect([picture for _, picture in pictures])
        return [
            {
                **{"index": i, "kind": kind, "found": reading.message is not None, "ms": reading.ms},
                **{"message": (reading.message or b"").hex(), "megapixels": _megapixels(picture), **reading.details},
            }
            for i, (kind, picture), reading in zip(indices, pictures, readings)
        ]


def _megapixels(picture):
    return picture.shape[0] * picture.shape[1] / 1e6


def _quality(before, after):
    if after.ndim == 3:
        before = as_rgb(before)
    error = np.mean((after.astype(float) - before) ** 2)
    axis = 2 if before.ndim == 3 else None
    return {
        "psnr_db": float(10 * np.log10(255**2 / max(error, 1e-9))),
        "ssim": float(structural_similarity(before, after, channel_axis=axis, data_range=255)),
    }


def _outcome(marked, attacked, reading):
    return {
        "exact": reading.message == marked.message,
        "bit_accuracy": _bit_accuracy(reading.message, marked.message),
        **{"found": reading.message is not None, "ms": reading.ms, "megapixels": _megapixels(attacked)},
        **reading.details,
    }


def _bit_accuracy(read, written):
    """The share of bits that are right; nothing read counts as guessing."""
    if read is None or len(read) != len(written):
        return 0.5
    bits = [np.unpackbits(np.frombuffer(m, np.uint8)) for m in (read, written)]
    return float(np.mean(bits[0] == bits[1]))


_bench = None


def _start(*arguments):
    global _bench
    _bench = Bench(*arguments)


@contextmanager
def workers(jobs, *arguments):
    """A `map` over `jobs` processes with a Bench each; one job is this process."""
    if jobs == 1:
        _start(*arguments)
        yield map
    else:
        with ProcessPoolExecutor(jobs, initializer=_start, initargs=arguments) as pool:
            yield pool.map


def measure_all(each, tasks, say):
    """The results of all (picture, columns) tasks, in their order."""
    results = []
    for number, found in enumerate(each(_measure, *zip(*tasks)), 1):
        say(f"[{number}/{len(tasks)}] {found[0]['picture']}, {found[0]['section']}: {'; '.join(map(_line, found))}")
        results += found
    return results


def _measure(path, columns):
    return [_bench.measure(path, column) for column in columns]


def _line(result):
    if "refused" in result:
        return f"{result['column']} refused: {result['refused']}"
    exact = [a["exact"] for a in result["attacks"].values()]
    return f"{result['column']} {result['psnr_db']:.1f} dB {sum(exact)}/{len(exact)}"


def count_false_positives(each, method_name, peers, indices, say):
    """Looks for our mark in the pictures of these indices, which do not bear it, some of which `peers` mark."""
    searches, start = [], time.monotonic()
    count = len(indices)
    batches = [indices[first : first + BATCH] for first in range(0, count, BATCH)]
    for found in each(_search, repeat(method_name), repeat(peers), batches):
        searches += found
        hits = [s for s in searches if s["found"]]
        seconds = time.monotonic() - start
        say(f"unmarked, {method_name}: {len(searches)} of {count}, {len(hits)} hits, {seconds:.0f} s")
    return {
        **{"pictures": count, "hits": hits, "kinds": dict(Counter(s["kind"] for s in searches))},
        "ms_per_megapixel": float(np.median([s["ms"] / s["megapixels"] for s in searches])),
    }


def _search(method_name, peers, indices):
    return _bench.search(method_name, peers, indices)

"""The methods under test. Each has a name, a number of message bits, `embed` and `detect`.

Ours is measured through the example program `watermark`, the peers (peers.py) through their libraries. Times are
those of the library alone on both sides: the program reports its own, without decoding files.
"""

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

import peers
from attacks import as_rgb, centre_crop, codec, pil, resize, rng_for
from errors import Failure

BITS = {"long": 80, "short": 32}
PSNR_DB = "42"
SPELLINGS = {
    "vidimus": "long level (80 bits)",
    "vidimus-short": "short level (32 bits)",
    "vidimus-either": "long level, or the short one where the long one fails its self-check",
    "vidimus-auto": "long level, the program chooses the PSNR",
    "vidimus-fast": "long level, detection without the geometric search",
    "vidimus-owned": "long level beside an owner's tag, which takes its share of the energy",
}


@dataclass(frozen=True)
class Marked:
    picture: np.ndarray
    message: bytes
    ms: float


@dataclass(frozen=True)
class Reading:
    message: bytes | None
    ms: float
    details: dict = field(default_factory=dict)


class Refused(Exception):
    """The method cannot mark this picture."""


def message_for(file_name, bits):
    return rng_for("payload", file_name).bytes(bits // 8)


def scratch_folder():
    """A temporary folder, in memory where the system has such a place."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


class Program:
    """The example `watermark`, one call for many pictures, on one thread."""

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_file():
            raise Failure(f"{path} not found; build it: cargo build --release --example watermark")

    def embed(self, picture, message, psnr, owned=False):
        with scratch_folder() as folder:
            source, target, owner = f"{folder}/in.png", f"{folder}/out.png", f"{folder}/owner.key"
            pil(picture).save(source, compress_level=1)
            Path(owner).write_text("07" * 32)
            tagged = ["--owner", owner] if owned else []
            done = self._call("embed", source, target, message.hex(), "--psnr", psnr, "--json", *tagged)
            if done.returncode != 0:
                raise Refused(_last_line(done.stderr))
            out = Image.open(target).convert("L" if picture.ndim == 2 else "RGB")
            return Marked(np.array(out), message, self._parse(done)["ms"])

    def detect(self, pictures, fast=False):
        with scratch_folder() as folder:
            files = [f"{folder}/{i:05}.png" for i in range(len(pictures))]
            for file, picture in zip(files, pictures):
                pil(picture).save(file, compress_level=1)
            done = self._call("detect", *files, "--json", *(["--fast"] if fast else []))
            answer = self._parse(done)
        answers = answer if isinstance(answer, list) else [answer]
        if [Path(a["file"]).name for a in answers] != [Path(f).name for f in files]:
            raise Failure(
                f"{self.path} detect answered for {len(answers)} of {len(files)} pictures, or in another order"
            )
        return [_reading(a) for a in answers]

    def _call(self, *words):
        env = {**os.environ, "RAYON_NUM_THREADS": "1"}
        return subprocess.run([self.path, *words], capture_output=True, text=True, env=env, check=False)

    def _parse(self, done):
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:
            raise Failure(f"{self.path} {done.args[1]} gave no JSON: {_last_line(done.stderr)}") from None


def _reading(answer):
    if not answer["found"]:
        return Reading(None, answer["ms"])
    details = {key: answer[key] for key in ("level", "stage", "log10_false_positive")}
    return Reading(bytes.fromhex(answer["message"]), answer["ms"], details)


def _last_line(text):
    return (text.strip().splitlines() or ["no reason given"])[-1]


class Vidimus:
    """Our watermark at one level and one PSNR."""

    def __init__(self, program, name, level="long", psnr=PSNR_DB, fast=False, owned=False):
        self.program, self.name, self.level, self.psnr, self.fast = program, name, level, psnr, fast
        self.owned = owned
        self.bits, self.detector = str(BITS[level]), "fast" if fast else "full"

    def embed(self, picture, file_name, level=None):
        level = level or self.level
        return self.program.embed(picture, message_for(file_name, BITS[level]), self.psnr, self.owned)

    def detect(self, pictures):
        return self.program.detect(pictures, self.fast)


class Either(Vidimus):
    """The long level, or the short one where a quick look at the marked picture finds the long one weak."""

    def __init__(self, program, name, psnr=PSNR_DB):
        super().__init__(program, name, psnr=psnr)
        self.bits = "80/32"

    def embed(self, picture, file_name, level=None):
        spent = 0.0
        try:
            marked = super().embed(picture, file_name, "long")
            if all(r.message == marked.message for r in self.detect(_self_checks(marked.picture))):
                return marked
            spent = marked.ms
        except Refused:
            pass
        marked = super().embed(picture, file_name, "short")
        return replace(marked, ms=spent + marked.ms)


def _self_checks(a):
    return [a, codec(a, "JPEG", quality=50), centre_crop(a, 0.6), resize(a, 0.6)]


class Peer:
    """A watermark of somebody else."""

    detector = None

    def __init__(self, name):
        self.name = name
        self.codec = peers.create(name)
        self.bits = str(self.codec.bits)
        self._warm()

    def embed(self, picture, file_name):
        message = message_for(file_name, self.codec.bits)
        try:
            out, ms = self.codec.embed(as_rgb(picture), message)
        except Exception as error:  # the libraries raise whatever their mathematics raises
            raise Refused(str(error) or type(error).__name__) from error
        return Marked(out, message, ms)

    def detect(self, pictures):
        return [self._read(picture) for picture in pictures]

    def _read(self, picture):
        try:
            return Reading(*self.codec.detect(as_rgb(picture)))
        except Exception as error:  # as above
            return Reading(None, 0.0, {"error": str(error) or type(error).__name__})

    def _warm(self):
        """Loads what is loaded once, so that it does not count."""
        picture = rng_for("warm").integers(0, 256, (256, 256, 3), np.uint8)
        self.detect([self.embed(picture, "warm").picture])


def create(name, program_path):
    """The method of this name: one of ours, with @DB or @auto for another PSNR, or a peer."""
    if name in peers.CODECS:
        return Peer(name)
    base, _, psnr = name.partition("@")
    if base not in SPELLINGS or (psnr and not re.fullmatch(r"auto|\d+(\.\d+)?", psnr)):
        raise Failure(f"no method {name!r}; see: robustness.py list")
    program = Program(program_path)
    psnr = psnr or ("auto" if base == "vidimus-auto" else PSNR_DB)
    if base == "vidimus-either":
        return Either(program, name, psnr)
    level = "short" if base == "vidimus-short" else "long"
    return Vidimus(program, name, level, psnr, fast=base == "vidimus-fast", owned=base == "vidimus-owned")

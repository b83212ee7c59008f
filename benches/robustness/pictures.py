"""Pictures to mark (our own specimens, or folders) and pictures that nobody marked."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attacks import ATTACKS, attack, resize, rng_for, rounded
from errors import Failure

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}
KINDS = ("adenovirus", "influenza", "filovirus", "bullet")
# Size, seed of the first kind, colour. Every kind is drawn once for each.
SERIES = (("320x201", 11, False), ("512x512", 21, False), ("512x512", 31, True), ("768x512", 41, False))


def specimens(vidimus, folder):
    """Draws the default pictures into `folder`."""
    if not Path(vidimus).is_file():
        raise Failure(f"{vidimus} not found; build it: cargo build --release")
    files = []
    for size, first_seed, colour in SERIES:
        for seed, kind in enumerate(KINDS, first_seed):
            file = Path(folder) / f"{kind}-{seed}-{size}{'-colour' if colour else ''}.png"
            command = [vidimus, "specimen", "--out", file, "--kind", kind, "--size", size, "--seed", str(seed)]
            done = subprocess.run(command + ["--colour"] * colour, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failure(f"{vidimus} specimen: {done.stderr.strip()}")
            files.append(file)
    return files


def in_folders(folders):
    files = []
    for folder in folders:
        found = sorted(f for f in Path(folder).glob("*") if f.suffix.lower() in SUFFIXES)
        if not found:
            raise Failure(f"no pictures in {folder}")
        files += found
    return files


def load(path, size=0):
    """A picture as 8-bit grey or RGB; with `size`, its central square scaled to that side."""
    picture = Image.open(path)
    if picture.mode in ("I;16", "I", "F"):
        a = np.array(picture, float)
        low, high = np.percentile(a, [0.1, 99.9])
        picture = Image.fromarray(np.uint8(np.clip((a - low) / max(high - low, 1e-9), 0, 1) * 255))
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    return np.array(_square(picture, size) if size else picture)


def _square(picture, size):
    w, h = picture.size
    f = size / min(w, h)
    if f != 1:
        picture = picture.resize((max(size, round(w * f)), max(size, round(h * f))), Image.LANCZOS)
    x, y = (picture.width - size) // 2, (picture.height - size) // 2
    return picture.crop((x, y, x + size, y + size))


class Unmarked:
    """Pictures without our mark; the i-th is the same in every run on the same files and peers."""

    def __init__(self, files, marking_peers):
        self.files = files
        self.makers = {
            "original": self._another,
            "attacked original": self._attacked,
            "crop": lambda i, rng: self._crop(i, rng),
            "noise": lambda i, rng: _noise(rng),
            "gradient": lambda i, rng: _gradient(rng),
            "lattice": lambda i, rng: _lattice(rng),
            "text": lambda i, rng: _text(rng),
        }
        for peer in marking_peers:
            self.makers[f"marked by {peer.name}"] = self._marker(peer)

    def make(self, i):
        """The kind and the pixels of the i-th picture."""
        kind = list(self.makers)[i % len(self.makers)]
        return kind, np.ascontiguousarray(self.makers[kind](i // len(self.makers), rng_for("unmarked", i)))

    def _original(self, i):
        return load(self.files[i % len(self.files)])

    def _another(self, i, rng):
        """Each original once as it is, then at other sizes and mirrored: no picture counts twice."""
        a = self._original(i)
        if i < len(self.files):
            return a
        h, w = a.shape[:2]
        f = max(np.exp(rng.uniform(np.log(0.5), np.log(2))), 64 / min(h, w))
        return resize(a[:, ::-1] if rng.random() < 0.5 else a, f)

    def _attacked(self, i, rng):
        name = list(ATTACKS)[1 + rng.integers(len(ATTACKS) - 1)]
        return attack(name, self._original(i), f"unmarked {i}")

    def _crop(self, i, rng, low=200, high=512):
        a = self._original(i)
        h, w = (min(side, int(rng.integers(low, high + 1))) for side in a.shape[:2])
        y, x = rng.integers(a.shape[0] - h + 1), rng.integers(a.shape[1] - w + 1)
        return a[y : y + h, x : x + w]

    def _marker(self, peer):
        return lambda i, rng: peer.embed(self._crop(i, rng, 256, 320), f"unmarked {i}").picture


def _sides(rng):
    return tuple(int(n) for n in rng.integers(200, 513, 2))


def _noise(rng):
    """Noise of any fineness, from white to clouds."""
    field, sigma = rng.normal(0, 1, _sides(rng)), rng.choice([0, 0.5, 1, 2, 4, 16])
    if sigma:
        field = cv2.GaussianBlur(field, (0, 0), float(sigma))
    return rounded(128 + field / field.std() * rng.uniform(2, 60))


def _gradient(rng):
    h, w = _sides(rng)
    yy, xx = np.mgrid[:h, :w]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.hypot(xx - w / 2, yy - h / 2) if rng.random() < 0.5 else xx * np.cos(angle) + yy * np.sin(angle)
    low, high = np.sort(rng.uniform(0, 255, 2))
    return rounded(low + (ramp - ramp.min()) / np.ptp(ramp) * (high - low))


def _lattice(rng):
    """A periodic picture: a few waves and a little noise, as of a crystal or a mesh."""
    h, w = _sides(rng)
    yy, xx = np.mgrid[:h, :w]
    waves = [(rng.uniform(-0.3, 0.3, 2), rng.uniform(0, 2 * np.pi)) for _ in range(rng.integers(2, 7))]
    field = sum(np.cos(2 * np.pi * (fx * xx + fy * yy) + phase) for (fx, fy), phase in waves)
    return rounded(128 + field * rng.uniform(2, 20) + rng.normal(0, 2, (h, w)))


def _text(rng):
    h, w = _sides(rng)
    size = int(rng.integers(9, 24))
    picture = Image.new("L", (w, h), 250)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz      ,."))
    for y in range(4, h, round(size * 1.4)):
        draw.text((6, y), "".join(rng.choice(letters, 2 * w // size)), fill=20, font=font)
    return np.array(picture)

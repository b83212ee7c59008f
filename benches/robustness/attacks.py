"""Attacks on a marked picture, made by Pillow, OpenCV and numpy: none of our code is on this side.

A picture is a uint8 array, H x W (grey) or H x W x 3 (RGB). Whatever is random in an attack depends on the
attack's name and the picture's file name only, so every method meets the same attack.
"""

import io
import zlib

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

COLLUDERS = 8
# Eight marked pictures, each with its own message, and eight with the victim's: what is common to them is then
# the whole mark, as when eight variations of one reference are averaged.
COLLUSIONS = ["collude8", COLLUDE_ALIKE := "collude8-alike"]


def rng_for(*words):
    """A random generator that these words alone determine."""
    return np.random.default_rng(zlib.crc32("|".join(map(str, words)).encode()))


def pil(a):
    return Image.fromarray(np.ascontiguousarray(a))


def rounded(x):
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def as_rgb(a):
    return a if a.ndim == 3 else np.repeat(a[..., None], 3, 2)


def codec(a, form, **options):
    """Encodes and decodes again."""
    stream = io.BytesIO()
    pil(a).save(stream, form, **options)
    stream.seek(0)
    return np.array(Image.open(stream).convert("L" if a.ndim == 2 else "RGB"))


def resize(a, fx, fy=None, method=Image.LANCZOS):
    h, w = a.shape[:2]
    return np.array(pil(a).resize((max(1, round(w * fx)), max(1, round(h * (fy or fx)))), method))


def centre_crop(a, f):
    h, w = a.shape[:2]
    ch, cw = round(h * f), round(w * f)
    y, x = (h - ch) // 2, (w - cw) // 2
    return a[y : y + ch, x : x + cw]


def random_crop(a, f, rng):
    h, w = a.shape[:2]
    ch, cw = round(h * f), round(w * f)
    y, x = rng.integers(0, h - ch + 1), rng.integers(0, w - cw + 1)
    return a[y : y + ch, x : x + cw]


def rotate(a, degrees):
    """Rotates on a larger, black canvas."""
    if degrees % 90 == 0:
        return np.rot90(a, degrees // 90)
    return np.array(pil(a).rotate(degrees, Image.BICUBIC, expand=True))


def rotate_inner(a, degrees):
    """Rotates and keeps the largest upright rectangle that holds no black corner."""
    h, w = a.shape[:2]
    angle = np.deg2rad(abs(degrees))
    s, c = np.sin(angle), np.cos(angle)
    low, high = min(h, w), max(h, w)
    if low <= 2 * s * c * high or abs(s - c) < 1e-9:
        half = 0.5 * low
        wr, hr = (half / s, half / c) if w >= h else (half / c, half / s)
    else:
        k = c * c - s * s
        wr, hr = (w * c - h * s) / k, (h * c - w * s) / k
    out = rotate(a, degrees)
    hr, wr = int(hr) - 2, int(wr) - 2
    y, x = (out.shape[0] - hr) // 2, (out.shape[1] - wr) // 2
    return out[y : y + hr, x : x + wr]


def contrast(a, f):
    return rounded((a.astype(float) - a.mean()) * f + a.mean())


def gamma(a, g):
    return rounded(255 * (a / 255.0) ** g)


def saturate(a, f):
    return a if a.ndim == 2 else np.array(ImageEnhance.Color(pil(a)).enhance(f))


def grey(a):
    return np.array(pil(a).convert("L")) if a.ndim == 3 else a


def pil_filter(a, kernel):
    return np.array(pil(a).filter(kernel))


def noise(a, sigma, rng):
    return rounded(a + rng.normal(0, sigma, a.shape))


def salt_and_pepper(a, share, rng):
    out, m = a.copy(), rng.random(a.shape[:2])
    out[m < share / 2] = 0
    out[m > 1 - share / 2] = 255
    return out


def bilateral(a):
    return cv2.bilateralFilter(a, 7, 25, 3)


def non_local_means(a):
    if a.ndim == 2:
        return cv2.fastNlMeansDenoising(a, None, 5, 5, 13)
    return cv2.fastNlMeansDenoisingColored(a, None, 5, 5, 5, 13)


def overlay(a, rng):
    """Covers a tenth of the picture with a caption."""
    h, w = a.shape[:2]
    picture = pil(a).copy()
    draw = ImageDraw.Draw(picture)
    bw, bh = int(w * 0.5), int(h * 0.2)
    x, y = int(rng.integers(0, w - bw + 1)), int(rng.integers(0, h - bh + 1))
    is_grey = a.ndim == 2
    draw.rectangle([x, y, x + bw, y + bh], fill=230 if is_grey else (230, 230, 240))
    font = ImageFont.load_default(max(10, bh // 3))
    ink = 10 if is_grey else (200, 10, 10)
    draw.text((x + 8, y + bh // 3), "PREPRINT FIG 1 (c) 2026", fill=ink, font=font)
    return np.array(picture)


def social(a):
    f = min(1.0, 1080 / max(a.shape[:2]))
    return codec(resize(a, f) if f < 1 else a, "JPEG", quality=80)


def regeneration(a, rng):
    """Stands in for drawing the picture anew (it is no VAE): halve, denoise, add noise, compress."""
    h, w = a.shape[:2]
    out = np.array(pil(resize(a, 0.5)).resize((w, h), Image.BICUBIC))
    return codec(noise(bilateral(out), 3, rng), "JPEG", quality=80)


def perspective(a, f, rng):
    h, w = a.shape[:2]
    corners = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    moved = (corners + rng.uniform(-f, f, (4, 2)) * [w, h]).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return cv2.warpPerspective(a, matrix, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def warp(a, pixels, rng):
    """A smooth displacement of `pixels` rms."""
    h, w = a.shape[:2]
    fields = [cv2.GaussianBlur(rng.normal(0, 1, (h, w)).astype(np.float32), (0, 0), 40) for _ in "xy"]
    dx, dy = (field / field.std() * pixels for field in fields)
    yy, xx = np.mgrid[:h, :w].astype(np.float32)
    return cv2.remap(a, xx + dx, yy + dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def jpeg(quality):
    return lambda a, _: codec(a, "JPEG", quality=quality)


def rotated(degrees):
    return lambda a, _: rotate(a, degrees)


def rotated_inner(degrees):
    return lambda a, _: rotate_inner(a, degrees)


# What is done to the picture by each name: f(picture, random generator).
ATTACKS = {
    "none": lambda a, _: a,
    **{f"jpeg{q}": jpeg(q) for q in (95, 85, 75, 60, 50, 40, 30)},
    "webp80": lambda a, _: codec(a, "WEBP", quality=80),
    "webp50": lambda a, _: codec(a, "WEBP", quality=50),
    "avif60": lambda a, _: codec(a, "AVIF", quality=60, speed=8),
    "resize75": lambda a, _: resize(a, 0.75),
    "resize50": lambda a, _: resize(a, 0.5),
    "resize33": lambda a, _: resize(a, 0.33),
    "resize150": lambda a, _: resize(a, 1.5, method=Image.BICUBIC),
    "aniso90x110": lambda a, _: resize(a, 0.9, 1.1),
    "crop90": lambda a, _: centre_crop(a, 0.9),
    "crop75": lambda a, _: centre_crop(a, 0.75),
    "crop50": lambda a, _: centre_crop(a, 0.5),
    "crop33": lambda a, _: centre_crop(a, 0.333),
    "crop25": lambda a, _: centre_crop(a, 0.25),
    "rcrop60": lambda a, rng: random_crop(a, 0.6, rng),
    **{f"rot{d}": rotated(d) for d in (1, 2, 5, 10, 45, 90)},
    **{f"rot{d}in": rotated_inner(d) for d in (1, 2, 5, 10, 45)},
    "hflip": lambda a, _: a[:, ::-1],
    "bright+20%": lambda a, _: rounded(a * 1.2),
    "bright-20%": lambda a, _: rounded(a * 0.8),
    "contrast+30%": lambda a, _: contrast(a, 1.3),
    "contrast-30%": lambda a, _: contrast(a, 0.7),
    "gamma0.7": lambda a, _: gamma(a, 0.7),
    "gamma1.5": lambda a, _: gamma(a, 1.5),
    "sat+50%": lambda a, _: saturate(a, 1.5),
    "sat-50%": lambda a, _: saturate(a, 0.5),
    "grey": lambda a, _: grey(a),
    "blur1": lambda a, _: pil_filter(a, ImageFilter.GaussianBlur(1)),
    "blur2": lambda a, _: pil_filter(a, ImageFilter.GaussianBlur(2)),
    "median3": lambda a, _: pil_filter(a, ImageFilter.MedianFilter(3)),
    "noise5": lambda a, rng: noise(a, 5, rng),
    "noise10": lambda a, rng: noise(a, 10, rng),
    "noise20": lambda a, rng: noise(a, 20, rng),
    "sharpen": lambda a, _: pil_filter(a, ImageFilter.UnsharpMask(2, 100, 0)),
    "saltpepper2%": lambda a, rng: salt_and_pepper(a, 0.02, rng),
    "screenshot(70%+J75)": lambda a, _: codec(resize(a, 0.7), "JPEG", quality=75),
    "social(1080+J80)": lambda a, _: social(a),
    "crop80+rs80+J70": lambda a, _: codec(resize(centre_crop(a, 0.8), 0.8), "JPEG", quality=70),
    "rot7in+rs75+J60": lambda a, _: codec(resize(rotate_inner(a, 7), 0.75), "JPEG", quality=60),
    "bilateral": lambda a, _: bilateral(a),
    "nlm": lambda a, _: non_local_means(a),
    "regen-proxy": regeneration,
    "perspective1%": lambda a, rng: perspective(a, 0.01, rng),
    "perspective3%": lambda a, rng: perspective(a, 0.03, rng),
    "warp1px": lambda a, rng: warp(a, 1, rng),
    "warp2px": lambda a, rng: warp(a, 2, rng),
    "overlay10%": overlay,
}

# Every name, in the order of the tables. Collusions need other marked pictures: see `collude`.
NAMES = [*ATTACKS, *COLLUSIONS]

CORE = [
    *("none", "jpeg75", "jpeg50", "jpeg30", "webp50", "resize50", "resize33", "resize150", "aniso90x110"),
    *("crop75", "crop50", "crop33", "rot2in", "rot10", "rot45in", "hflip", "gamma0.7", "grey", "blur1", "blur2"),
    *("median3", "noise10", "noise20", "screenshot(70%+J75)", "crop80+rs80+J70", "nlm", "overlay10%"),
]


def attack(name, picture, file_name):
    return np.ascontiguousarray(ATTACKS[name](picture, rng_for(name, file_name)))


def collude(victim, others):
    """Subtracts from a marked picture the mean residual of other marked pictures of the same size."""
    estimate = sum(_grey_residual(other) for other in others) / len(others)
    return rounded(victim.astype(np.float32) - (estimate if victim.ndim == 2 else estimate[..., None]))


def _grey_residual(a):
    y = a.astype(np.float32)
    residual = y - cv2.GaussianBlur(y, (0, 0), 3)
    return residual if a.ndim == 2 else residual.mean(2)

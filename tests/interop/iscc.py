#!/usr/bin/env python3
"""The ISCC Image-Code of pictures by the reference software: normalised with Pillow, hashed with iscc-core.

    iscc.py FILE...

Prints 64 hexadecimal digits, 256 bits, for each file.
"""

import sys

import iscc_core
from PIL import Image, ImageChops, ImageOps


def main() -> int:
    for path in sys.argv[1:]:
        print(iscc_core.soft_hash_image_v0(pixels(path), bits=256).hex())
    return 0


def pixels(path: str) -> list:
    """1024 grey values, prepared as iscc-core asks for it."""
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode in ("RGBA", "LA"):
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    plain = Image.new(picture.mode, picture.size, picture.getpixel((0, 0)))
    content = ImageChops.difference(picture, plain).getbbox()
    if content:
        picture = picture.crop(content)
    grey = picture.convert("L").resize((32, 32), Image.Resampling.BICUBIC)
    return list(grey.tobytes())


if __name__ == "__main__":
    sys.exit(main())

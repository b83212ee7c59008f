#!/usr/bin/env python3
"""What other programs do to pictures: made with Pillow, so that no code of ours is on both sides.

    attack.py RECIPE IN OUT [OTHER]

Recipes: strip, jpeg80, pixel, patch, crop, flip, rotate (7 degrees to the left), resize (to 70 %),
splice (OTHER's right half), inlay (OTHER's left 30 %), worn (through a fifth of the size and cropped: no watermark lives through that).
"""

import sys

from PIL import Image


def main() -> int:
    recipe, source, target = sys.argv[1:4]
    picture = Image.open(source)
    picture.load()
    picture = picture.convert("L" if picture.mode == "L" else "RGB")
    width, height = picture.size
    if recipe == "strip":
        # A new picture of the same pixels: nothing of the old file's metadata.
        picture = Image.frombytes(picture.mode, picture.size, picture.tobytes())
    elif recipe == "pixel":
        at = (width // 2, height // 2)
        value = picture.getpixel(at)
        picture.putpixel(at, tuple(255 - v for v in value) if isinstance(value, tuple) else 255 - value)
    elif recipe == "patch":
        piece = picture.crop((0, 0, width // 4, height // 4))
        picture.paste(piece, (width // 2, height // 2))
    elif recipe == "crop":
        picture = picture.crop((width // 8, height // 8, width, height))
    elif recipe == "flip":
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    elif recipe == "rotate":
        picture = picture.rotate(7, resample=Image.Resampling.BICUBIC, expand=True)
    elif recipe == "resize":
        size = (round(0.7 * width), round(0.7 * height))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    elif recipe == "worn":
        small = picture.resize((width // 5, height // 5), Image.Resampling.LANCZOS)
        picture = small.resize((width, height), Image.Resampling.BICUBIC)
        picture = picture.crop((width // 20, height // 40, width, height))
    elif recipe == "splice":
        other = Image.open(sys.argv[4]).convert(picture.mode).resize(picture.size)
        picture.paste(other.crop((width // 2, 0, width, height)), (width // 2, 0))
    elif recipe == "inlay":
        other = Image.open(sys.argv[4]).convert(picture.mode).resize(picture.size)
        picture.paste(other.crop((0, 0, round(0.3 * width), height)), (0, 0))
    elif recipe != "jpeg80":
        print(f"unknown recipe {recipe}", file=sys.stderr)
        return 2
    if target.endswith(".jpg"):
        picture.save(target, quality=80)
    else:
        picture.save(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Makes the shipped picture and the list of its lines: python -m tenon.demo.picture FOLDER."""
import pathlib
import sys

from PIL import Image, ImageDraw, ImageFont

# text, size, degrees, background of a label or None, colour
LINES = (
    ("One kernel library, many chips", 44, 0, None, (24, 32, 44)),
    ("The same bits everywhere", 34, 0, None, (60, 70, 84)),
    ("matmul 512x512x512: 13.37 ms", 34, -4, None, (160, 40, 30)),
    ("upside down, still readable", 32, 180, None, (30, 90, 60)),
    ("WHITE ON BLUE 2468", 38, 0, (31, 90, 150), (250, 250, 250)),
)
WIDTH, MARGIN, GAP, INK_PAD = 760, 36, 26, 14


def draw():
    parts = []
    for text, size, turn, label, colour in LINES:
        font, drawn = ImageFont.load_default(size), text.replace(" ", "  ")  # the recogniser overlooks narrow spaces
        left, top, right, bottom = font.getbbox(drawn)
        size = (right - left + 2 * INK_PAD, bottom - top + 2 * INK_PAD)
        part = Image.new("RGBA", size, (*label, 255) if label else (0, 0, 0, 0))
        ImageDraw.Draw(part).text((INK_PAD - left, INK_PAD - top), drawn, font=font, fill=colour)
        parts.append(part.rotate(turn, resample=Image.Resampling.BICUBIC, expand=True))
    height = 2 * MARGIN + sum(p.height for p in parts) + GAP * (len(parts) - 1)
    page = Image.new("RGB", (WIDTH, height), (246, 244, 238))
    y = MARGIN
    for part in parts:
        page.paste(part, (MARGIN, y), part)
        y += part.height + GAP
    return page


def main(folder):
    folder = pathlib.Path(folder)
    draw().save(folder / "picture.png", optimize=True)
    (folder / "picture.txt").write_text("".join(line[0] + "\n" for line in LINES), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: picture.py FOLDER")
    main(sys.argv[1])

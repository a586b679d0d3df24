"""Thumbnails for the template browser: images of the workflow above a large caption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from ganrm_core.reports.canvas import ACCENT, PAGE, TEXT, TextStyle, text_width, write

_SIDE = 512  # every page version shows a square
_PICTURES = 348  # height; their top left corner may lie under the page's own badge
_SAME = 20  # levels of a channel by which a pixel may differ from the ground
_LABEL, _TILE = 0.05, 0.223  # heights in a training's card, as shares of its width
_INSET = 124
_GAP = 8
_MARGIN = 26
_LARGEST, _SMALLEST = 76, 44
_LINE = 1.12


def template_card(
    words: str, pictures: Sequence[Image.Image], inset: Image.Image | None = None
) -> Image.Image:
    """A square: `pictures` side by side, each filling its share of the width, above one or two lines of `words`.

    `inset` lies small in their lower left corner.
    """
    card = Image.new("RGB", (_SIDE, _SIDE), PAGE)
    width = (_SIDE - _GAP * (len(pictures) - 1)) // len(pictures)
    for index, picture in enumerate(pictures):
        card.paste(ImageOps.fit(picture, (width, _PICTURES)), (index * (width + _GAP), 0))
    if inset is not None:
        framed = ImageOps.expand(ImageOps.fit(inset, (_INSET, _INSET)), 6, ACCENT)
        card.paste(framed, (_MARGIN, _PICTURES - _MARGIN - framed.height))
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, _PICTURES, _SIDE, _PICTURES + 5), fill=ACCENT)
    lines, size = _fitting(words)
    height = round(size * _LINE)
    top = (_PICTURES + 5 + _SIDE - height * len(lines)) / 2 + height / 2
    for index, line in enumerate(lines):
        place = (_SIDE / 2, top + index * height)
        write(draw, place, line, TextStyle(size, TEXT, bold=True, anchor="mm"), _SIDE - _MARGIN)
    return card


def first_pictures(card: Image.Image) -> Image.Image:
    """The upper left quarter of what a card shows above its words."""
    return card.crop((0, 0, card.width // 2, round(card.width * _PICTURES / _SIDE / 2)))


def below_heading(sheet: Image.Image, share: float) -> Image.Image:
    """Top rows of a contact sheet below its heading, cropped to `share` of a card's width."""
    top = _first_picture_row(sheet)
    width = round(sheet.width * share)
    height = min(sheet.height - top, round(width * _PICTURES / (_SIDE * share)))
    return sheet.crop((0, top, width, top + height))


def rows_of_pictures(card: Image.Image) -> Image.Image:
    """A training's card without heading and plots: two rows of square pictures with their labels, in the shape of a
    thumbnail.
    """
    label, picture = round(_LABEL * card.width), round(_TILE * card.width)
    top = _first_picture_row(card) - label
    rows = card.crop((0, top, card.width, top + 2 * (label + picture) + label // 2))
    shape = (card.width, round(card.width * _PICTURES / _SIDE))
    return ImageOps.pad(rows, shape, color=card.getpixel((0, top)))


def _first_picture_row(sheet: Image.Image) -> int:
    """The first pixel row with pictures: lines of text leave more of a row free, or are lower."""
    ground = np.abs(np.asarray(sheet.convert("RGB"), np.int16) - PAGE).max(axis=-1) < _SAME
    height = round(_LABEL * sheet.width)
    in_a_row = np.convolve(ground.mean(axis=1) < 0.4, np.ones(height), "valid")
    return int(np.argmax(in_a_row == height))


def grid(pictures: Sequence[Image.Image], columns: int = 2, side: int = 256) -> Image.Image:
    """Square crops in rows, as one picture."""
    rows = -(-len(pictures) // columns)
    made = Image.new("RGB", (columns * side, rows * side), PAGE)
    for index, picture in enumerate(pictures):
        made.paste(
            ImageOps.fit(picture.convert("RGB"), (side, side)),
            (index % columns * side, index // columns * side),
        )
    return made


def _fitting(words: str) -> tuple[list[str], int]:
    """Caption on one line or two balanced lines, in the largest font that fits."""
    for size in range(_LARGEST, _SMALLEST, -2):
        for lines in _broken(words):
            wide = max(text_width(line, size, bold=True) for line in lines)
            high = round(size * _LINE) * len(lines)
            if wide <= _SIDE - 2 * _MARGIN and high <= _SIDE - _PICTURES - 16:
                return lines, size
    raise ValueError(f"too many words for a card: {words}")


def _broken(words: str) -> list[list[str]]:
    parts = words.split()
    two = [[" ".join(parts[:cut]), " ".join(parts[cut:])] for cut in range(1, len(parts))]
    return [[words], *sorted(two, key=lambda lines: max(map(len, lines)))]

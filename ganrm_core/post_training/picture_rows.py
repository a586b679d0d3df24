"""Rows of pictures in a training's card: the same prompts and seeds before training and now."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from ..reports.canvas import SOFT_TEXT, TextStyle, fitted, rounded, write

WIDTH = 768  # lengths below are pixels at this width
MARGIN, GAP = 24, 12
SMALL = 21
"""Height of small letters."""
_LABEL = 34
_TALLEST = 1.5
"""Of a tile's height to its width."""
_LEAST_IN_ROW = 4
EMPTY = (52, 52, 55)


def rows_height(like: Sequence[Image.Image], width: int) -> int:
    """Of what `draw_rows` draws; 0 without pictures."""
    return 2 * row_height(like, width) if like else 0


def draw_rows(
    card: Image.Image, before: Sequence[Image.Image], now: Sequence[Image.Image], passed: str, top: int
) -> int:
    """Draw pictures from before training above those of now, after what has `passed` since; returns where they end.

    `passed` is "" where that is not to be said.
    """
    if not before:
        return top
    label = f"after {passed}" if now and passed else "after training"
    for text, pictures in (("before training", before), (label, now)):
        top = draw_row(card, text, pictures, before, top)
    return top


def row_height(shown: Sequence[Image.Image], width: int) -> int:
    """Of a row of `shown` in a card `width` pixels wide, with its label and the gap below it."""
    scale = width / WIDTH
    return round(_LABEL * scale) + _tile_size(shown, width)[1] + round(GAP * scale)


def draw_row(
    card: Image.Image, label: str, pictures: Sequence[Image.Image], like: Sequence[Image.Image], top: int
) -> int:
    """Draw one row of pictures, with empty tiles where there are fewer than in `like`; returns where it ends."""
    scale, draw = card.width / WIDTH, ImageDraw.Draw(card)
    margin, gap = round(MARGIN * scale), round(GAP * scale)
    style = TextStyle(round(SMALL * scale), SOFT_TEXT)
    write(draw, (margin, top), label, style, card.width - 2 * margin)
    top += round(_LABEL * scale)
    width, height = _tile_size(like, card.width)
    for place in range(len(like)):
        left = margin + place * (width + gap)
        if place < len(pictures):
            picture = fitted(pictures[place], width, height)
            inset = (left + (width - picture.width) // 2, top + (height - picture.height) // 2)
            card.paste(picture, inset)
        else:
            rounded(card, (left, top, left + width, top + height), round(6 * scale), EMPTY)
    return top + height + gap


def _tile_size(shown: Sequence[Image.Image], width: int) -> tuple[int, int]:
    """Width and height of a tile, in the shape of the first picture."""
    scale, count = width / WIDTH, max(1, len(shown))
    across = round((width - 2 * MARGIN * scale - 3 * GAP * scale) / max(_LEAST_IN_ROW, count))
    return across, round(across * min(_TALLEST, shown[0].height / shown[0].width))

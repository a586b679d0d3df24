"""Pictures with large numbers, for a person to say which ones."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .drawing import (
    ACCENT,
    CARD,
    DARK_INK,
    PAGE,
    SOFT_TEXT,
    TEXT,
    Colour,
    fitted,
    paragraph_height,
    rounded,
    text_width,
    write,
    write_paragraph,
)
from .errors import ImageError

_SHOWN_WIDTH = 420  # what a node makes of the sheet; all lengths below are pixels at this width
_MARGIN, _GAP, _PAD, _BORDER, _RADIUS = 10, 5, 4, 2, 5
_TITLE, _HINT = 15, 12
_MOST_COLUMNS = 8
_PILL: Colour = (214, 214, 218)


@dataclass(frozen=True)
class Numbered:
    """One picture, the number to call it by, and a word or two about it. `marked` draws a gold frame."""

    image: Image.Image
    number: int
    note: str = ""
    marked: bool = False


def numbered_sheet(
    pictures: Sequence[Numbered], *, title: str, hint: str = "", most: int = 64
) -> Image.Image:
    """An RGB sheet in the order given, each picture with its number beneath it.

    Made to be shown about 420 pixels wide: it is three to four times as large, with letters to match.
    Of more than `most` pictures the marked ones and then the first are shown, and the sheet says so.
    Pictures are drawn on copies and never covered. Raises `ImageError` if there is none.
    """
    if not pictures:
        raise ImageError("There are no images to draw on the sheet. Pass at least one.")
    shown = _chosen(pictures, most)
    if len(shown) < len(pictures):
        hint = f"{hint} {len(shown)} of {len(pictures)} are shown.".strip()
    columns = _columns(shown)
    lengths = _Lengths(columns)
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    room = lengths.width - 2 * lengths.px(_MARGIN)
    top = lengths.px(_MARGIN) + paragraph_height(title, lengths.px(_TITLE), room)
    hint_top = top
    if hint:
        top += paragraph_height(hint, lengths.px(_HINT), room)
    top += lengths.px(_GAP)
    height = top + sum(lengths.card_height(row) + lengths.px(_GAP) for row in rows) + lengths.px(_GAP)
    sheet = Image.new("RGB", (lengths.width, height), PAGE)
    draw = ImageDraw.Draw(sheet)
    margin = lengths.px(_MARGIN)
    write_paragraph(draw, (margin, margin), title, lengths.px(_TITLE), TEXT, room)
    if hint:
        write_paragraph(draw, (margin, hint_top), hint, lengths.px(_HINT), SOFT_TEXT, room)
    for row in rows:
        for column, entry in enumerate(row):
            _draw_card(sheet, draw, entry, lengths.left(column), top, lengths.card_height(row), lengths)
        top += lengths.card_height(row) + lengths.px(_GAP)
    return sheet


def _chosen(pictures: Sequence[Numbered], most: int) -> list[Numbered]:
    first = sorted(range(len(pictures)), key=lambda position: not pictures[position].marked)[: max(1, most)]
    return [pictures[position] for position in sorted(first)]


def _columns(pictures: Sequence[Numbered]) -> int:
    """So many that the sheet is about square; wide pictures need fewer."""
    count = len(pictures)
    shape = statistics.median(entry.image.width / entry.image.height for entry in pictures)
    columns = min(_MOST_COLUMNS, math.ceil(math.sqrt(count / max(1.0, shape / 1.8))))
    fuller = columns + 1
    return fuller if count % columns and fuller <= _MOST_COLUMNS and not count % fuller else columns


class _Lengths:
    """In pixels of the sheet itself."""

    def __init__(self, columns: int) -> None:
        self.scale = 3 if columns <= 4 else 4
        inner = self.px(_SHOWN_WIDTH) - 2 * self.px(_MARGIN) - (columns - 1) * self.px(_GAP)
        self.card = inner // columns
        self.width = 2 * self.px(_MARGIN) + columns * self.card + (columns - 1) * self.px(_GAP)
        self.pad = self.px(_PAD)
        self.picture = self.card - 2 * self.pad
        # A single picture as tall as it likes would push the words out of the node.
        self.tallest = round(self.picture * {1: 1.0, 2: 1.3}.get(columns, 1.6))
        self.number = self.px(min(22.0, max(12.0, 0.22 * self.picture / self.scale)))
        self.caption = round(1.3 * self.number) + self.pad

    def px(self, length: float) -> int:
        return round(length * self.scale)

    def left(self, column: int) -> int:
        return self.px(_MARGIN) + column * (self.card + self.px(_GAP))

    def card_height(self, row: Sequence[Numbered]) -> int:
        tallest = max(self._drawn_height(entry.image) for entry in row)
        return tallest + self.caption + 2 * self.pad

    def _drawn_height(self, image: Image.Image) -> int:
        scale = min(self.picture / image.width, self.tallest / image.height, 2.0)
        return max(1, round(image.height * scale))


def _draw_card(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    entry: Numbered,
    left: int,
    top: int,
    height: int,
    lengths: _Lengths,
) -> None:
    accent = ACCENT if entry.marked else None
    box = (left, top, left + lengths.card, top + height)
    rounded(sheet, box, lengths.px(_RADIUS), CARD, accent, lengths.px(_BORDER))
    picture = fitted(entry.image, lengths.picture, lengths.tallest)
    space = height - lengths.caption - 2 * lengths.pad - picture.height
    sheet.paste(picture, (left + (lengths.card - picture.width) // 2, top + lengths.pad + space // 2))
    size, x = lengths.number, left + lengths.pad
    bottom = top + height - lengths.pad
    pill_height = round(1.3 * size)
    width = max(pill_height, round(text_width(str(entry.number), size, bold=True) + 0.6 * size))
    rounded(sheet, (x, bottom - pill_height, x + width, bottom), pill_height // 3, accent or _PILL)
    base = bottom - (pill_height - round(0.7 * size)) // 2
    place = (x + width / 2, base)
    write(draw, place, str(entry.number), size, DARK_INK, width, anchor="ms", bold=True)
    if entry.note:
        beside = x + width + round(0.35 * size)
        note_size = max(lengths.px(10), round(0.6 * size))
        room = left + lengths.card - lengths.pad - beside
        write(draw, (beside, base), entry.note, note_size, SOFT_TEXT, room, anchor="ls")

"""Pictures with large numbers, for a person to say which ones."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..utils.errors import ImageError
from .canvas import (
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
from .fonts import spoken, wrapped_text

_SHOWN_WIDTH = 420  # what a node makes of the sheet; all lengths below are pixels at this width
_MARGIN, _GAP, _PAD, _BORDER, _RADIUS = 10, 5, 4, 2, 5
_TITLE, _HINT = 15, 12
_MOST_COLUMNS = 8
_PILL: Colour = (214, 214, 218)


@dataclass(frozen=True)
class Numbered:
    """One picture, the number to call it by, its score as text, and a few words about it, never cut.

    `marked` draws a gold frame.
    """

    image: Image.Image
    number: int
    note: str = ""
    marked: bool = False
    score: str = ""


def numbered_sheet(
    pictures: Sequence[Numbered], *, title: str, hint: str = "", legend: str = "", most: int = 64
) -> Image.Image:
    """An RGB sheet in the order given, each picture with its number beneath it; `legend` stands below them all.

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
    lengths = _Lengths(columns, shown)
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    room = lengths.width - 2 * lengths.px(_MARGIN)
    top = lengths.px(_MARGIN) + paragraph_height(title, lengths.px(_TITLE), room)
    hint_top = top
    if hint:
        top += paragraph_height(hint, lengths.px(_HINT), room)
    top += lengths.px(_GAP)
    end = top + sum(lengths.card_height(row) + lengths.px(_GAP) for row in rows) + lengths.px(_GAP)
    height = end + (paragraph_height(legend, lengths.px(_HINT), room) + lengths.px(_GAP) if legend else 0)
    sheet = Image.new("RGB", (lengths.width, height), PAGE)
    draw = ImageDraw.Draw(sheet)
    margin = lengths.px(_MARGIN)
    write_paragraph(draw, (margin, margin), title, lengths.px(_TITLE), TEXT, room)
    if hint:
        write_paragraph(draw, (margin, hint_top), hint, lengths.px(_HINT), SOFT_TEXT, room)
    for row in rows:
        for column in range(len(row)):
            _draw_card(sheet, draw, row, column, top, lengths)
        top += lengths.card_height(row) + lengths.px(_GAP)
    if legend:
        write_paragraph(draw, (margin, end), legend, lengths.px(_HINT), SOFT_TEXT, room)
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

    def __init__(self, columns: int, shown: Sequence[Numbered]) -> None:
        self.scale = 3 if columns <= 4 else 4
        inner = self.px(_SHOWN_WIDTH) - 2 * self.px(_MARGIN) - (columns - 1) * self.px(_GAP)
        self.card = inner // columns
        self.width = 2 * self.px(_MARGIN) + columns * self.card + (columns - 1) * self.px(_GAP)
        self.pad = self.px(_PAD)
        self.picture = self.card - 2 * self.pad
        # A single picture as tall as it likes would push the words out of the node.
        self.tallest = round(self.picture * {1: 1.0, 2: 1.3}.get(columns, 1.6))
        self.number = self.px(min(22.0, max(12.0, 0.22 * self.picture / self.scale)))
        self.pill_height = round(1.3 * self.number)
        self.note = self._note_size(shown)
        self.score = self._score_size(shown)
        # The same for all, or rows would look untidy.
        self.scores_beside = all(self._score_fits(entry, self.px(10)) for entry in shown)
        self.notes_beside = all(self._note_fits(entry) for entry in shown)

    def px(self, length: float) -> int:
        return round(length * self.scale)

    def left(self, column: int) -> int:
        return self.px(_MARGIN) + column * (self.card + self.px(_GAP))

    def card_height(self, row: Sequence[Numbered]) -> int:
        tallest = max(self._drawn_height(entry.image) for entry in row)
        return tallest + self.caption(row) + 2 * self.pad

    def caption(self, row: Sequence[Numbered]) -> int:
        """The height of what stands below every picture of a row."""
        return self.pill_height + self.pad + max(self.below(entry) for entry in row)

    def below(self, entry: Numbered) -> int:
        """The height of what finds no room beside the number."""
        score = round(1.2 * self.score) if entry.score and not self.scores_beside else 0
        note = (
            paragraph_height(entry.note, self.note, self.picture)
            if entry.note and not self.notes_beside
            else 0
        )
        return score + note

    def _note_size(self, shown: Sequence[Numbered]) -> int:
        """Smaller where that keeps a line of a note whole."""
        lines = [line for entry in shown for line in entry.note.split("\n")]
        size = self.px(max(10.0, 0.5 * self.number / self.scale))
        while size > self.px(8) and any(text_width(line, size) > self.picture for line in lines):
            size -= 1
        return size

    def _score_size(self, shown: Sequence[Numbered]) -> int:
        """As large as the numbers, where all scores find room so."""
        size = self.number
        while size > self.px(10) and not all(self._score_fits(entry, size) for entry in shown):
            size -= 1
        return size

    def _score_fits(self, entry: Numbered, size: int) -> bool:
        return text_width(entry.score, size, bold=True) <= self.beside(entry)

    def _note_fits(self, entry: Numbered) -> bool:
        """Whether the note finds room beside the number in at most two lines, no word of it broken."""
        if not entry.note:
            return True
        room = self.beside(entry)
        lines = wrapped_text(entry.note, self.note, room)[0]
        whole = all(text_width(word, self.note) <= room for word in spoken(entry.note).split())
        return not entry.score and whole and len(lines) <= 2

    def beside(self, entry: Numbered) -> int:
        """The room beside the number."""
        return self.picture - self.pill_width(entry) - round(0.35 * self.number)

    def pill_width(self, entry: Numbered) -> int:
        return max(
            self.pill_height, round(text_width(str(entry.number), self.number, bold=True) + 0.6 * self.number)
        )

    def _drawn_height(self, image: Image.Image) -> int:
        scale = min(self.picture / image.width, self.tallest / image.height, 2.0)
        return max(1, round(image.height * scale))


def _draw_card(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    row: Sequence[Numbered],
    column: int,
    top: int,
    lengths: _Lengths,
) -> None:
    entry, left, height = row[column], lengths.left(column), lengths.card_height(row)
    accent = ACCENT if entry.marked else None
    box = (left, top, left + lengths.card, top + height)
    rounded(sheet, box, lengths.px(_RADIUS), CARD, accent, lengths.px(_BORDER))
    picture = fitted(entry.image, lengths.picture, lengths.tallest)
    caption = lengths.caption(row)
    space = height - caption - 2 * lengths.pad - picture.height
    sheet.paste(picture, (left + (lengths.card - picture.width) // 2, top + lengths.pad + space // 2))
    place = (left + lengths.pad, top + height - caption)
    _draw_caption(sheet, draw, entry, place, lengths)


def _draw_caption(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, entry: Numbered, place: tuple[int, int], lengths: _Lengths
) -> None:
    """Number and score, and the note beside or below them."""
    (x, y), size = place, lengths.number
    height, width, room = lengths.pill_height, lengths.pill_width(entry), lengths.beside(entry)
    rounded(sheet, (x, y, x + width, y + height), height // 3, ACCENT if entry.marked else _PILL)
    base = y + (height + round(0.7 * size)) // 2
    write(draw, (x + width / 2, base), str(entry.number), size, DARK_INK, width, anchor="ms", bold=True)
    beside, below = x + lengths.picture - room, y + height
    if entry.score and lengths.scores_beside:
        write(draw, (beside, base), entry.score, lengths.score, TEXT, room, anchor="ls", bold=True)
    elif entry.score:
        below += round(1.2 * lengths.score)
        place = (x, below - round(0.2 * lengths.score))
        write(draw, place, entry.score, lengths.score, TEXT, lengths.picture, anchor="ls", bold=True)
    if entry.note and lengths.notes_beside:
        taken = paragraph_height(entry.note, lengths.note, room)
        write_paragraph(draw, (beside, y + (height - taken) // 2), entry.note, lengths.note, SOFT_TEXT, room)
    elif entry.note:
        write_paragraph(draw, (x, below), entry.note, lengths.note, SOFT_TEXT, lengths.picture)

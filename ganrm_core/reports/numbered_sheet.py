"""Numbered contact sheet: pictures with large numbers beneath them, for a person to pick by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from ..utils.errors import ImageError
from .canvas import (
    ACCENT,
    CARD,
    PAGE,
    SOFT_TEXT,
    TEXT,
    TextStyle,
    digits_base,
    fitted,
    number_pill,
    paragraph_height,
    rounded,
    text_width,
    write,
    write_paragraph,
)
from .drawn_sheet import DrawnSheet, TilePlace, paste_centred
from .fonts import localized, wrapped_text
from .tile_lengths import BORDER, GAP, RADIUS, TileLengths, grid_columns

_TITLE, _HINT = 15, 12


@dataclass(frozen=True)
class Numbered:
    """One picture, the number to pick it by, its score as text, and a note that is never cut.

    `marked` draws a gold frame.
    """

    image: Image.Image
    number: int
    note: str = ""
    marked: bool = False
    score: str = ""


def drawn_numbered_sheet(
    pictures: Sequence[Numbered], *, title: str, hint: str = "", legend: str = "", most: int = 64
) -> DrawnSheet:
    """RGB sheet in the order given, each picture with its number beneath it; `legend` is written below them all.

    Three to four times as large as the 420 pixels it is shown at. Of more than `most` pictures the marked ones and
    then the first are shown, and the sheet says so. Pictures are copied and never covered. Raises `ImageError` if
    there is none.
    """
    if not pictures:
        raise ImageError("There are no images to draw on the sheet. Pass at least one.")
    shown = _chosen(pictures, most)
    if len(shown) < len(pictures):
        hint = f"{hint} {len(shown)} of {len(pictures)} are shown.".strip()
    columns = grid_columns([entry.image.size for entry in shown])
    lengths = _Lengths(columns, shown)
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    margin, gap, room = lengths.margin, lengths.px(GAP), lengths.room
    title_style = TextStyle(lengths.px(_TITLE), TEXT)
    hint_style = TextStyle(lengths.px(_HINT), SOFT_TEXT)
    hint_top = margin + paragraph_height(title, title_style.size, room)
    top = hint_top + (paragraph_height(hint, hint_style.size, room) if hint else 0) + gap
    end = top + sum(lengths.card_height(row) + gap for row in rows) + gap
    height = end + (paragraph_height(legend, hint_style.size, room) + gap if legend else 0)
    sheet = Image.new("RGB", (lengths.width, height), PAGE)
    draw = ImageDraw.Draw(sheet)
    write_paragraph(draw, (margin, margin), title, title_style, room)
    if hint:
        write_paragraph(draw, (margin, hint_top), hint, hint_style, room)
    tiles = []
    for row in rows:
        tiles += [_draw_card(sheet, row, column, top, lengths) for column in range(len(row))]
        top += lengths.card_height(row) + gap
    if legend:
        write_paragraph(draw, (margin, end), legend, hint_style, room)
    return DrawnSheet(sheet, tuple(tiles))


def numbered_sheet(pictures: Sequence[Numbered], *, title: str, **settings: Any) -> Image.Image:
    """The sheet alone; `settings` as `drawn_numbered_sheet` takes them."""
    return drawn_numbered_sheet(pictures, title=title, **settings).image


def _chosen(pictures: Sequence[Numbered], most: int) -> list[Numbered]:
    first = sorted(range(len(pictures)), key=lambda position: not pictures[position].marked)[: max(1, most)]
    return [pictures[position] for position in sorted(first)]


class _Lengths(TileLengths):
    """Lengths in pixels of the sheet itself. Scores and notes are beside all numbers or below all of them."""

    def __init__(self, columns: int, shown: Sequence[Numbered]) -> None:
        super().__init__(columns)
        self.number = self.px(min(22.0, max(12.0, 0.22 * self.picture / self.scale)))
        self.pill_height = round(1.3 * self.number)
        self.note = self._note_size(shown)
        self.score = self._score_size(shown)
        self.scores_beside = all(self._score_fits(entry, self.px(10)) for entry in shown)
        self.notes_beside = all(self._note_fits(entry) for entry in shown)

    def card_height(self, row: Sequence[Numbered]) -> int:
        tallest = max(self.drawn_height(entry.image.size) for entry in row)
        return tallest + self.caption(row) + 2 * self.pad

    def caption(self, row: Sequence[Numbered]) -> int:
        """Height of what is below every picture of a row."""
        return self.pill_height + self.pad + max(self._below(entry) for entry in row)

    def _below(self, entry: Numbered) -> int:
        """Height of what has no room beside the number."""
        score = round(1.2 * self.score) if entry.score and not self.scores_beside else 0
        note = 0
        if entry.note and not self.notes_beside:
            note = paragraph_height(entry.note, self.note, self.picture)
        return score + note

    def _note_size(self, shown: Sequence[Numbered]) -> int:
        """Smaller where that keeps a line of a note whole."""
        lines = [line for entry in shown for line in entry.note.split("\n")]
        size = self.px(max(10.0, 0.5 * self.number / self.scale))
        while size > self.px(8) and any(text_width(line, size) > self.picture for line in lines):
            size -= 1
        return size

    def _score_size(self, shown: Sequence[Numbered]) -> int:
        """As large as the numbers, if all scores have room then."""
        size = self.number
        while size > self.px(10) and not all(self._score_fits(entry, size) for entry in shown):
            size -= 1
        return size

    def _score_fits(self, entry: Numbered, size: int) -> bool:
        return text_width(entry.score, size, bold=True) <= self.beside(entry)

    def _note_fits(self, entry: Numbered) -> bool:
        """Whether the note has room beside the number in at most two lines without a broken word."""
        if not entry.note:
            return True
        room = self.beside(entry)
        lines = wrapped_text(entry.note, self.note, room)[0]
        whole = all(text_width(word, self.note) <= room for word in localized(entry.note).split())
        return not entry.score and whole and len(lines) <= 2

    def beside(self, entry: Numbered) -> int:
        """Room beside the number."""
        return self.picture - self.pill_width(entry) - round(0.35 * self.number)

    def pill_width(self, entry: Numbered) -> int:
        width = text_width(str(entry.number), self.number, bold=True) + 0.6 * self.number
        return max(self.pill_height, round(width))


def _draw_card(
    sheet: Image.Image, row: Sequence[Numbered], column: int, top: int, lengths: _Lengths
) -> TilePlace:
    entry, left, height = row[column], lengths.left(column), lengths.card_height(row)
    box = (left, top, left + lengths.tile, top + height)
    rounded(sheet, box, lengths.px(RADIUS), CARD, ACCENT if entry.marked else None, lengths.px(BORDER))
    picture = fitted(entry.image, lengths.picture, lengths.tallest)
    caption = lengths.caption(row)
    space = height - caption - 2 * lengths.pad
    covered = paste_centred(sheet, picture, (left, top + lengths.pad, lengths.tile, space))
    _draw_caption(sheet, entry, (left + lengths.pad, top + height - caption), lengths)
    return TilePlace(entry.number, covered, entry.score)


def _draw_caption(sheet: Image.Image, entry: Numbered, place: tuple[int, int], lengths: _Lengths) -> None:
    """Number, score and note."""
    draw, (x, y), height, room = ImageDraw.Draw(sheet), place, lengths.pill_height, lengths.beside(entry)
    pill = (x, y, x + lengths.pill_width(entry), y + height)
    number_pill(sheet, pill, str(entry.number), lengths.number, marked=entry.marked)
    beside, below = x + lengths.picture - room, y + height
    score_style = TextStyle(lengths.score, TEXT, bold=True, anchor="ls")
    if entry.score and lengths.scores_beside:
        write(draw, (beside, digits_base(y, height, lengths.number)), entry.score, score_style, room)
    elif entry.score:
        below += round(1.2 * lengths.score)
        place = (x, below - round(0.2 * lengths.score))
        write(draw, place, entry.score, score_style, lengths.picture)
    note_style = TextStyle(lengths.note, SOFT_TEXT)
    if entry.note and lengths.notes_beside:
        taken = paragraph_height(entry.note, lengths.note, room)
        write_paragraph(draw, (beside, y + (height - taken) // 2), entry.note, note_style, room)
    elif entry.note:
        write_paragraph(draw, (x, below), entry.note, note_style, lengths.picture)

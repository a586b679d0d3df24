"""Ranked contact sheet: candidates best first with number, score and rank, readable inside a small node."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from PIL import Image, ImageDraw

from ..utils.errors import ImageError
from .canvas import (
    ACCENT,
    CARD,
    DARK_INK,
    PAGE,
    PILL,
    SOFT_TEXT,
    TEXT,
    TextStyle,
    digits_base,
    fitted,
    number_pill,
    rounded,
    text_width,
    write,
)
from .drawn_sheet import DrawnSheet, TilePlace, paste_centred
from .ranked_header import Header, HeaderText, count_text, spread
from .ranked_layout import Arrangement, Ranked, Row, arranged, best, picture_size
from .score_format import score_text
from .tile_lengths import BORDER, GAP, RADIUS, TileLengths

_Part = Literal["number", "score", "rank"]
_CAPTIONS: tuple[tuple[tuple[_Part, ...], ...], ...] = (
    (("number", "score", "rank"),),
    (("number", "score"), ("rank",)),
    (("number", "rank"), ("score",)),
    (("number",), ("score", "rank")),
    (("number",), ("score",), ("rank",)),
)
"""Lines of a caption, preferred ones first."""


def drawn_ranked_sheet(
    candidates: Sequence[Ranked],
    *,
    thresholds: Mapping[str, float] | None = None,
    model: str = "",
    most: int = 64,
    note: str = "",
    warning: str = "",
) -> DrawnSheet:
    """RGB sheet, best candidates first, each with its number, score and rank beneath it.

    Three to four times as large as the 420 pixels it is shown at. Groups are drawn in blocks of their own, kept
    candidates with a gold frame. The header has the lowest, median and highest score of all candidates,
    `thresholds["balanced"]`, `note` in gold, and above them `warning` in a colour of its own. Of more than `most`
    candidates the kept ones and then the best of each group are shown. Pictures are copied and never covered.
    Raises `ImageError` if there is no candidate.
    """
    if not candidates:
        raise ImageError("There are no images to draw on the ranked sheet. Pass at least one.")
    if most < 1:
        raise ValueError("most is 1 or more")
    scores = [entry.score for entry in candidates]
    arrangement = arranged(best(candidates, most))
    lengths = _Lengths(arrangement, _score_form(scores))
    header = Header(
        spread(scores, thresholds or {}, lengths.form),
        count_text(candidates, min(most, len(candidates))),
        HeaderText(model, note, warning),
        lengths,
    )
    legend_top = header.height + sum(lengths.row_height(row) + lengths.px(GAP) for row in arrangement.rows)
    sheet = Image.new("RGB", (lengths.width, legend_top + lengths.px(24)), PAGE)
    header.draw(ImageDraw.Draw(sheet))
    top = header.height
    tiles: list[TilePlace] = []
    for row in arrangement.rows:
        tiles += _draw_row(sheet, row, top, lengths)
        top += lengths.row_height(row) + lengths.px(GAP)
    _draw_legend(sheet, legend_top, candidates, lengths)
    return DrawnSheet(sheet, tuple(tiles))


def ranked_sheet(candidates: Sequence[Ranked], **settings: Any) -> Image.Image:
    """The sheet alone; `settings` as `drawn_ranked_sheet` takes them."""
    return drawn_ranked_sheet(candidates, **settings).image


class _Lengths(TileLengths):
    """Lengths in pixels of the sheet itself, and the layout of captions."""

    def __init__(self, arrangement: Arrangement, form: str) -> None:
        columns = arrangement.columns
        super().__init__(columns, arrangement.block, pad=4 if columns <= 4 else 3)
        self.form, self.border, self.label_height = form, self.px(BORDER), self.px(20)
        entries = arrangement.candidates
        largest = self.px(min(19.0, max(10.5, 0.18 * self.picture / self.scale)))
        # Slightly smaller letters are better than one more line under every tile.
        for smaller in (1.0, 0.95, 0.9):
            self.number_size = self.score_size = round(smaller * largest)
            self.rank_size = max(self.px(9.5), round(0.7 * self.number_size))
            self.pill_height = round(self.number_size * 1.25)
            self.lines = self._lines(entries)
            if len(self.lines) < 3:
                break
        while self.score_size > self.px(6) and self._widest(("score",), entries) > self.picture:
            self.score_size -= 1
        self.heights = [max(self._part_height(part) for part in line) for line in self.lines]
        self.caption = self.pad + sum(self.heights)

    def card_height(self, row: Row) -> int:
        pictures = max(self.drawn_height(picture_size(entry)) for _, entry in row.tiles)
        return pictures + self.caption + 2 * self.pad

    def row_height(self, row: Row) -> int:
        return self.card_height(row) + (self.label_height if row.labels else 0)

    def pill_width(self, number: str) -> int:
        width = text_width(number, self.number_size, bold=True) + 0.54 * self.number_size
        return max(self.pill_height, math.ceil(width))

    def _lines(self, entries: Sequence[Ranked]) -> tuple[tuple[_Part, ...], ...]:
        """The first of the captions whose lines all fit under every tile."""
        fits = (
            lines for lines in _CAPTIONS if all(self._widest(line, entries) <= self.picture for line in lines)
        )
        return next(fits, _CAPTIONS[-1])

    def _widest(self, parts: Sequence[_Part], entries: Sequence[Ranked]) -> float:
        gaps = (len(parts) - 1) * 0.3 * self.number_size
        return gaps + max(sum(self._part_width(part, entry) for part in parts) for entry in entries)

    def _part_width(self, part: _Part, entry: Ranked) -> float:
        if part == "number":
            return self.pill_width(str(entry.number))
        if part == "score":
            return text_width(score_text(entry.score, self.form), self.score_size, bold=True)
        return text_width(_ordinal(entry.rank), self.rank_size)

    def _part_height(self, part: _Part) -> int:
        return {
            "number": self.pill_height,
            "score": round(1.15 * self.score_size),
            "rank": round(1.2 * self.rank_size),
        }[part]


def _draw_row(sheet: Image.Image, row: Row, top: int, lengths: _Lengths) -> list[TilePlace]:
    if row.labels:
        room = lengths.block * (lengths.tile + lengths.px(GAP)) - lengths.px(GAP)
        style = TextStyle(lengths.px(12), TEXT, bold=True)
        for column, label in row.labels:
            write(ImageDraw.Draw(sheet), (lengths.left(column), top + lengths.px(3)), label, style, room)
        top += lengths.label_height
    height = lengths.card_height(row)
    space = height - lengths.caption - 2 * lengths.pad
    places = []
    for column, entry in row.tiles:
        left = lengths.left(column)
        box = (left, top, left + lengths.tile, top + height)
        rounded(sheet, box, lengths.px(RADIUS), CARD, ACCENT if entry.kept else None, lengths.border)
        picture = fitted(entry.image, lengths.picture, lengths.tallest)
        covered = paste_centred(sheet, picture, (left, top + lengths.pad, lengths.tile, space))
        _draw_caption(sheet, entry, left + lengths.pad, top + height - lengths.caption, lengths)
        places.append(TilePlace(entry.number, covered, score_text(entry.score, lengths.form)))
    return places


def _draw_caption(sheet: Image.Image, entry: Ranked, left: int, top: int, lengths: _Lengths) -> None:
    draw, room = ImageDraw.Draw(sheet), lengths.picture
    score_style = TextStyle(lengths.score_size, TEXT, bold=True, anchor="ls")
    rank_style = TextStyle(lengths.rank_size, SOFT_TEXT, anchor="rs")
    for parts, height in zip(lengths.lines, lengths.heights, strict=True):
        x, base = left, digits_base(top, height, lengths.number_size)
        if "number" in parts:
            width = lengths.pill_width(str(entry.number))
            box = (x, top, x + width, top + lengths.pill_height)
            number_pill(sheet, box, str(entry.number), lengths.number_size, marked=bool(entry.kept))
            x += width + round(0.3 * lengths.number_size)
        if "score" in parts:
            write(draw, (x, base), score_text(entry.score, lengths.form), score_style, room)
        if "rank" in parts:
            write(draw, (left + room, base), _ordinal(entry.rank), rank_style, room)
        top += height


def _draw_legend(sheet: Image.Image, top: int, candidates: Sequence[Ranked], lengths: _Lengths) -> None:
    """How to read a tile; parts without room are left out."""
    draw, size = ImageDraw.Draw(sheet), lengths.px(11)
    left, base = lengths.margin, top + lengths.px(14)
    entry = min(candidates, key=lambda one: (one.rank, one.group))
    number = str(entry.number)
    width = round(text_width(number, size, bold=True) + 0.7 * size)
    pill = (left, base - round(1.02 * size), left + width, base + round(0.28 * size))
    rounded(sheet, pill, size // 3, ACCENT if entry.kept else PILL)
    write(draw, (left + width / 2, base), number, TextStyle(size, DARK_INK, bold=True, anchor="ms"), width)
    style, x = TextStyle(size, SOFT_TEXT, anchor="ls"), left + width + 0.4 * size
    score, rank = score_text(entry.score, lengths.form), _ordinal(entry.rank)
    text = f"is the number to pick   ·   {score} the score   ·   {rank} the rank"
    x += write(draw, (x, base), text, style, lengths.width - x - lengths.margin)
    if any(one.kept for one in candidates) and lengths.width - x > lengths.px(60):
        x = round(x + size)
        frame = (x, base - round(0.95 * size), x + round(1.2 * size), base + round(0.25 * size))
        rounded(sheet, frame, size // 4, PAGE, ACCENT, lengths.border)
        write(draw, (frame[2] + 0.4 * size, base), "kept", style, lengths.px(40))


def _score_form(scores: Sequence[float]) -> str:
    return "share" if all(0 <= score <= 1 for score in scores if math.isfinite(score)) else "any"


def _ordinal(rank: int) -> str:
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending}"


__all__ = ["Ranked", "drawn_ranked_sheet", "ranked_sheet"]

"""Candidates in the order of their ranks, drawn so that they can still be read inside a small node."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from PIL import Image, ImageDraw

from ..utils.errors import ImageError
from .canvas import (
    ACCENT,
    CARD,
    DARK_INK,
    PAGE,
    SOFT_TEXT,
    TEXT,
    WARNING,
    Colour,
    fitted,
    name_lines,
    rounded,
    text_width,
    write,
)
from .fonts import wrapped_text
from .ranked_layout import Ranked, Row, arranged, best, picture_size
from .score_format import score_text

_SHOWN_WIDTH = 420  # what a node makes of the sheet; all lengths below are pixels at this width
_MARGIN, _GAP, _BLOCK_GAP, _BORDER, _RADIUS = 10, 5, 10, 2, 5
_SMALL, _NOTE_LINE = 12, 18
_WARNING, _WARNING_LINE = 14, 20
_Part = Literal["number", "score", "rank"]
_CAPTIONS: tuple[tuple[tuple[_Part, ...], ...], ...] = (
    (("number", "score", "rank"),),
    (("number", "score"), ("rank",)),
    (("number", "rank"), ("score",)),
    (("number",), ("score", "rank")),
    (("number",), ("score",), ("rank",)),
)
_PILL: Colour = (214, 214, 218)


def ranked_sheet(
    candidates: Sequence[Ranked],
    *,
    thresholds: Mapping[str, float] | None = None,
    model: str = "",
    most: int = 64,
    note: str = "",
    warning: str = "",
) -> Image.Image:
    """An RGB sheet, best candidates first, each with its number, score and rank beneath it.

    Made to be shown about 420 pixels wide: it is three to four times as large, with letters to match.
    Several groups stand in blocks of their own. Kept candidates have a gold frame. Above stand the
    lowest, middle and highest score of all candidates and `thresholds["balanced"]`, and `note`, a few words, in
    gold; above it all `warning`, what must not be missed, in a colour of its own. Of more than `most` candidates the
    kept ones and then the best of each group are shown. Pictures are drawn on copies and
    never covered. Raises `ImageError` if there is no candidate.
    """
    if not candidates:
        raise ImageError("There are no images to draw on the ranked sheet. Pass at least one.")
    if most < 1:
        raise ValueError("most is 1 or more")
    rows, columns, block = arranged(best(candidates, most))
    sizes = _Sizes(columns, block, rows, _score_form([entry.score for entry in candidates]))
    header = _Header(candidates, min(most, len(candidates)), thresholds or {}, sizes)
    header.add_words(model, note, warning)
    legend_top = header.height + sum(sizes.row_height(row) + sizes.px(_GAP) for row in rows)
    sheet = Image.new("RGB", (sizes.width, legend_top + sizes.px(24)), PAGE)
    draw = ImageDraw.Draw(sheet)
    header.draw(draw)
    top = header.height
    for row in rows:
        _draw_row(sheet, draw, row, top, sizes)
        top += sizes.row_height(row) + sizes.px(_GAP)
    _draw_legend(sheet, draw, legend_top, candidates, sizes)
    return sheet


class _Sizes:
    """Lengths in pixels of the sheet itself, and how tiles look."""

    def __init__(self, columns: int, block: int, rows: Sequence[Row], form: str) -> None:
        self.scale = 3 if columns <= 4 else 4
        self.block, self.form = block, form
        blocks = columns // block
        gaps = (columns - 1) * _GAP + (blocks - 1) * _BLOCK_GAP
        self.card = (self.px(_SHOWN_WIDTH) - 2 * self.px(_MARGIN) - self.px(gaps)) // columns
        self.width = 2 * self.px(_MARGIN) + columns * self.card + self.px(gaps)
        self.pad, self.border = self.px(4 if columns <= 4 else 3), self.px(_BORDER)
        self.picture = self.card - 2 * self.pad
        # A single picture as tall as it likes would push the words out of the node.
        self.tallest = round(self.picture * {1: 1.0, 2: 1.3}.get(columns, 1.6))
        self.label_height = self.px(20)
        entries = [entry for row in rows for _, entry in row.tiles]
        largest = self.px(min(19.0, max(10.5, 0.18 * self.picture / self.scale)))
        # Letters a little smaller are worth a line less under every tile.
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

    def px(self, length: float) -> int:
        return round(length * self.scale)

    def left(self, column: int) -> int:
        return (
            self.px(_MARGIN)
            + column * (self.card + self.px(_GAP))
            + column // self.block * self.px(_BLOCK_GAP)
        )

    def drawn_height(self, entry: Ranked) -> int:
        width, height = picture_size(entry)
        return max(1, round(height * min(self.picture / width, self.tallest / height, 2.0)))

    def card_height(self, row: Row) -> int:
        pictures = max(self.drawn_height(entry) for _, entry in row.tiles)
        return pictures + self.caption + 2 * self.pad

    def row_height(self, row: Row) -> int:
        return self.card_height(row) + (self.label_height if row.labels else 0)

    def pill_width(self, number: str) -> int:
        width = text_width(number, self.number_size, bold=True) + 0.54 * self.number_size
        return max(self.pill_height, math.ceil(width))

    def _lines(self, entries: Sequence[Ranked]) -> tuple[tuple[_Part, ...], ...]:
        """What stands beside what under every tile: all in one line, if there is room."""
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


class _Header:
    """The lines above the tiles."""

    def __init__(
        self,
        candidates: Sequence[Ranked],
        shown: int,
        thresholds: Mapping[str, float],
        sizes: _Sizes,
    ) -> None:
        self.sizes, self.room = sizes, sizes.width - 2 * sizes.px(_MARGIN)
        finite = [entry.score for entry in candidates if math.isfinite(entry.score)]
        metrics = (
            {"min": min(finite), "median": statistics.median(finite), "max": max(finite)} if finite else {}
        )
        if "balanced" in thresholds:
            metrics["suggested threshold"] = thresholds["balanced"]
        self.metrics = {name: score_text(value, sizes.form) for name, value in metrics.items()}
        self.size = next(
            (
                sizes.px(size)
                for size in (13.5, 13, 12.5, 12, 11.5)
                if self._wide(sizes.px(size)) <= self.room
            ),
            sizes.px(11),
        )
        self.lines = self._broken()
        self.words = _counted(candidates, shown)
        self.small: list[tuple[str, Colour]] = []
        self.warning: list[str] = []

    def add_words(self, model: str, note: str, warning: str) -> None:
        """The lines of words, none of them cut but the names of models longer than three lines."""
        size, name = self.sizes.px(_SMALL), " ".join(model.split())
        with_model = f"{self.words} · {name}" if name else self.words
        if text_width(with_model, size) <= self.room:
            self.small = [(with_model, SOFT_TEXT)]
        else:
            self.small = [(line, SOFT_TEXT) for line in (self.words, *name_lines(name, size, self.room))]
        if note:
            self.small += [(line, ACCENT) for line in wrapped_text(note, size, self.room)[0]]
        if warning:
            self.warning = wrapped_text(warning, self.sizes.px(_WARNING), self.room)[0]

    @property
    def figures_top(self) -> int:
        return self.sizes.px(9 + _WARNING_LINE * len(self.warning))

    @property
    def small_top(self) -> int:
        return self.figures_top + round(len(self.lines) * 1.4 * self.size)

    @property
    def height(self) -> int:
        return self.small_top + self.sizes.px(6 + _NOTE_LINE * len(self.small))

    def draw(self, draw: ImageDraw.ImageDraw) -> None:
        margin = self.sizes.px(_MARGIN)
        for number, line in enumerate(self.warning):
            top = self.sizes.px(7 + _WARNING_LINE * number)
            write(draw, (margin, top), line, self.sizes.px(_WARNING), WARNING, self.room)
        for number, names in enumerate(self.lines):
            top, x = self.figures_top + round(number * 1.4 * self.size), float(margin)
            for index, name in enumerate(names):
                room = margin + self.room - x
                x += write(draw, (x, top), f"{'· ' if index else ''}{name}", self.size, SOFT_TEXT, room)
                x += 0.3 * self.size
                room = margin + self.room - x
                x += write(draw, (x, top), self.metrics[name], self.size, TEXT, room, bold=True)
                x += 0.3 * self.size
        for number, (line, colour) in enumerate(self.small):
            top = self.small_top + self.sizes.px(_NOTE_LINE * number)
            write(draw, (margin, top), line, self.sizes.px(_SMALL), colour, self.room)

    def _wide(self, size: int, names: Sequence[str] | None = None) -> float:
        chosen = list(self.metrics) if names is None else names
        words = sum(text_width(f"· {name}", size) for name in chosen)
        values = sum(text_width(self.metrics[name], size, bold=True) for name in chosen)
        return words + values + 0.6 * size * len(chosen)

    def _broken(self) -> list[list[str]]:
        """The names of the figures, in lines that fit."""
        lines: list[list[str]] = []
        for name in self.metrics:
            if lines and self._wide(self.size, [*lines[-1], name]) <= self.room:
                lines[-1].append(name)
            else:
                lines.append([name])
        return lines


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: Row, top: int, sizes: _Sizes) -> None:
    if row.labels:
        room = sizes.block * (sizes.card + sizes.px(_GAP)) - sizes.px(_GAP)
        for column, label in row.labels:
            write(draw, (sizes.left(column), top + sizes.px(3)), label, sizes.px(12), TEXT, room, bold=True)
        top += sizes.label_height
    height = sizes.card_height(row)
    for column, entry in row.tiles:
        left = sizes.left(column)
        box = (left, top, left + sizes.card, top + height)
        accent = ACCENT if entry.kept else None
        rounded(sheet, box, sizes.px(_RADIUS), CARD, accent, sizes.border)
        picture = fitted(entry.image, sizes.picture, sizes.tallest)
        space = height - sizes.caption - 2 * sizes.pad - picture.height
        sheet.paste(picture, (left + (sizes.card - picture.width) // 2, top + sizes.pad + space // 2))
        _draw_caption(sheet, draw, entry, left + sizes.pad, top + height - sizes.pad - sizes.caption, sizes)


def _draw_caption(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, entry: Ranked, left: int, top: int, sizes: _Sizes
) -> None:
    top += sizes.pad
    right = left + sizes.picture
    for parts, height in zip(sizes.lines, sizes.heights, strict=True):
        x = left
        base = top + (height + round(0.7 * sizes.number_size)) // 2
        if "number" in parts:
            x += _draw_pill(sheet, draw, str(entry.number), left, top, bool(entry.kept), sizes)
            x += round(0.3 * sizes.number_size)
        if "score" in parts:
            score = score_text(entry.score, sizes.form)
            write(draw, (x, base), score, sizes.score_size, TEXT, right - left, anchor="ls", bold=True)
        if "rank" in parts:
            rank = _ordinal(entry.rank)
            write(draw, (right, base), rank, sizes.rank_size, SOFT_TEXT, right - left, anchor="rs")
        top += height


def _draw_pill(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, number: str, left: int, top: int, kept: bool, sizes: _Sizes
) -> int:
    width, height, size = sizes.pill_width(number), sizes.pill_height, sizes.number_size
    rounded(sheet, (left, top, left + width, top + height), height // 3, ACCENT if kept else _PILL)
    place = (left + width / 2, top + (height + round(0.7 * size)) // 2)
    write(draw, place, number, size, DARK_INK, width, anchor="ms", bold=True)
    return width


def _draw_legend(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, candidates: Sequence[Ranked], sizes: _Sizes
) -> None:
    """How to read a tile; what no longer fits is left out."""
    left, size, base = sizes.px(_MARGIN), sizes.px(11), top + sizes.px(14)
    entry = min(candidates, key=lambda one: (one.rank, one.group))
    number = str(entry.number)
    width = round(text_width(number, size, bold=True) + 0.7 * size)
    pill = (left, base - round(1.02 * size), left + width, base + round(0.28 * size))
    rounded(sheet, pill, size // 3, ACCENT if entry.kept else _PILL)
    write(draw, (left + width / 2, base), number, size, DARK_INK, width, anchor="ms", bold=True)
    words = f"is the number to pick   ·   {score_text(entry.score, sizes.form)} the score   ·   {_ordinal(entry.rank)} the rank"
    x = left + width + 0.4 * size
    x += write(draw, (x, base), words, size, SOFT_TEXT, sizes.width - x - sizes.px(_MARGIN), anchor="ls")
    if any(one.kept for one in candidates) and sizes.width - x > sizes.px(60):
        x = round(x + size)
        frame = (x, base - round(0.95 * size), x + round(1.2 * size), base + round(0.25 * size))
        rounded(sheet, frame, size // 4, PAGE, ACCENT, sizes.border)
        write(draw, (frame[2] + 0.4 * size, base), "kept", size, SOFT_TEXT, sizes.px(40), anchor="ls")


def _counted(candidates: Sequence[Ranked], shown: int) -> str:
    count, groups = len(candidates), len({entry.group for entry in candidates})
    words = "1 picture" if count == 1 else f"{count:,} pictures"
    if groups > 1:
        words += f" in {groups:,} groups"
    if any(entry.kept is not None for entry in candidates):
        words += f", {sum(bool(entry.kept) for entry in candidates):,} kept"
    return words if shown == count else f"{words} · best {shown:,} shown, {count - shown:,} left out"


def _score_form(scores: Sequence[float]) -> str:
    return "share" if all(0 <= score <= 1 for score in scores if math.isfinite(score)) else "any"


def _ordinal(rank: int) -> str:
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending}"


__all__ = ["Ranked", "ranked_sheet", "score_text"]

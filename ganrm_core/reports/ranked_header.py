"""Header of a ranked sheet: spread of the scores, the model's name, a note and a warning."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import ImageDraw

from .canvas import ACCENT, SOFT_TEXT, TEXT, WARNING, Colour, TextStyle, name_lines, text_width, write
from .fonts import wrapped_text
from .ranked_layout import Ranked
from .score_format import score_text
from .tile_lengths import TileLengths

_FACT_SIZES = (13.5, 13, 12.5, 12, 11.5, 11)  # the largest that fits on one line, else the last
_SMALL, _SMALL_LINE = 12, 18
_WARNING, _WARNING_LINE = 14, 20


@dataclass(frozen=True)
class HeaderText:
    """What a caller has written above the tiles; empty texts are left out. `warning` is drawn first."""

    model: str = ""
    note: str = ""
    warning: str = ""


class Header:
    """Lines above the tiles, in this order: warning, spread of the scores, count and model, note.

    `counted` says how many candidates there are and how many are shown. Only a model's name of more than
    three lines is cut.
    """

    def __init__(
        self, facts: Mapping[str, str], counted: str, text: HeaderText, lengths: TileLengths
    ) -> None:
        self._lengths, self._facts = lengths, facts
        self._size = next(
            (size for size in map(lengths.px, _FACT_SIZES) if self._width(size, list(facts)) <= lengths.room),
            lengths.px(_FACT_SIZES[-1]),
        )
        self._fact_lines = self._broken()
        size, room = lengths.px(_SMALL), lengths.room
        self._small: list[tuple[str, Colour]] = [
            (line, SOFT_TEXT) for line in _with_model(counted, text.model, size, room)
        ]
        if text.note:
            self._small += [(line, ACCENT) for line in wrapped_text(text.note, size, room)[0]]
        self._warning = wrapped_text(text.warning, lengths.px(_WARNING), room)[0] if text.warning else []
        self._facts_top = lengths.px(9 + _WARNING_LINE * len(self._warning))
        self._small_top = self._facts_top + round(len(self._fact_lines) * 1.4 * self._size)
        self.height = self._small_top + lengths.px(6 + _SMALL_LINE * len(self._small))

    def draw(self, draw: ImageDraw.ImageDraw) -> None:
        px, margin, room = self._lengths.px, self._lengths.margin, self._lengths.room
        for number, line in enumerate(self._warning):
            style = TextStyle(px(_WARNING), WARNING)
            write(draw, (margin, px(7 + _WARNING_LINE * number)), line, style, room)
        for number, names in enumerate(self._fact_lines):
            self._draw_facts(draw, self._facts_top + round(number * 1.4 * self._size), names)
        for number, (line, colour) in enumerate(self._small):
            top = self._small_top + px(_SMALL_LINE * number)
            write(draw, (margin, top), line, TextStyle(px(_SMALL), colour), room)

    def _draw_facts(self, draw: ImageDraw.ImageDraw, top: int, names: Sequence[str]) -> None:
        x, end = float(self._lengths.margin), self._lengths.margin + self._lengths.room
        name_style, value_style = TextStyle(self._size, SOFT_TEXT), TextStyle(self._size, TEXT, bold=True)
        for index, name in enumerate(names):
            x += write(draw, (x, top), f"{'· ' if index else ''}{name}", name_style, end - x)
            x += 0.3 * self._size
            x += write(draw, (x, top), self._facts[name], value_style, end - x)
            x += 0.3 * self._size

    def _width(self, size: int, names: Sequence[str]) -> float:
        labels = sum(text_width(f"· {name}", size) for name in names)
        values = sum(text_width(self._facts[name], size, bold=True) for name in names)
        return labels + values + 0.6 * size * len(names)

    def _broken(self) -> list[list[str]]:
        """Names of the facts in lines that fit."""
        lines: list[list[str]] = []
        for name in self._facts:
            if lines and self._width(self._size, [*lines[-1], name]) <= self._lengths.room:
                lines[-1].append(name)
            else:
                lines.append([name])
        return lines


def spread(scores: Sequence[float], thresholds: Mapping[str, float], form: str) -> dict[str, str]:
    """Lowest, median and highest finite score and the balanced threshold, by name."""
    finite = [score for score in scores if math.isfinite(score)]
    values = {"min": min(finite), "median": statistics.median(finite), "max": max(finite)} if finite else {}
    if "balanced" in thresholds:
        values["suggested threshold"] = thresholds["balanced"]
    return {name: score_text(value, form) for name, value in values.items()}


def count_text(candidates: Sequence[Ranked], shown: int) -> str:
    """Such as "100 pictures, 2 kept · best 10 shown, 90 left out"."""
    count, groups = len(candidates), len({entry.group for entry in candidates})
    text = "1 picture" if count == 1 else f"{count:,} pictures"
    if groups > 1:
        text += f" in {groups:,} groups"
    if any(entry.kept is not None for entry in candidates):
        text += f", {sum(bool(entry.kept) for entry in candidates):,} kept"
    return text if shown == count else f"{text} · best {shown:,} shown, {count - shown:,} left out"


def _with_model(counted: str, model: str, size: int, room: int) -> list[str]:
    """Both on one line where there is room."""
    name = " ".join(model.split())
    together = f"{counted} · {name}" if name else counted
    return [together] if text_width(together, size) <= room else [counted, *name_lines(name, size, room)]

"""Small plots of the watch over the rounds of a training: one of what pleases, and one of each sign of cheating.

Pillow alone, quick enough to be drawn after every round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from PIL import Image, ImageDraw

from ..reports.canvas import (
    ACCENT,
    ALARM,
    PILL,
    SOFT_TEXT,
    TEXT,
    WARNING,
    Colour,
    TextStyle,
    digits_base,
    text_width,
    write,
)
from .picture_rows import MARGIN, SMALL, WIDTH
from .plot_area import Line, PlotArea, draw_area, place_across, place_up
from .round_limits import SIGNS, Limit, Sign, values
from .round_signs import Look
from .sign_words import SIGN_TITLES, change, displayed, reading, unchanged

TASTE, SECOND = "pleases your taste", "second opinion"

# Pixels at a card's usual width.
_COLUMNS, _BETWEEN = 2, 28
_HEAD, _LARGE, _PLOT, _AXIS, _GAP = 32, 110, 58, 32, 14
_GUTTER, _KEY = 58, 26
_ALWAYS: Sign = "jump"
"""Has no value before the first round; its plot is there from the start, so that the others stay where they are."""
_LEAST_MERIT = 0.25

Box = tuple[int, int, int, int]


class Watched(Protocol):
    """What the watch saw. `kept`: after how many rounds or steps the model is kept."""

    @property
    def looks(self) -> Sequence[Look]: ...

    @property
    def kept(self) -> int: ...


@dataclass(frozen=True)
class Counted:
    """What `Look.rounds` counts, in words. `kept`: what is said of the one that is kept. `jumps`: whether each tells how far
    the last one moved the model.
    """

    unit: str = "round"
    kept: str = "best"
    jumps: bool = True


ROUNDS = Counted()


def state_colour(place: int, value: float, limit: Limit) -> Colour:
    """Of the value of a look; the first, before training, is never warned about."""
    if place and limit.stops(value):
        return ALARM
    return WARNING if place and limit.warns(value) else PILL


def shown_signs(looks: Sequence[Look], counted: Counted = ROUNDS) -> list[Sign]:
    """The signs that have a plot."""
    known = {sign for look in looks for sign in values(look)}
    return [sign for sign in SIGNS if sign in known or (looks and counted.jumps and sign == _ALWAYS)]


def plots_height(looks: Sequence[Look], width: int, counted: Counted = ROUNDS) -> int:
    """Of the plots in a card `width` pixels wide; 0 while there has been no look."""
    if not looks:
        return 0
    scale, rows = width / WIDTH, -(-len(shown_signs(looks, counted)) // _COLUMNS)
    return round((_HEAD + _LARGE + _AXIS + _GAP) * scale) + rows * round((_HEAD + _PLOT + _GAP) * scale)


def draw_plots(
    card: Image.Image,
    trace: Watched,
    rounds: int,
    limits: Mapping[Sign, Limit],
    top: int,
    counted: Counted = ROUNDS,
) -> None:
    """Draw the plots of a training of `rounds` rounds from `top` on."""
    if trace.looks:
        _Plots(card, trace, rounds, limits, counted).draw(top)


@dataclass
class _Plots:
    card: Image.Image
    trace: Watched
    rounds: int
    limits: Mapping[Sign, Limit]
    counted: Counted = ROUNDS

    @cached_property
    def _pen(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.card)

    def draw(self, top: int) -> None:
        margin, between = self._px(MARGIN), self._px(_BETWEEN)
        self._draw_merit(margin, top, self.card.width - margin)
        top += self._px(_HEAD + _LARGE + _AXIS + _GAP)
        across = (self.card.width - 2 * margin - (_COLUMNS - 1) * between) // _COLUMNS
        for number, sign in enumerate(shown_signs(self.trace.looks, self.counted)):
            row, column = divmod(number, _COLUMNS)
            left = margin + column * (across + between)
            self._draw_sign(sign, left, top + row * self._px(_HEAD + _PLOT + _GAP), left + across)

    def _px(self, length: float) -> int:
        return round(length * self.card.width / WIDTH)

    def _draw_merit(self, left: int, top: int, right: int) -> None:
        """How far the reward of the pictures has risen, and the judge's."""
        looks = self.trace.looks
        judged = [(look.rounds, look.judge) for look in looks if look.judge is not None]
        lines = [Line([(look.rounds, look.reward) for look in looks], [TEXT] * len(looks))]
        end = right
        if judged:
            lines.append(Line(judged, [SOFT_TEXT] * len(judged), dashed=True))
            end = left + (right - left) // 2
            start = self._key(end + self._px(_BETWEEN) // 2, top, dashed=True)
            self._head((start, top, right), SECOND, change(judged[-1][1]), SOFT_TEXT)
            end -= self._px(_BETWEEN) // 2
        self._head((self._key(left, top), top, end), TASTE, change(looks[-1].reward), TEXT)
        box = self._box(left, top, right, _LARGE)
        area = PlotArea(lines, self.rounds, self.trace.kept, base=0.0, least=_LEAST_MERIT)
        draw_area(self.card, box, area, self.card.width / WIDTH)
        self._gutter(box, area, 0.0, "0")
        self._draw_axis(box, area)

    def _draw_sign(self, sign: Sign, left: int, top: int, right: int) -> None:
        limit = self.limits[sign]
        known = [
            (look.rounds, values(look)[sign], state_colour(place, values(look)[sign], limit))
            for place, look in enumerate(self.trace.looks)
            if sign in values(look)
        ]
        text, colour = (reading(sign, known[-1][1]), known[-1][2]) if known else ("", PILL)
        self._head((left, top, right), SIGN_TITLES[sign], text, colour)
        line = Line(
            [(rounds, displayed(sign, value)) for rounds, value, _ in known], [each[2] for each in known]
        )
        limits = (displayed(sign, limit.warn), displayed(sign, limit.stop))
        area = PlotArea([line], self.rounds, self.trace.kept, base=unchanged(sign), limits=limits)
        box = self._box(left, top, right, _PLOT)
        draw_area(self.card, box, area, self.card.width / WIDTH)
        self._gutter(box, area, limits[0], reading(sign, limit.warn))

    def _box(self, left: int, top: int, right: int, height: int) -> Box:
        """Of the plot below its head."""
        top += self._px(_HEAD)
        return left, top, right - self._px(_GUTTER), top + self._px(height)

    def _head(self, place: tuple[int, int, int], title: str, value: str, colour: Colour) -> None:
        """Name on the left, last value on the right, before it a mark for one that is beyond a limit."""
        left, top, right = place
        size = self._px(SMALL)
        base = digits_base(top, self._px(_HEAD - 4), size)
        taken = 0.0
        if value:
            style = TextStyle(size, colour, anchor="rs")
            taken = write(self._pen, (right, base), value, style, right - left)
            if colour in (WARNING, ALARM):
                taken += self._mark(right - taken, base, colour)
        style = TextStyle(size, SOFT_TEXT, anchor="ls")
        write(self._pen, (left, base), title, style, right - left - taken - self._px(8))

    def _mark(self, right: float, base: int, colour: Colour) -> float:
        """Triangle of a warning or square of a stop: colour is not all that tells. Returns the width it takes."""
        side, gap = self._px(15), self._px(8)
        box = (round(right) - gap - side, base - side, round(right) - gap, base)
        large = Image.new("L", (4 * side, 4 * side), 0)
        pen, end = ImageDraw.Draw(large), 4 * side - 1
        if colour == WARNING:
            pen.polygon([(end / 2, 0), (end, end), (0, end)], fill=255)
        else:
            pen.rounded_rectangle((0, 0, end, end), side // 2, fill=255)
        self.card.paste(colour, box, large.reduce(4))
        return side + gap

    def _key(self, left: int, top: int, *, dashed: bool = False) -> int:
        """A piece of a line before its name; returns where the name begins."""
        middle, end = top + self._px(_HEAD - 4) // 2, left + self._px(_KEY)
        if dashed:
            third, width = (end - left) // 5, self._px(2)
            for start in (left, left + 2 * third, left + 4 * third):
                self._pen.line((start, middle, start + third, middle), fill=SOFT_TEXT, width=width)
        else:
            self._pen.line((left, middle, end, middle), fill=TEXT, width=self._px(3))
        return end + self._px(8)

    def _gutter(self, box: Box, area: PlotArea, level: float, text: str) -> None:
        """What a level in the plot stands for, beside it."""
        size = self._px(SMALL - 2)
        middle = place_up(box, area, level, self.card.width / WIDTH)
        middle = min(box[3] - size / 2, max(box[1] + size / 2, middle))
        place = (box[2] + self._px(8), middle + round(0.34 * size))
        write(self._pen, place, text, TextStyle(size, SOFT_TEXT, anchor="ls"), self._px(_GUTTER - 8))

    def _draw_axis(self, box: Box, area: PlotArea) -> None:
        """Where training began and will end, and the best round in gold; names of ends give way to it."""
        size = self._px(SMALL)
        base, kept = digits_base(box[3] + self._px(3), self._px(_AXIS - 4), size), self.trace.kept
        said, unit = self.counted.kept, self.counted.unit
        best = f"{said}: {unit} {kept}" if kept else f"{said}: before training"
        width = text_width(best, size)
        x = place_across(box, area, kept, self.card.width / WIDTH) - width / 2
        x = min(box[2] - width, max(float(box[0]), x))
        write(self._pen, (x, base), best, TextStyle(size, ACCENT, anchor="ls"), width + 1)
        soft, room = TextStyle(size, SOFT_TEXT, anchor="ls"), self._px(12)
        first, last = "before training", f"{self.rounds} {unit}s"
        if x - room > box[0] + text_width(first, size):
            write(self._pen, (box[0], base), first, soft, x - box[0])
        start = box[2] - text_width(last, size)
        if x + width + room < start:
            write(self._pen, (start, base), last, soft, box[2] - start + 1)

"""Area of a small line plot with Pillow, supersampled: lines, a limit with what lies beyond it shaded, and a marked place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageDraw

from ..reports.canvas import ACCENT, ALARM, BADGE, PAGE, WARNING, Colour

Point = tuple[float, float]

_INSET, _RADIUS = 9, 7  # pixels at a card's usual width
_LINE, _THIN, _HAIR, _DOT, _BEST = 3.0, 2.0, 1.5, 4.0, 5.5
_DASH = 7
_TIMES = 2  # supersampling: Pillow's own edges are jagged
_WARNED, _STOPPED, _LIMIT, _KEPT = 0.16, 0.30, 0.8, 0.55
"""How much of the colour of zones, limit and mark is laid over the plot."""
_SPARE = 0.1
_SHOWN_ZONE = 0.4
"""Of the way from the first limit to the second; it is shaded in every plot, to show which side of the limit is bad."""
_FARTHEST = 1.4
"""On that way; values beyond are drawn there, so that a model that breaks down does not flatten what came before."""


@dataclass(frozen=True)
class Line:
    """`colours` of each point, and of the stretch up to it; values that are not finite are left out."""

    points: Sequence[Point]
    colours: Sequence[Colour]
    dashed: bool = False


@dataclass(frozen=True)
class PlotArea:
    """Lines, the first on top, over `across` rounds; `marked` is the round that is marked.

    `base`: a value to draw a line at. `limits`: at the first one a warning begins, beyond the second a training ends; the
    order says which side is bad. `least`: at least so much is shown above and below the base.
    """

    lines: Sequence[Line]
    across: int
    marked: int
    base: float | None = None
    limits: tuple[float, float] | None = None
    least: float = 0.0

    def across_share(self, place: float) -> float:
        return min(1.0, max(0.0, place / max(1, self.across)))

    def share(self, value: float) -> float:
        """Height of a value as a share of the plot's, 0 at its bottom."""
        low, high = self._range
        return (self._nearer(value) - low) / (high - low)

    @property
    def _range(self) -> tuple[float, float]:
        shown = [
            self._nearer(value) for line in self.lines for _, value in line.points if math.isfinite(value)
        ]
        if self.base is not None:
            shown += [self.base - self.least, self.base + self.least]
        if self.limits:
            warn, stop = self.limits
            shown += [warn, warn + _SHOWN_ZONE * (stop - warn)]
        low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
        spare = _SPARE * (high - low) or 1.0
        return low - spare, high + spare

    def _nearer(self, value: float) -> float:
        if not self.limits:
            return value
        warn, stop = self.limits
        farthest = warn + _FARTHEST * (stop - warn)
        return max(value, farthest) if stop < warn else min(value, farthest)


def draw_area(card: Image.Image, box: tuple[int, int, int, int], area: PlotArea, scale: float) -> None:
    """Draw into `box` of `card`; lengths grow with `scale`."""
    size = (box[2] - box[0], box[3] - box[1])
    drawn = _Canvas(size, area, scale).draw_all()
    card.paste(drawn.reduce(_TIMES), box[:2], _mask(*size, round(_RADIUS * scale)))


def place_across(box: tuple[int, int, int, int], area: PlotArea, place: float, scale: float) -> float:
    """Pixel column of a round in a plot that was drawn into `box`."""
    inset = _INSET * scale
    return box[0] + inset + area.across_share(place) * (box[2] - box[0] - 2 * inset)


def place_up(box: tuple[int, int, int, int], area: PlotArea, value: float, scale: float) -> float:
    """Pixel row of a value in a plot that was drawn into `box`."""
    inset = _DOT * scale
    return box[3] - inset - area.share(value) * (box[3] - box[1] - 2 * inset)


@lru_cache(maxsize=16)
def _mask(width: int, height: int, radius: int) -> Image.Image:
    """Of a box with round corners."""
    large = Image.new("L", (width * _TIMES, height * _TIMES), 0)
    corner = (large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius * _TIMES, fill=255)
    return large.reduce(_TIMES)


class _Canvas:
    """A plot that is drawn larger by a whole factor."""

    def __init__(self, size: tuple[int, int], area: PlotArea, scale: float) -> None:
        self.area, self._scale = area, scale * _TIMES
        self.image = Image.new("RGB", (size[0] * _TIMES, size[1] * _TIMES), PAGE)
        self._draw = ImageDraw.Draw(self.image)

    def px(self, length: float) -> int:
        return max(1, round(length * self._scale))

    def draw_all(self) -> Image.Image:
        area, image = self.area, self.image
        if area.limits:
            self._shade(*area.limits)
        if area.base is not None:
            self._level(area.base, BADGE)
        if area.limits:
            self._level(area.limits[0], _mixed(PAGE, WARNING, _LIMIT), dashed=True)
        marked, half = self._x(area.marked), self._px(_THIN) / 2
        colour = _mixed(PAGE, ACCENT, _KEPT)
        self._draw.rectangle((marked - half, 0, marked + half, image.height), fill=colour)
        for line in reversed(area.lines):
            self._line(line)
        for place, value in area.lines[0].points:
            if place == area.marked and math.isfinite(value):
                self._disc((self._x(place), self._y(value)), PAGE, self._px(_BEST + _HAIR))
                self._disc((self._x(place), self._y(value)), ACCENT, self._px(_BEST))
        return image

    def _px(self, length: float) -> int:
        return max(1, round(length * self._scale))

    def _x(self, place: float) -> float:
        return place_across((0, 0, *self.image.size), self.area, place, self._scale)

    def _y(self, value: float) -> float:
        return place_up((0, 0, *self.image.size), self.area, value, self._scale)

    def _shade(self, warn: float, stop: float) -> None:
        """What lies beyond the limits."""
        width, height = self.image.size
        for limit, colour, strength in ((warn, WARNING, _WARNED), (stop, ALARM, _STOPPED)):
            edge = min(height, max(0, round(self._y(limit))))
            top, bottom = (edge, height) if stop < warn else (0, edge)
            if bottom > top:
                self._draw.rectangle((0, top, width, bottom - 1), fill=_mixed(PAGE, colour, strength))

    def _level(self, value: float, colour: Colour, *, dashed: bool = False) -> None:
        y, step, width = self._y(value), self._px(_DASH), self.image.width
        for start in range(0, width, 2 * step) if dashed else (0,):
            end = start + step if dashed else width
            self._draw.line((start, y, end, y), fill=colour, width=self._px(_HAIR))

    def _line(self, line: Line) -> None:
        known = [
            ((self._x(place), self._y(value)), colour)
            for (place, value), colour in zip(line.points, line.colours, strict=True)
            if math.isfinite(value)
        ]
        width = self._px(_THIN if line.dashed else _LINE)
        for (start, _), (end, colour) in pairwise(known):
            for part in _dashes(start, end, self._px(_DASH)) if line.dashed else [(start, end)]:
                self._draw.line((*part[0], *part[1]), fill=colour, width=width)
        for centre, colour in [] if line.dashed else known[:-1]:
            self._disc(centre, colour, 0.6 * self._px(_DOT))  # joins the stretches too
        if known:
            self._disc(*known[-1], self._px(_DOT))

    def _disc(self, centre: Point, colour: Colour, radius: float) -> None:
        x, y = centre
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _dashes(start: Point, end: Point, step: float) -> Iterator[tuple[Point, Point]]:
    """Parts of a line: every other of `step` pixels."""
    length = math.dist(start, end)
    count = max(1, round(length / step))

    def at(share: float) -> Point:
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])

    for number in range(0, count, 2):
        yield at(number / count), at(min(count, number + 1) / count)


def _mixed(below: Colour, above: Colour, strength: float) -> Colour:
    red, green, blue = (round(low + strength * (high - low)) for low, high in zip(below, above, strict=True))
    return red, green, blue

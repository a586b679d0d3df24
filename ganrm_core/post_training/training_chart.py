"""Chart of a training on groups: the loss, smoothed, and the held-out error in proportion to that before training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..reports.chart_style import (
    DARK,
    SIZE,
    Theme,
    bare,
    chart,
    fonts,
    literal,
    number_text,
    rendered,
    tick_text,
)
from .training_trace import TrainingTrace

_MARGINS = (0.64, 0.36, 0.64, 0.4)  # inches: left, bottom, right, top
_SMOOTHED_SHARE = 0.1
_LEAST_RANGE = 0.06
"""Of the held-out axis, so that a negligible change does not fill the chart."""


def training_chart(trace: TrainingTrace, steps: int, size: tuple[float, float], dpi: float) -> Image.Image:
    """RGB chart of `size` inches of a training of `steps` steps. Needs matplotlib, and at least two steps in `trace`."""
    figure, left = chart(*size, DARK, dpi, margins=_MARGINS)
    right = left.twinx()
    bare(right)
    left.grid(False)
    losses = smoothed(trace.losses)
    _draw_loss(left, trace.losses, losses)
    held_out = held_out_points(trace)
    if held_out:
        _draw_held_out(right, held_out)
    else:
        right.set_yticks([])
    _head(left, "left", f"loss  {number_text(losses[-1])}", DARK.ink)
    if held_out:
        _head(right, "right", f"held-out error  {held_out[-1][1]:.0%}", DARK.liked)
    _step_axis(left, steps, DARK)
    return rendered(figure)


def held_out_points(trace: TrainingTrace) -> list[tuple[int, float]]:
    """Steps and held-out errors in proportion to the first, from (0, 1); empty where nothing was held out."""
    seen = [(step.number, step.held_out.ratio) for step in trace.steps if step.held_out is not None]
    points = [(number, ratio) for number, ratio in seen if math.isfinite(ratio)]
    return [(0, 1.0), *points] if points else []


def smoothed(losses: Sequence[float]) -> list[float]:
    """Running mean over the last tenth of the steps so far: single steps have single noise levels."""
    known = [value for value in losses if math.isfinite(value)]
    window = max(1, round(_SMOOTHED_SHARE * len(known)))
    sums = np.concatenate([[0.0], np.cumsum(known)])
    ends = np.arange(1, len(known) + 1)
    starts = np.maximum(0, ends - window)
    return [float(value) for value in (sums[ends] - sums[starts]) / (ends - starts)]


def _draw_loss(axes: Any, losses: Sequence[float], line: Sequence[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.plot(range(1, len(losses) + 1), losses, color=DARK.ordinary, linewidth=0.8, alpha=0.5)
    axes.plot(range(1, len(line) + 1), line, color=DARK.ink, linewidth=2.2, solid_joinstyle="round")
    low, high = np.percentile(losses, [1, 99])  # a single wild step must not flatten the rest
    low, high = min(low, *line), max(high, *line)
    spare = max(0.08 * (high - low), 0.02 * abs(high)) or 0.05
    axes.set_ylim(low - spare, high + spare)
    marks = [mark for mark in MaxNLocator(4).tick_values(low, high) if low - spare <= mark <= high + spare]
    axes.set_yticks(marks, [f"{mark:.3g}".replace("-", "−") for mark in marks], **tick_text(DARK))


def _draw_held_out(axes: Any, points: Sequence[tuple[int, float]]) -> None:
    from matplotlib.ticker import MaxNLocator

    steps, ratios = zip(*points, strict=True)
    axes.axhline(1.0, color=DARK.soft_ink, linewidth=1.0, linestyle=(0, (2, 3)), zorder=1)
    axes.plot(steps, ratios, color=DARK.liked, linewidth=2.2, marker="o", markersize=4, clip_on=False)
    low, high = min(*ratios, 1 - _LEAST_RANGE / 2), max(*ratios, 1 + _LEAST_RANGE / 2)
    spare = 0.08 * (high - low)
    axes.set_ylim(low - spare, high + spare)
    marks = [mark for mark in MaxNLocator(4).tick_values(low, high) if low - spare <= mark <= high + spare]
    axes.set_yticks(marks, [f"{mark:.0%}" for mark in marks], **tick_text(DARK))


def _step_axis(axes: Any, steps: int, theme: Theme) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, steps)
    marks = [mark for mark in MaxNLocator(8, integer=True).tick_values(0, steps) if 0 <= mark <= steps]
    axes.set_xticks(marks, [f"{mark:.0f}" for mark in marks], **tick_text(theme))


def _head(axes: Any, side: str, text: str, colour: str) -> None:
    """Name and last value of an axis above its numbers."""
    outwards = 72 * (_MARGINS[0] - 0.19)
    axes.annotate(
        literal(text),
        (0 if side == "left" else 1, 1),
        xytext=(-outwards if side == "left" else outwards, 11),
        xycoords="axes fraction",
        textcoords="offset points",
        ha=side,
        color=colour,
        family=fonts(),
        fontsize=SIZE + 1,
        fontweight="bold",
        usetex=False,
    )

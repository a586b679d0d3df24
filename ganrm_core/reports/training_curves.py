"""Learning curve or regularisation path: loss and AUC over the steps of a fit, or over penalties to choose from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from ..utils.progress import History
from .chart_style import (
    DARK,
    SIZE,
    Theme,
    bare,
    chart,
    fonts,
    literal,
    number_text,
    rendered,
    shortened,
    tick_text,
)

_TICKS = ((0.9, 0.02), (0.8, 0.05), (0.5, 0.1), (0.0, 0.2))  # start of the AUC axis, and its step

_LOSS, _AUC = "loss", "AUC so far"
_LABELLED, _PLAIN = 0.64, 0.19  # inches beside the chart, with and without numbers


def has_curve(history: History | None) -> bool:
    """Whether there is something to draw: two points of loss or of AUC."""
    return history is not None and max(len(history.loss), len(history.auc)) >= 2


def last_values(history: History) -> list[tuple[str, str]]:
    """Names and values of the last step or the chosen fit, such as ("loss", "0.412").

    The AUC is named "AUC so far": it compares steps and is not that of the finished model.
    """
    point = -1 if history.chosen is None else history.chosen
    return [
        (name, number_text(values[point]))
        for name, values in ((_LOSS, history.loss), (_AUC, history.auc))
        if values
    ]


def training_curves(
    history: History,
    *,
    size: tuple[float, float] = (10.2, 3.4),
    dpi: float = 200,
    theme: Theme = DARK,
    metrics: bool = True,
) -> Image.Image:
    """RGB chart of `size` inches: loss on the left axis, AUC on the right one.

    Steps are counted from 1. Of fits to choose from, the chosen one is marked. Above the axes are their names, with
    `metrics` also the last values or those of the chosen fit. Values that are not finite leave a gap. Needs matplotlib.
    """
    left_margin, right_margin = (_LABELLED if values else _PLAIN for values in (history.loss, history.auc))
    # The axes drawn first have the grid, or it would cover the line of the others.
    figure, right = chart(*size, theme, dpi, margins=(left_margin, 0.62, right_margin, 0.4))
    left = right.twinx()
    bare(left)
    right.yaxis.tick_right()
    left.yaxis.tick_left()
    right.grid(False, axis="x")
    count = max(len(history.loss), len(history.auc))
    _loss_axis(left, history.loss, theme)
    _auc_axis(right, history.auc, theme)
    if not history.auc:
        right.grid(False)
        left.grid(True, axis="y", color=theme.line, linewidth=0.8, linestyle="-")
        left.set_axisbelow(True)
    point = count - 1 if history.chosen is None else history.chosen
    _draw(left, history.loss, point, theme.ink, theme)
    _draw(right, history.auc, point, theme.liked, theme)
    if history.chosen is not None:
        _mark_chosen(right, point, count, theme)
    _step_axis(right, count, history, theme)
    heads = {name: f"{name}  {value}" for name, value in last_values(history)}
    if not metrics:
        heads = {name: short for name, short in ((_LOSS, "loss"), (_AUC, "AUC")) if name in heads}
    _head(left, heads.get(_LOSS), theme.ink, "left", left_margin)
    _head(right, heads.get(_AUC), theme.liked, "right", right_margin)
    return rendered(figure)


def _head(axes: Any, text: str | None, colour: str, side: str, margin: float) -> None:
    """Name of an axis above its numbers."""
    if text is None:
        return
    outwards = 72 * (margin - _PLAIN)
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


def _mark_chosen(axes: Any, point: int, count: int, theme: Theme) -> None:
    axes.axvline(point + 1, color=theme.soft_ink, linewidth=1.2, linestyle=(0, (2, 3)), zorder=1)
    near_the_right = point + 1 > (count + 1) / 2
    axes.annotate(
        literal("chosen: lowest held-out loss"),
        (point + 1, 1),
        xytext=(-6 if near_the_right else 6, -4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if near_the_right else "left",
        va="top",
        color=theme.ink,
        family=fonts(),
        fontsize=SIZE,
        usetex=False,
    )


def _draw(axes: Any, values: Sequence[float], point: int, colour: str, theme: Theme) -> None:
    """A line with a large dot at `point`, counted from 0, if `values` has it."""
    if not values:
        return
    steps = range(1, len(values) + 1)
    known = [value if math.isfinite(value) else math.nan for value in values]
    dots = {"marker": "o", "markersize": 4.5} if len(values) <= 16 else {}
    axes.plot(steps, known, color=colour, linewidth=2.2, solid_joinstyle="round", clip_on=False, **dots)
    axes.plot(
        [point + 1],
        [known[point] if point < len(known) else math.nan],
        marker="o",
        markersize=8,
        color=colour,
        markeredgecolor=theme.surface,
        markeredgewidth=1.6,
        clip_on=False,
        zorder=5,
    )


def _loss_axis(axes: Any, values: Sequence[float], theme: Theme) -> None:
    from matplotlib.ticker import MaxNLocator

    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        axes.set_yticks([])
        return
    low, high = min(finite), max(finite)
    # A lower bound on the range: a negligible change must not fill the plot.
    spare = max(0.08 * (high - low), 0.02 * abs(high)) or 0.05
    axes.set_ylim(low - spare, high + spare)
    marks = [
        mark
        for mark in MaxNLocator(5).tick_values(low - spare, high + spare)
        if low - spare <= mark <= high + spare
    ]
    axes.set_yticks(marks, _tick_labels(marks), **tick_text(theme))


def _tick_labels(marks: Sequence[float]) -> list[str]:
    """Numbers with equally many decimals, enough that none is rounded."""
    digits = next((n for n in range(5) if all(abs(round(mark, n) - mark) < 1e-9 for mark in marks)), None)
    form = ".3g" if digits is None or max(map(abs, marks)) >= 1e5 else f".{digits}f"
    return [format(mark, form).replace("-", "−") for mark in marks]


def _auc_axis(axes: Any, values: Sequence[float], theme: Theme) -> None:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        axes.set_yticks([])
        return
    low, step = next((entry for entry in _TICKS if entry[0] <= min(finite) - 0.005), _TICKS[-1])
    marks = [low + index * step for index in range(round((1 - low) / step) + 1)]
    axes.set_ylim(low, 1)
    axes.set_yticks(marks, [f"{mark:.2f}" for mark in marks], **tick_text(theme))


def _step_axis(axes: Any, count: int, history: History, theme: Theme) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(1 - 0.015 * (count - 1), count + 0.015 * (count - 1) if count > 1 else 2)
    if history.choice:
        axes.set_xticks([1, count], [literal("strong"), literal("weak")], **tick_text(theme))
    else:
        marks = [mark for mark in MaxNLocator(8, integer=True).tick_values(1, count) if 1 <= mark <= count]
        axes.set_xticks(marks, [f"{mark:.0f}" for mark in marks], **tick_text(theme))
    label = literal(shortened(" ".join(history.step.split())))
    axes.set_xlabel(label, color=theme.ink, family=fonts(), fontsize=SIZE, labelpad=6, usetex=False)

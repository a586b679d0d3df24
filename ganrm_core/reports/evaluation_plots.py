"""Evaluation charts of a reward model: ROC curve, score histograms, calibration, selection efficiency.

All take 1-D arrays of one length: `scores` in [0, 1] and `labels` (1 liked, 0 ordinary). They return RGB images of
`size` inches, twice as large as they are shown, and are thread-safe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from ..metrics.binary import Interval, calibration_curve, roc_curve
from .chart_style import (
    DARK,
    LIGHT,
    SHARES,
    SIZE,
    Theme,
    chart,
    fonts,
    label_axes,
    literal,
    number_text,
    rendered,
    share_axes,
    shortened,
    tick_text,
    write_in,
)
from .score_format import score_text

if TYPE_CHECKING:
    from ..metrics.summary import SummaryMetrics


_DPI = 200  # shown at 100


def roc_plot(
    scores: ArrayLike,
    labels: ArrayLike,
    metrics: SummaryMetrics,
    theme: Theme = DARK,
    size: tuple[float, float] = (4.7, 4.5),
) -> Image.Image:
    """ROC curve: share of liked pictures accepted over share of ordinary ones; the dot is `metrics.threshold`."""
    value, positive = _checked(scores, labels)
    false, true = roc_curve(value, positive)
    figure, axes = chart(*size, theme, _DPI)
    axes.fill_between(false, true, color=theme.liked, alpha=0.14, linewidth=0)
    axes.plot([0, 1], [0, 1], color=theme.soft_ink, linewidth=1.2, linestyle=(0, (2, 3)))
    axes.plot(false, true, color=theme.liked, linewidth=2.4, solid_joinstyle="round", clip_on=False)
    accepted = value >= metrics.threshold
    axes.plot(
        _share(accepted[~positive]),
        _share(accepted[positive]),
        marker="o",
        markersize=9,
        color=theme.liked,
        markeredgecolor=theme.surface,
        markeredgewidth=2,
        clip_on=False,
        zorder=5,
    )
    share_axes(axes, theme)
    label_axes(axes, theme, "ordinary pictures wrongly accepted", "liked pictures accepted")
    write_in(axes, theme, (0.97, 0.16), f"AUC {number_text(metrics.auc.value)}", size=17, ha="right")
    write_in(axes, theme, (0.97, 0.07), f"95% interval: {_span(metrics.auc)}", soft=True, ha="right")
    # Below the diagonal, where the curve of a useful model does not pass.
    write_in(axes, theme, (0.46, 0.40), "a coin toss", soft=True, rotation=45, rotation_mode="anchor")
    return rendered(figure)


def score_histograms(
    scores: ArrayLike,
    labels: ArrayLike,
    thresholds: Mapping[str, float],
    theme: Theme = DARK,
    size: tuple[float, float] = (10.2, 4.1),
) -> Image.Image:
    """Histograms of the scores of liked pictures (upwards) and of ordinary ones (downwards), each class as 100 %.

    `thresholds` are drawn as vertical lines and named in the legend; see `threshold_purpose`.
    """
    value, positive = _checked(scores, labels)
    edges = np.linspace(0, 1, (20 if len(value) >= 60 else 10) + 1)
    figure, axes = chart(*size, theme, _DPI)
    highest = 0.0
    for name, part, colour, sign in (
        ("liked", positive, theme.liked, 1),
        ("ordinary", ~positive, theme.ordinary, -1),
    ):
        share = np.histogram(value[part], edges)[0] / max(1, part.sum())
        highest = max(highest, float(share.max()))
        axes.bar(
            edges[:-1],
            sign * share,
            width=np.diff(edges) * 0.9,
            align="edge",
            color=colour,
            linewidth=0,
            label=literal(f"{name} ({part.sum():,} pictures)"),
        )
    axes.axhline(0, color=theme.soft_ink, linewidth=1)
    styles = [(0, (5, 2.5)), (0, (1, 1.5)), (0, (5, 2, 1, 2))]
    for index, (name, threshold) in enumerate(thresholds.items()):
        axes.axvline(
            threshold,
            color=theme.ink,
            linewidth=1.4,
            linestyle=styles[index % len(styles)],
            label=literal(f"{score_text(threshold)}: {threshold_purpose(name)}"),
        )
    _histogram_axes(axes, max(highest, 0.05) * 1.08, theme)
    _legend_above(axes, len(thresholds), theme)
    return rendered(figure)


def _histogram_axes(axes: Any, limit: float, theme: Theme) -> None:
    """Scores from 0 to 1, shares up to `limit` in both directions."""
    step = _tidy_step(limit)
    marks = np.arange(-math.floor(limit / step), math.floor(limit / step) + 1) * step
    axes.set_ylim(-limit, limit)
    axes.set_yticks(marks, [f"{abs(mark):.0%}" for mark in marks], **tick_text(theme))
    axes.set_xlim(-0.004, 1.004)
    tenths = np.linspace(0, 1, 11)
    axes.set_xticks(tenths, [f"{tenth:.1f}" for tenth in tenths], **tick_text(theme))
    label_axes(axes, theme, "score the model gave", "share of pictures")
    axes.grid(False, axis="x")


def _legend_above(axes: Any, n_thresholds: int, theme: Theme) -> None:
    """Bars first, though matplotlib lists the lines of thresholds before them."""
    handles, names = axes.get_legend_handles_labels()
    bars_first = [*range(n_thresholds, len(handles)), *range(n_thresholds)]
    axes.legend(
        [handles[i] for i in bars_first],
        [names[i] for i in bars_first],
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.01),
        ncols=2 if n_thresholds else 1,
        frameon=False,
        borderaxespad=0.4,
        columnspacing=2.2,
        labelcolor=theme.ink,
        prop={"family": fonts(), "size": SIZE},
    )


def calibration_plot(
    scores: ArrayLike,
    labels: ArrayLike,
    ece: float,
    ece_bound: float,
    theme: Theme = DARK,
    size: tuple[float, float] = (4.7, 4.5),
) -> Image.Image:
    """Reliability diagram: share of liked pictures per range of scores.

    Both classes have the same total weight; larger dots stand for more pictures. `ece` is the mean gap to the
    diagonal (expected calibration error), `ece_bound` what chance alone explains
    (`metrics.binary.calibration_error_bound`).
    """
    value, positive = _checked(scores, labels)
    # Few pictures in many ranges would show noise, not calibration.
    bins = int(np.clip(len(value) // 20, 4, 10))
    mean, share, mass = calibration_curve(value, positive, bins=bins)
    figure, axes = chart(*size, theme, _DPI)
    axes.plot([0, 1], [0, 1], color=theme.soft_ink, linewidth=1.2, linestyle=(0, (2, 3)))
    axes.plot(mean, share, color=theme.liked, linewidth=1.6, alpha=0.6, clip_on=False)
    axes.scatter(
        mean,
        share,
        s=40 + 600 * mass / mass.sum(),
        color=theme.liked,
        edgecolor=theme.surface,
        linewidth=1.5,
        clip_on=False,
        zorder=5,
    )
    share_axes(axes, theme)
    axes.set_xticks(SHARES, [f"{mark:g}" for mark in SHARES], **tick_text(theme))
    label_axes(axes, theme, "score the model gave", "share that was liked")
    write_in(axes, theme, (0.97, 0.16), f"off by {number_text(ece)}", size=17, ha="right")
    write_in(axes, theme, (0.97, 0.07), f"chance alone: {number_text(ece_bound)}", soft=True, ha="right")
    # The corner of low scores and many liked pictures, where no calibrated curve passes.
    write_in(axes, theme, (0.03, 0.93), "dotted: as promised", soft=True)
    return rendered(figure)


def efficiency_chart(
    efficiency: Mapping[str, float | Interval], *, overall: str = "together", theme: Theme = DARK
) -> Image.Image:
    """Bar chart of selection efficiency per kind of picture: 0 picks like chance, 1 always picks the best.

    An `Interval` has a whisker. The bar named `overall` is first and in the accent colour.
    """
    if not efficiency:
        raise ValueError("efficiency names at least one kind")
    names = sorted(efficiency, key=lambda name: name != overall)
    given = [efficiency[name] for name in names]
    values = np.array([float(one.value if isinstance(one, Interval) else one) for one in given])
    ends = np.array([[one.low, one.high] if isinstance(one, Interval) else [np.nan] * 2 for one in given])
    bars = np.nan_to_num(values)
    figure, axes = chart(10.2, 1.0 + 0.42 * len(names), theme, _DPI)
    places = np.arange(len(names))
    colours = [theme.liked if name == overall or overall not in names else theme.ordinary for name in names]
    axes.barh(places, bars, height=0.62, color=colours, linewidth=0)
    axes.hlines(places, ends[:, 0], ends[:, 1], color=theme.ink, linewidth=1.6)
    rightmost = np.fmax(np.fmax(bars, ends[:, 1]), 0)
    for place, value, right in zip(places, values, rightmost, strict=True):
        axes.annotate(
            number_text(value, 2),
            (right, place),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=theme.ink,
            usetex=False,
            family=fonts(),
            fontsize=SIZE,
        )
    lowest = float(min(0.0, np.fmin(bars, ends[:, 0]).min()))
    axes.set_xlim(lowest * 1.1, max(1.0, float(rightmost.max())) + 0.08)
    axes.invert_yaxis()
    axes.axvline(0, color=theme.soft_ink, linewidth=1)
    axes.axvline(1, color=theme.soft_ink, linewidth=1.2, linestyle=(0, (2, 3)))
    axes.grid(False)
    axes.set_yticks(
        places, [literal(shortened(name)) for name in names], **{**tick_text(theme), "color": theme.ink}
    )
    axes.set_xticks([0, 1], [literal("0 · like chance"), literal("1 · always the best")], **tick_text(theme))
    return rendered(figure)


def threshold_purpose(name: str) -> str:
    """What a threshold of a reward model's card is for, as shown to people; unknown names unchanged."""
    if name == "balanced":
        return "the best balance"
    kind, _, percent = name.partition("_")
    if kind == "fpr" and percent.isdecimal():
        return f"at most {percent} in 100 ordinary pass"
    return name


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    value, positive = np.asarray(scores, float), np.asarray(labels) > 0.5
    if value.ndim != 1 or value.shape != positive.shape or not len(value):
        raise ValueError(
            f"scores and labels are 1-D, of one length and not empty: {value.shape}, {positive.shape}"
        )
    return value, positive


def _share(accepted: np.ndarray[Any, Any]) -> float:
    return float(accepted.mean()) if len(accepted) else 0.0


def _span(interval: Interval) -> str:
    if not math.isfinite(interval.low + interval.high):
        return "not known"
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _tidy_step(limit: float) -> float:
    """The largest of a few round steps that gives at least two marks up to `limit`."""
    return next((step for step in (0.5, 0.25, 0.2, 0.1, 0.05, 0.02) if limit / step >= 2), 0.01)


__all__ = [
    "DARK",
    "LIGHT",
    "Theme",
    "calibration_plot",
    "efficiency_chart",
    "roc_plot",
    "score_histograms",
    "threshold_purpose",
]

"""Charts: what they show, and that nothing outside changes them."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

from ganrm_core.metrics.binary import Interval
from ganrm_core.metrics.summary import measure
from ganrm_core.reports import evaluation_plots
from ganrm_core.reports.evaluation_plots import DARK, LIGHT, calibration_plot, efficiency_chart, roc_plot
from ganrm_core.reports.evaluation_plots import score_histograms as histograms
from ganrm_core.reports.messages import curve_text
from ganrm_core.reports.training_curves import training_curves
from ganrm_core.utils.progress import History

HISTORY = History("epoch", (0.7, 0.5, 0.41), (0.6, 0.8, 0.87))
CHOICE = History("regularisation", (0.6, 0.4, 0.3, 0.5), (0.7, 0.91, 0.9, 0.8), choice=True)
LABELS = np.repeat([1, 0], 50)
GOOD, POOR = np.clip(LABELS * 0.5 + np.linspace(0, 0.6, 100), 0, 1), np.linspace(0, 1, 100)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_plots, "_DPI", 40)


def changed(first: Image.Image, second: Image.Image) -> int:
    """How many pixels differ by more than 60 levels of a channel."""
    return int((np.asarray(ImageChops.difference(first, second)).max(axis=-1) > 60).sum())


@pytest.mark.parametrize(
    "chart",
    [
        partial(roc_plot, metrics=measure(GOOD, LABELS, np.arange(100))),
        partial(histograms, thresholds={"balanced": 0.5}),
        partial(calibration_plot, ece=0.05, ece_bound=0.08),
    ],
)
def test_charts_show_the_data_in_either_theme(chart: Any) -> None:
    cases = ((GOOD, DARK), (POOR, DARK), (GOOD, LIGHT))
    drawn = [chart(scores=scores, labels=LABELS, theme=theme, size=(5, 4)) for scores, theme in cases]
    for picture, (_, theme) in zip(drawn, cases, strict=True):
        assert (picture.mode, picture.size) == ("RGB", (200, 160))
        assert "#{:02x}{:02x}{:02x}".format(*picture.getpixel((0, 0))) == theme.surface
    assert changed(*drawn[:2]) > 100


@pytest.mark.parametrize("scores", [np.full(10, 0.5), LABELS[45:55], 0.9 - 0.8 * LABELS[45:55]])
def test_degenerate_scores_of_ten_pictures(scores: np.ndarray) -> None:
    metrics = measure(scores, LABELS[45:55], np.arange(10))
    roc_plot(scores, LABELS[45:55], metrics)
    calibration_plot(scores, LABELS[45:55], metrics.ece.value, metrics.ece_bound)
    histograms(scores, LABELS[45:55], {"balanced": metrics.threshold})
    with pytest.raises(ValueError, match="one length"):
        histograms(scores, LABELS, {})


def test_the_efficiency_chart_takes_any_value_and_name() -> None:
    together = Interval(0.8, 0.7, 0.9)
    chart = efficiency_chart({"halo": 0.9, "together": together, "$\\bad": float("nan"), "x" * 200: -0.3})
    single = efficiency_chart({"halo": 0.9})
    assert chart.width == single.width
    assert chart.height > single.height
    with pytest.raises(ValueError, match="at least one"):
        efficiency_chart({})


def test_charts_are_the_same_from_many_threads_and_under_another_style() -> None:
    matplotlib = pytest.importorskip("matplotlib")

    def draw(_: int) -> bytes:
        return (
            histograms(GOOD, LABELS, {"balanced": 0.5}).tobytes() + training_curves(HISTORY, dpi=60).tobytes()
        )

    alone = draw(0)
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(draw, range(3))) == {alone}
    style = {"axes.facecolor": "red", "grid.color": "lime", "grid.alpha": 0.1, "font.family": "serif"}
    with matplotlib.rc_context({**style, "font.size": 30, "text.color": "red"}):
        assert draw(0) == alone


def test_curves_of_either_kind_alone_and_with_gaps() -> None:
    gaps, none = (0.5, math.nan, 0.5, math.inf), (math.nan,) * 3
    for loss, auc in ((gaps, ()), ((), gaps), (gaps, (1.0, 1.0)), (none, none)):
        assert training_curves(History("$step_", loss, auc), size=(4, 2), dpi=50).size == (200, 100)


def test_the_chosen_fit_is_marked_and_explained() -> None:
    marked, steps, moved = (
        training_curves(history, size=(4, 2), dpi=100)
        for history in (CHOICE, replace(CHOICE, choice=False), replace(CHOICE, loss=(0.6, 0.2, 0.3, 0.5)))
    )
    assert min(changed(marked, steps), changed(marked, moved)) > 200
    assert curve_text(CHOICE)[0] == "Regularisation chosen by held-out loss"
    assert [("more steps" in curve_text(history)[1]) for history in (HISTORY, CHOICE)] == [True, False]

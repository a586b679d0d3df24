"""Shared by tests of reports: the text that was drawn, quick charts, and a small evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from unit_support.drawn import colour_of

from ganrm_core.metrics.binary import Interval
from ganrm_core.metrics.summary import SummaryMetrics
from ganrm_core.reports import evaluation_plots, training_curves
from ganrm_core.reports.report_data import ReportData


@pytest.fixture
def quick_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank pictures instead of charts, whose layout takes most of the time."""
    for module in (evaluation_plots, training_curves):
        monkeypatch.setattr(module, "rendered", lambda _: Image.new("RGB", (40, 20), (1, 2, 3)))


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """9 liked pictures, then 9 ordinary ones, the better scored the later, each of a colour of its own."""
    folder = tmp_path_factory.mktemp("evaluated")
    paths = [folder / f"picture_{index:02}.png" for index in range(18)]
    for index, path in enumerate(paths):
        Image.new("RGB", (640, 480) if index == 0 else (64, 48), colour_of(index)).save(path)
    auc, accuracy, ece = Interval(0.938, 0.892, 0.978), Interval(0.89, 0.83, 0.95), Interval(0.05, 0.03, 0.09)
    return ReportData(
        title="My taste",
        scores=np.concatenate([np.linspace(0.35, 0.98, 9), np.linspace(0.02, 0.65, 9)]),
        labels=np.repeat([1, 0], 9),
        paths=paths,
        metrics=SummaryMetrics(auc, accuracy, threshold=0.52, ece=ece, ece_bound=0.08),
        thresholds={"balanced": 0.5, "fpr_5": 0.66, "odd": 0.9},
        warnings=["Look out."],
        counts={"liked pictures": 1200},
        facts=[("Seed", "7")],
    )


@pytest.fixture
def flawed(evaluated: ReportData, tmp_path: Path) -> ReportData:
    """No metric is known, and the two liked pictures with the highest scores are a missing and a damaged file."""
    (tmp_path / "damaged.png").write_text("no picture")
    paths = [*evaluated.paths[:7], tmp_path / "damaged.png", tmp_path / "gone.png", *evaluated.paths[9:]]
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    return replace(
        evaluated, paths=paths, metrics=SummaryMetrics(unknown, unknown, 0.5, unknown, float("nan"))
    )

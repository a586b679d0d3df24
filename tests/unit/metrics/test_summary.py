"""Summary metrics: their values, intervals, and their way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ganrm_core.metrics import binary
from ganrm_core.metrics.binary import Interval, auc, expected_calibration_error
from ganrm_core.metrics.summary import SummaryMetrics, measure
from ganrm_core.utils.strict_json import strict_json


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_RESAMPLES", 200)


def test_values_intervals_and_json() -> None:
    rng = np.random.default_rng(0)
    scores = rng.beta(0.8, 0.8, 200)
    labels = (rng.random(200) < scores).astype(int)
    metrics = measure(scores, labels, np.arange(200), 0, threshold=0.4)
    assert metrics.auc.value == pytest.approx(auc(scores, labels))
    right = (scores >= 0.4) == labels
    expected = (right[labels == 1].mean() + right[labels == 0].mean()) / 2
    assert metrics.accuracy.value == pytest.approx(expected)
    assert metrics.ece.value == pytest.approx(expected_calibration_error(scores, labels))
    assert metrics.ece.low <= metrics.ece.value <= metrics.ece.high
    assert SummaryMetrics.from_json(metrics.to_json()) == metrics
    unknown = Interval(np.nan, np.nan, np.nan)
    metrics = SummaryMetrics(unknown, unknown, 0.5, unknown, 0.1)
    read = SummaryMetrics.from_json(json.loads(json.dumps(strict_json(metrics.to_json()))))
    assert np.isnan(read.auc.to_json()).all()
    assert (read.threshold, read.ece_bound) == (0.5, 0.1)

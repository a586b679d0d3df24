"""What reports show of an evaluation: its most extreme pictures, and the summary in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ganrm_core.metrics.binary import Interval
from ganrm_core.reports.messages import EXTREMES, lead
from ganrm_core.reports.report_data import ReportData


def test_examples_are_the_most_extreme_first(evaluated: ReportData) -> None:
    found = [[path.stem[-2:] for path, _ in evaluated.examples(kind, 4)] for kind in EXTREMES]
    assert found == [
        ["08", "07", "06", "05"],
        ["17", "16", "15", "14"],
        ["00", "01", "02", "03"],
        ["09", "10", "11", "12"],
    ]
    assert evaluated.examples(EXTREMES[2], 1)[0][1] == 0.35


def test_different_lengths_are_refused(evaluated: ReportData) -> None:
    with pytest.raises(ValueError, match="18 scores, 18 labels and 3 paths"):
        replace(evaluated, paths=evaluated.paths[:3])


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        (Interval(1.0, 1.0, 1.0), "100 times out of 100. That is a sharp eye"),
        (Interval(0.9999, 0.99, 1.0), "99 times out of 100. That is a sharp eye"),
        (Interval(0.85, 0.7, 0.9), "85 times out of 100. That is a good eye"),
        (Interval(0.72, 0.6, 0.8), "That is a fair eye"),
        (Interval(0.6, 0.51, 0.7), "only a weak eye"),
        (Interval(0.8, 0.5, 0.99), "not safely better than a coin toss"),
        (Interval(float("nan"), float("nan"), float("nan")), "too few pictures to say"),
    ],
)
def test_the_lead_says_what_the_auc_means(auc: Interval, said: str, evaluated: ReportData) -> None:
    assert said in lead(replace(evaluated.metrics, auc=auc))

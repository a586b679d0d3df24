"""Scores as star ratings."""

from __future__ import annotations

import pytest

from ganrm_core.rewards.stars import star_cuts, stars_of_score


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        ({"balanced": 0.4, "fpr_5": 0.8}, (0.2, 0.4, 0.8, 0.9)),
        ({"balanced": 0.8, "fpr_5": 0.4}, (0.2, 0.4, 0.8, 0.9)),
        ({"balanced": 0.5}, (0.25, 0.5, 0.75, 0.875)),
        ({"fpr_5": 0.5}, None),
        ({}, None),
        ({"balanced": 3.0, "fpr_5": 4.0}, None),
        ({"balanced": 0.0, "fpr_5": 0.5}, None),
        ({"balanced": 0.5, "fpr_5": float("nan")}, None),
    ],
)
def test_cuts(thresholds: dict[str, float], expected: tuple[float, ...] | None) -> None:
    assert star_cuts(thresholds) == (None if expected is None else pytest.approx(expected))


def test_stars() -> None:
    cuts = (0.25, 0.5, 0.75, 0.875)
    scores = (0.0, 0.24, 0.25, 0.5, 0.75, 0.875, 1.0)
    assert [stars_of_score(score, cuts) for score in scores] == [1, 1, 2, 3, 4, 5, 5]
    assert stars_of_score(float("nan"), cuts) is stars_of_score(float("inf"), cuts) is None

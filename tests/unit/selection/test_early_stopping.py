"""The probability of improvement is calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from ganrm_core.selection.early_stopping import probability_of_improvement


@pytest.mark.parametrize(("keep", "slack"), [(1, 0.02), (3, 0.06)])
def test_it_is_calibrated_and_rather_too_high_than_too_low(keep: int, slack: float) -> None:
    """For 12 seen and 4 more, normal with some mean and standard deviation."""
    rounds = 3.0 + 2.0 * np.random.default_rng(0).standard_normal((1500, 16))
    said = np.array([probability_of_improvement(list(each[:12]), 4, keep) for each in rounds])
    improved = rounds[:, 12:].max(axis=1) > np.sort(rounds[:, :12], axis=1)[:, -keep]
    assert improved.mean() - 0.02 < said.mean() < improved.mean() + slack
    likely = said > np.median(said)
    assert improved[likely].mean() > improved[~likely].mean() + 0.1


def test_students_t_distribution() -> None:
    """With two degrees of freedom its upper tail is 1/2 − t / (2 √(2 + t²))."""
    seen = [0.0, 1.0, 5.0]
    t = (5 - 2) / (np.std(seen, ddof=1) * np.sqrt(1 + 1 / 3))
    tail = 1 / 2 - t / (2 * np.sqrt(2 + t**2))
    assert probability_of_improvement(seen, 1) == pytest.approx(tail, rel=1e-6)
    assert probability_of_improvement(seen, 3) == pytest.approx(1 - (1 - tail) ** 3, rel=1e-6)


def test_more_candidates_are_likelier_to_improve_and_none_cannot() -> None:
    seen = [0.0, 1.0, 2.0, 5.0]
    chances = [probability_of_improvement(seen, more) for more in (0, 1, 4, 100)]
    assert chances == sorted(chances)
    assert chances[0] == 0.0
    assert chances[-1] < 1.0


def test_too_few_or_equal_logits() -> None:
    for seen, keep in (([], 1), ([1.0], 1), ([1.0, 2.0], 1), ([1.0, 1.0, 1.0], 1), ([0.0, 1.0, 2.0], 4)):
        assert probability_of_improvement(seen, 4, keep) == 1.0

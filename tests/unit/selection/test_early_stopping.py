"""The chance that more candidates beat the best."""

from __future__ import annotations

import numpy as np
import pytest

from ganrm_core.selection.early_stopping import _tail, chance_of_better

# Upper tails of Student's t from tables: (t, degrees of freedom) → chance.
TABLE = {
    (0.0, 3): 0.5,
    (2.353, 3): 0.05,
    (4.541, 3): 0.01,
    (1.812, 10): 0.05,
    (2.764, 10): 0.01,
    (1.697, 30): 0.05,
}


@pytest.mark.parametrize(("place", "chance"), TABLE.items())
def test_students_distribution(place: tuple[float, int], chance: float) -> None:
    assert _tail(*place) == pytest.approx(chance, rel=5e-3)


def test_it_is_as_likely_as_it_says() -> None:
    """Of 12 seen and 4 more, normal with any mean and spread."""
    rng = np.random.default_rng(0)
    rounds = 3.0 + 2.0 * rng.standard_normal((4000, 16))
    said = [chance_of_better(list(each[:12]), 4) for each in rounds]
    beaten = rounds[:, 12:].max(axis=1) > rounds[:, :12].max(axis=1)
    assert np.mean(said) == pytest.approx(beaten.mean(), abs=0.02)
    likely = np.array(said) > np.median(said)
    assert beaten[likely].mean() > beaten[~likely].mean() + 0.1


def test_several_kept_are_easier_to_join_than_the_best_to_beat() -> None:
    rng = np.random.default_rng(1)
    rounds = rng.standard_normal((4000, 16))
    said = np.mean([chance_of_better(list(each[:12]), 4, keep=3) for each in rounds])
    joined = rounds[:, 12:].max(axis=1) > np.sort(rounds[:, :12], axis=1)[:, -3]
    assert joined.mean() < said < joined.mean() + 0.06, "rather too high than too low"
    assert chance_of_better([0.0, 1.0, 2.0], 1, keep=4) == 1.0
    assert chance_of_better([0.0, 1.0, 2.0], 1, keep=3) > 0.5


def test_more_candidates_more_chance_and_none_no_chance() -> None:
    seen = [0.0, 1.0, 2.0, 5.0]
    chances = [chance_of_better(seen, more) for more in (0, 1, 4, 100)]
    assert chances == sorted(chances)
    assert chances[0] == 0.0
    assert chances[-1] < 1.0


def test_a_leader_far_ahead_is_hard_to_beat() -> None:
    near = chance_of_better([0.0, 0.1, 0.2, 0.3, 0.1, 0.2, 0.4], 4)
    far = chance_of_better([0.0, 0.1, 0.2, 0.3, 0.1, 0.2, 2.0], 4)
    assert far < near


@pytest.mark.parametrize("seen", [[], [1.0], [1.0, 2.0], [1.0, 1.0, 1.0]])
def test_too_little_seen_to_say(seen: list[float]) -> None:
    assert chance_of_better(seen, 4) == 1.0

"""Choosing a candidate by held-out loss, and scores that the choice does not flatter."""

from __future__ import annotations

import numpy as np
import pytest

from ganrm_core.metrics.binary import auc
from ganrm_core.training.head_config import HeadConfig
from ganrm_core.training.model_selection import (
    calibrated_losses,
    choose,
    clearly_better,
    hopeless,
    nested_scores,
)

A, B, MLP = HeadConfig("linear", 0.75, 1.0), HeadConfig("linear", 0.75, 0.1), HeadConfig("mlp")
LABELS = np.repeat([1, 0], 100)


def logits(strength: float, seed: int = 0) -> np.ndarray:
    return strength * (2 * LABELS - 1) + np.random.default_rng(seed).normal(size=200)


@pytest.mark.parametrize(
    ("held_out", "chosen"),
    [
        ({A: logits(0.3), B: logits(1.0)}, B),
        ({A: 0.5 * logits(0.3), B: 100 * logits(1.0)}, B),
        ({A: 0.5 * logits(0.3), B: 0.001 * logits(1.0) + 7}, B),
        ({A: logits(0.5), MLP: logits(1.5, seed=1)}, MLP),
        ({A: logits(1.0), MLP: logits(1.0)}, A),
        ({HeadConfig("paper"): logits(0.0)}, HeadConfig("paper")),
    ],
    ids=["better linear", "scale", "small scale and offset", "better MLP", "equal MLP", "alone"],
)
def test_choice(held_out: dict[HeadConfig, np.ndarray], chosen: HeadConfig) -> None:
    assert choose(held_out, LABELS) == chosen


def test_an_mlp_that_is_better_by_luck_rarely_wins() -> None:
    lower = chosen = 0
    for seed in range(40):
        held_out = {A: logits(1.0, seed), MLP: logits(1.0, seed + 100)}
        lower += (
            calibrated_losses(held_out[MLP], LABELS).mean() < calibrated_losses(held_out[A], LABELS).mean()
        )
        chosen += choose(held_out, LABELS) == MLP
    assert lower >= 12
    assert chosen <= lower - 5


def test_hopeless_is_an_mlp_that_is_behind() -> None:
    linear = {A: logits(0.1, seed=2), B: logits(1.0)}
    behind = {**linear, MLP: logits(0.3)}
    assert hopeless(behind, LABELS) == {MLP}
    assert hopeless({**linear, MLP: logits(1.5, seed=1)}, LABELS) == set()
    assert hopeless({config: values[:100] for config, values in behind.items()}, LABELS[:100]) == set()
    assert hopeless({MLP: logits(0.3)}, LABELS) == set()


def test_clearly_better_is_more_than_luck() -> None:
    def scores(strength: float, seed: int = 0) -> np.ndarray:
        return 1 / (1 + np.exp(-logits(strength, seed)))

    assert clearly_better(scores(1.5, seed=1), scores(0.5), LABELS)
    assert not clearly_better(scores(0.5), scores(1.5, seed=1), LABELS)
    assert not clearly_better(scores(1.0), scores(1.0), LABELS)
    # A sure but wrong score costs much, and no infinity.
    assert not clearly_better(1.0 - LABELS, scores(0.5), LABELS)
    lucky = sum(clearly_better(scores(1.0, seed), scores(1.0, seed + 100), LABELS) for seed in range(40))
    assert lucky <= 4


def test_choice_and_calibration_of_a_fold_come_from_the_others() -> None:
    rng = np.random.default_rng(0)
    folds = np.arange(200) % 10
    good = LABELS * 2.0 + rng.normal(size=200)
    held_out = {A: good, B: rng.normal(size=200)}
    before = nested_scores(held_out, LABELS, folds, choose)
    inside = folds == 1
    flipped = np.where(inside, 1 - LABELS, LABELS)
    np.testing.assert_allclose(nested_scores(held_out, flipped, folds, choose)[inside], before[inside])
    # In fold 1 the good head now fails and the bad one shines: fold 1 itself must not notice.
    spoilt = {A: np.where(inside, -5 * good, good), B: np.where(inside, 50 * LABELS, held_out[B])}
    assert auc(nested_scores(spoilt, LABELS, folds, choose)[inside], LABELS[inside]) < 0.5

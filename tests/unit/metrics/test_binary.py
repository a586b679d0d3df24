"""Binary metrics against scikit-learn and by hand, and the coverage of their bootstrap intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from ganrm_core.metrics import binary
from ganrm_core.metrics.binary import (
    auc,
    auc_interval,
    best_balanced_threshold,
    bootstrap_interval,
    calibration_curve,
    calibration_error_bound,
    class_weights,
    expected_calibration_error,
    false_positive_threshold,
    roc_curve,
    selection_efficiency,
    weighted_accuracy,
    weighted_auc,
    weighted_calibration_error,
)


def sample(seed: int, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """60 logits, with many ties if `levels` is given, and labels that lean on them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=60)
    labels = (rng.random(60) < sigmoid(logits)).astype(int)
    labels[:2] = 0, 1
    if levels is not None:
        logits = np.round(logits * levels) / levels
    return logits, labels


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def balanced_accuracy(scores: ArrayLike, labels: ArrayLike, threshold: float) -> float:
    return float(weighted_accuracy(scores, labels, threshold)(np.ones(len(np.asarray(labels)))))


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulations repeat the bootstrap, so each may be shorter."""
    monkeypatch.setattr(binary, "_RESAMPLES", 200)


class TestAuc:
    @pytest.mark.parametrize("levels", [None, 2, 1])
    def test_equals_scikit_learn(self, levels: int | None) -> None:
        logits, labels = sample(7, levels=levels)
        weights = np.random.default_rng(100).integers(0, 4, len(labels)).astype(float)
        assert auc(logits, labels) == pytest.approx(roc_auc_score(labels, logits))
        expected = roc_auc_score(labels, logits, sample_weight=weights)
        assert float(weighted_auc(logits, labels)(weights)) == pytest.approx(expected)
        false, true = roc_curve(logits, labels)
        expected_false, expected_true, _ = sklearn_roc_curve(labels, logits, drop_intermediate=False)
        np.testing.assert_allclose(false, expected_false)
        np.testing.assert_allclose(true, expected_true)

    def test_by_hand(self) -> None:
        assert auc([2, 1, 2], [1, 0, 0]) == 0.75
        assert auc([-1e30, 0, 1e30], [0, 0, 1]) == 1
        assert math.isnan(auc([1, 2], [1, 1]))


def test_class_weights_and_balanced_accuracy() -> None:
    np.testing.assert_allclose(class_weights([1, 0, 0, 0]), [2, 2 / 3, 2 / 3, 2 / 3])
    assert class_weights([1, 1]).tolist() == [1, 1]
    # 2 of 3 liked reach it, 1 of 1 ordinary stays below: (2/3 + 1) / 2.
    assert balanced_accuracy([0.9, 0.5, 0.1, 0.2], [1, 1, 1, 0], 0.5) == pytest.approx(5 / 6)
    assert math.isnan(balanced_accuracy([0.9], [1], 0.5))
    scores, labels, copies = np.array([0.9, 0.1, 0.7, 0.2]), np.array([1, 1, 0, 0]), np.array([1, 3, 2, 1])
    repeated = balanced_accuracy(np.repeat(scores, copies), np.repeat(labels, copies), 0.5)
    assert float(weighted_accuracy(scores, labels, 0.5)(copies)) == pytest.approx(repeated)
    assert repeated != pytest.approx(balanced_accuracy(scores, labels, 0.5))


def test_selection_efficiency() -> None:
    found = [selection_efficiency([[0.0, 1.0], [4.0, 2.0]], chosen) for chosen in ([1, 0], [0, 1], [1, 1])]
    assert found == [1, -1, pytest.approx(-1 / 3)]
    assert math.isnan(selection_efficiency([[1.0, 1.0]], [0]))


class TestExpectedCalibrationError:
    @pytest.mark.parametrize(
        ("scores", "labels", "bins", "expected"),
        [
            ([0.9, 0.9], [1, 0], 15, 0.4),  # one bin: mean score 0.9, half liked
            ([0.2, 0.2, 0.9, 0.9], [0, 0, 1, 1], 15, 0.15),  # gaps of 0.2 and 0.1 in two bins
            ([1.0, 0.0], [1, 0], 15, 0.0),
            ([0.49, 0.51], [1, 0], 2, 0.51),  # in different halves gaps add up
            ([0.49, 0.51], [1, 0], 1, 0.0),  # in one bin they cancel
            ([1.0, 0.95], [1, 0], 10, 0.475),  # the last bin holds 1
        ],
    )
    def test_by_hand(self, scores: list[float], labels: list[int], bins: int, expected: float) -> None:
        assert expected_calibration_error(scores, labels, bins) == pytest.approx(expected)

    def test_weights_count_as_copies_but_the_size_of_a_folder_does_not(self) -> None:
        logits, labels = sample(4)
        scores = sigmoid(logits)
        for copies in (np.random.default_rng(4).integers(0, 4, len(labels)), np.where(labels == 1, 5, 1)):
            repeated = expected_calibration_error(np.repeat(scores, copies), np.repeat(labels, copies))
            assert float(weighted_calibration_error(scores, labels)(copies)) == pytest.approx(repeated)
        assert repeated == pytest.approx(expected_calibration_error(scores, labels))
        mean_score, share, mass = calibration_curve(scores, labels)
        assert mass.sum() == pytest.approx(1)
        assert repeated == pytest.approx((mass * np.abs(mean_score - share)).sum()), (
            "the mean gap of the curve"
        )


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize(
    ("slope", "shift", "keep_liked", "calibrated"),
    [
        (1.0, 0.0, 1.0, True),
        (1.0, 0.0, 0.1, True),
        (4.0, 0.0, 1.0, False),  # overconfident
        (0.2, 0.0, 1.0, False),  # timid
        (1.0, -2.0, 0.1, False),  # biased, with few liked pictures
    ],
)
def test_a_calibrated_model_stays_under_the_calibration_error_bound_and_no_other(
    slope: float, shift: float, keep_liked: float, calibrated: bool
) -> None:
    rng, under = np.random.default_rng(0), 0
    for repeat in range(60):
        chance = rng.beta(0.8, 0.8, 150)
        labels = (rng.random(150) < chance).astype(int)
        chosen = (labels == 0) | (rng.random(150) < keep_liked)
        logits, labels = np.log(chance / (1 - chance))[chosen], labels[chosen]
        scores = sigmoid(slope * logits + shift)
        bound = calibration_error_bound(scores, labels, seed=repeat)
        under += expected_calibration_error(scores, labels) <= bound
    # Binomial around 0.95 with 60 repeats: below 0.8 by chance once in ten thousand times.
    assert (under / 60 >= 0.8) if calibrated else (under / 60 <= 0.3)


@pytest.mark.usefixtures("few_resamples")
class TestBootstrapInterval:
    def test_is_as_wide_as_the_auc_varies(self) -> None:
        rng, labels, found = np.random.default_rng(1), np.repeat([1, 0], 40), []
        for seed in range(120):
            statistic = weighted_auc(rng.normal(size=80) + labels, labels)
            found.append(bootstrap_interval(statistic, labels, seed=seed))
        width = np.mean([each.high - each.low for each in found])
        assert width == pytest.approx(3.92 * np.std([each.value for each in found]), rel=0.2)

    def test_draws_whole_groups_and_keeps_the_number_of_groups_per_class(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(binary, "_WEIGHTS_AT_ONCE", 7 * 60)  # in four parts, the last one smaller
        labels = np.array([1, 1, 1, 0, 0, 0, 0])
        groups = np.array(["a", "a", "b", "c", "c", "d", "e"])
        seen: list[np.ndarray] = []

        def statistic(weights: np.ndarray) -> np.ndarray:
            seen.append(weights)
            return weights.sum(axis=-1)

        bootstrap_interval(statistic, labels, groups)
        assert [len(weights) for weights in seen if weights.ndim == 2] == [60, 60, 60, 20]
        drawn = np.concatenate([weights for weights in seen if weights.ndim == 2])
        assert (drawn[:, 0] == drawn[:, 1]).all()
        assert (drawn[:, 3] == drawn[:, 4]).all()
        assert (drawn[:, [0, 2]].sum(axis=1) == 2).all()
        assert (drawn[:, [3, 5, 6]].sum(axis=1) == 3).all()
        assert len(np.unique(drawn, axis=0)) > 5

    def test_repeats_for_a_seed(self) -> None:
        logits, labels = sample(6)
        statistic = weighted_auc(logits, labels)
        first, again, other = (bootstrap_interval(statistic, labels, seed=seed) for seed in (1, 1, 2))
        assert first == again
        assert (first.low, first.high) != (other.low, other.high)

    def test_perfect_separation_is_not_taken_for_certain_and_ties_have_no_variance(self) -> None:
        labels = np.arange(40) % 2
        assert auc_interval(labels * 1.0, labels, np.arange(40)).to_json() == [1, pytest.approx(0.85), 1]
        assert auc_interval(np.zeros(40), labels).to_json() == [0.5, 0.5, 0.5]
        assert np.isnan(bootstrap_interval(weighted_auc([1, 2], [1, 1]), [1, 1]).to_json()).all()


class TestThresholds:
    def test_balanced_by_hand(self) -> None:
        for scores, labels, expected in (
            ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 0.5),
            ([0.1, 0.6, 0.4, 0.9], [0, 0, 1, 1], 0.75),  # ties of accuracy: the stricter one
            ([0.1, 0.3, 0.3, 0.9], [0, 0, 1, 1], 0.6),  # a tie on 0.3: taking both or neither is as good
            ([0.9, 0.1], [0, 1], 0.1),  # the wrong way round: everything is accepted
        ):
            assert best_balanced_threshold(scores, labels) == pytest.approx(expected)

    def test_false_positives_by_hand(self) -> None:
        scores, labels = [*(np.arange(20) / 100), 0.5, 0.6], [0] * 20 + [1] * 2
        for rate, expected in ((0.05, 0.185), (0.0, 0.345), (1.0, 0.005)):
            assert false_positive_threshold(scores, labels, rate) == pytest.approx(expected)
        # They stay under the rate where no score lies above.
        assert false_positive_threshold(np.full(20, 0.5), np.repeat([1, 0], 10), 0.05) > 0.5

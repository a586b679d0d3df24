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
    weighted_accuracy,
    weighted_auc,
    weighted_calibration_error,
)
from ganrm_core.metrics.summary import measure


def sample(seed: int, count: int = 60, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Logits, with many ties if `levels` is given, and labels that lean on them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-logits))).astype(int)
    labels[:2] = 0, 1
    if levels is not None:
        logits = np.round(logits * levels) / levels
    return logits, labels


def balanced_accuracy(scores: ArrayLike, labels: ArrayLike, threshold: float) -> float:
    return float(weighted_accuracy(scores, labels, threshold)(np.ones(len(np.asarray(labels)))))


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulations repeat the bootstrap, so each may be shorter."""
    monkeypatch.setattr(binary, "_RESAMPLES", 200)


class TestAuc:
    @pytest.mark.parametrize("levels", [None, 2, 1])
    @pytest.mark.parametrize("seed", range(4))
    def test_equals_scikit_learn(self, seed: int, levels: int | None) -> None:
        logits, labels = sample(seed, levels=levels)
        weights = np.random.default_rng(seed + 100).integers(0, 4, len(labels)).astype(float)
        assert auc(logits, labels) == pytest.approx(roc_auc_score(labels, logits))
        expected = roc_auc_score(labels, logits, sample_weight=weights)
        assert float(weighted_auc(logits, labels)(weights)) == pytest.approx(expected)

    def test_by_hand(self) -> None:
        assert auc([1, 2, 3, 4], [0, 0, 1, 1]) == 1.0
        assert auc([4, 3, 2, 1], [0, 0, 1, 1]) == 0.0
        assert auc([1, 1, 1], [0, 1, 1]) == 0.5
        assert auc([2, 1, 2], [1, 0, 0]) == 0.75

    def test_is_nan_without_both_classes(self) -> None:
        assert math.isnan(auc([1, 2], [1, 1]))
        assert math.isnan(float(weighted_auc([1, 2], [0, 1])(np.array([1.0, 0.0]))))

    def test_takes_huge_logits(self) -> None:
        assert auc([-1e30, 0, 1e30], [0, 0, 1]) == 1.0


class TestRocCurve:
    @pytest.mark.parametrize("levels", [None, 2])
    def test_equals_scikit_learn(self, levels: int | None) -> None:
        logits, labels = sample(7, levels=levels)
        false, true = roc_curve(logits, labels)
        expected_false, expected_true, _ = sklearn_roc_curve(labels, logits, drop_intermediate=False)
        np.testing.assert_allclose(false, expected_false)
        np.testing.assert_allclose(true, expected_true)

    def test_area_is_the_auc(self) -> None:
        logits, labels = sample(8, levels=2)
        false, true = roc_curve(logits, labels)
        area = np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2)
        assert area == pytest.approx(auc(logits, labels))

    def test_ties_make_one_slanted_step(self) -> None:
        false, true = roc_curve([1, 1], [0, 1])
        assert false.tolist() == [0, 1]
        assert true.tolist() == [0, 1]


class TestClassWeights:
    def test_both_classes_weigh_the_same_and_the_mean_is_one(self) -> None:
        weights = class_weights([1, 0, 0, 0])
        np.testing.assert_allclose(weights, [2, 2 / 3, 2 / 3, 2 / 3])

    def test_one_class_weighs_one(self) -> None:
        assert class_weights([1, 1]).tolist() == [1, 1]


class TestBalancedAccuracy:
    def test_by_hand(self) -> None:
        # 2 of 3 liked reach it, 1 of 1 ordinary stays below: (2/3 + 1) / 2.
        assert balanced_accuracy([0.9, 0.5, 0.1, 0.2], [1, 1, 1, 0], 0.5) == pytest.approx(5 / 6)

    def test_weights_count_as_copies(self) -> None:
        scores, labels = np.array([0.9, 0.1, 0.7, 0.2]), np.array([1, 1, 0, 0])
        copies = np.array([1, 3, 2, 1])
        weighted = float(weighted_accuracy(scores, labels, 0.5)(copies))
        repeated = balanced_accuracy(np.repeat(scores, copies), np.repeat(labels, copies), 0.5)
        assert weighted == pytest.approx(repeated)
        assert weighted != pytest.approx(balanced_accuracy(scores, labels, 0.5))

    def test_is_nan_without_both_classes(self) -> None:
        assert math.isnan(balanced_accuracy([0.9], [1], 0.5))


class TestExpectedCalibrationError:
    def test_by_hand(self) -> None:
        # One bin: mean score 0.9, half liked. Two bins: gaps 0.2 (of 2) and 0.1 (of 2).
        assert expected_calibration_error([0.9, 0.9], [1, 0]) == pytest.approx(0.4)
        assert expected_calibration_error([0.2, 0.2, 0.9, 0.9], [0, 0, 1, 1]) == pytest.approx(0.15)
        assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0

    def test_bins_are_equal_and_the_last_holds_one(self) -> None:
        # 0.49 and 0.51 lie in different halves: gaps add up; in one bin they cancel.
        scores, labels = [0.49, 0.51], [1, 0]
        assert expected_calibration_error(scores, labels, bins=2) == pytest.approx(0.51)
        assert expected_calibration_error(scores, labels, bins=1) == pytest.approx(0)
        assert expected_calibration_error([1.0, 0.95], [1, 0], bins=10) == pytest.approx(0.475)

    def test_size_of_a_folder_is_no_evidence(self) -> None:
        scores, labels = sample(3)[0], sample(3)[1]
        scores = 1 / (1 + np.exp(-scores))
        once = expected_calibration_error(scores, labels)
        copies = np.where(labels == 1, 5, 1)
        repeated = expected_calibration_error(np.repeat(scores, copies), np.repeat(labels, copies))
        assert repeated == pytest.approx(once)
        assert float(weighted_calibration_error(scores, labels)(copies)) == pytest.approx(once)

    def test_weights_count_as_copies(self) -> None:
        logits, labels = sample(4)
        scores = 1 / (1 + np.exp(-logits))
        copies = np.random.default_rng(4).integers(0, 4, len(labels))
        repeated = expected_calibration_error(np.repeat(scores, copies), np.repeat(labels, copies))
        assert float(weighted_calibration_error(scores, labels)(copies)) == pytest.approx(repeated)

    def test_is_the_mean_gap_of_the_curve(self) -> None:
        logits, labels = sample(5)
        scores = 1 / (1 + np.exp(-logits))
        mean_score, share, mass = calibration_curve(scores, labels)
        assert mass.sum() == pytest.approx(1)
        gap = (mass * np.abs(mean_score - share)).sum()
        assert expected_calibration_error(scores, labels) == pytest.approx(gap)


def calibrated_sample(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose sigmoid is the chance of being liked, by a beta prior symmetric around one half."""
    scores = rng.beta(0.8, 0.8, count)
    return np.log(scores / (1 - scores)), (rng.random(count) < scores).astype(int)


@pytest.mark.usefixtures("few_resamples")
class TestCalibrationErrorBound:
    def rate_under_bound(self, slope: float, shift: float = 0.0, keep_liked: float = 1.0) -> float:
        rng, under, repeats = np.random.default_rng(0), 0, 100
        for repeat in range(repeats):
            logits, labels = calibrated_sample(rng, 150)
            chosen = (labels == 0) | (rng.random(len(labels)) < keep_liked)
            scores, labels = 1 / (1 + np.exp(-slope * logits[chosen] - shift)), labels[chosen]
            bound = calibration_error_bound(scores, labels, seed=repeat)
            under += expected_calibration_error(scores, labels) <= bound
        return under / repeats

    def test_a_calibrated_model_stays_under_it(self) -> None:
        # Binomial around 0.95 with 100 repeats: below 0.87 by chance once in thousands of times.
        assert self.rate_under_bound(slope=1.0) >= 0.87

    def test_a_calibrated_model_stays_under_it_where_liked_pictures_are_few(self) -> None:
        assert self.rate_under_bound(slope=1.0, keep_liked=0.1) >= 0.85

    def test_an_overconfident_model_does_not(self) -> None:
        assert self.rate_under_bound(slope=4.0) <= 0.3

    def test_a_biased_model_does_not_where_liked_pictures_are_few(self) -> None:
        assert self.rate_under_bound(slope=1.0, shift=-2.0, keep_liked=0.1) <= 0.3

    def test_a_timid_model_does_not(self) -> None:
        assert self.rate_under_bound(slope=0.2) <= 0.3

    def test_a_model_that_says_the_same_high_score_for_all_does_not(self) -> None:
        scores, labels = [0.9] * 100, [1, 0] * 50
        assert expected_calibration_error(scores, labels) > 1.5 * calibration_error_bound(scores, labels)

    def test_repeats_for_a_seed(self) -> None:
        logits, labels = sample(1)
        scores = 1 / (1 + np.exp(-logits))
        first = calibration_error_bound(scores, labels, seed=3)
        assert first == calibration_error_bound(scores, labels, seed=3)
        assert first != calibration_error_bound(scores, labels, seed=4)


@pytest.mark.usefixtures("few_resamples")
class TestBootstrapInterval:
    def test_covers_the_true_auc(self) -> None:
        # Two unit normals 1 apart: AUC = Φ(1/√2).
        true = 0.5 * (1 + math.erf(0.5))
        rng, labels = np.random.default_rng(1), np.repeat([1, 0], 40)
        covered, widths, values = 0, [], []
        for repeat in range(120):
            logits = rng.normal(size=80) + labels
            interval = bootstrap_interval(weighted_auc(logits, labels), labels, seed=repeat)
            covered += interval.low <= true <= interval.high
            widths.append(interval.high - interval.low)
            values.append(interval.value)
            assert interval.value == pytest.approx(auc(logits, labels))
            assert interval.low <= interval.value <= interval.high
        assert 0.87 <= covered / 120 < 1
        assert np.mean(widths) == pytest.approx(3.92 * np.std(values), rel=0.2)

    def test_copies_in_groups_add_no_certainty(self) -> None:
        logits, labels = sample(2, count=80)
        single = bootstrap_interval(weighted_auc(logits, labels), labels)
        logits, labels = np.repeat(logits, 4), np.repeat(labels, 4)
        groups = np.repeat(np.arange(80), 4)

        blind = bootstrap_interval(weighted_auc(logits, labels), labels)
        grouped = bootstrap_interval(weighted_auc(logits, labels), labels, groups)
        assert grouped.high - grouped.low > 1.6 * (blind.high - blind.low)
        assert grouped.high - grouped.low == pytest.approx(single.high - single.low, rel=0.25)

    def test_draws_whole_groups_and_keeps_the_number_of_groups_per_class(self) -> None:
        labels = np.array([1, 1, 1, 0, 0, 0, 0])
        groups = np.array(["a", "a", "b", "c", "c", "d", "e"])
        seen: list[np.ndarray] = []

        def statistic(weights: np.ndarray) -> np.ndarray:
            seen.append(weights)
            return weights.sum(axis=-1)

        bootstrap_interval(statistic, labels, groups)
        drawn = np.concatenate([weights for weights in seen if weights.ndim == 2])
        assert (drawn[:, 0] == drawn[:, 1]).all()
        assert (drawn[:, 3] == drawn[:, 4]).all()
        assert (drawn[:, [0, 2]].sum(axis=1) == 2).all()
        assert (drawn[:, [3, 5, 6]].sum(axis=1) == 3).all()
        assert len(np.unique(drawn, axis=0)) > 5

    def test_repeats_for_a_seed(self) -> None:
        logits, labels = sample(6)
        first, again, other = (
            bootstrap_interval(weighted_auc(logits, labels), labels, seed=seed) for seed in (1, 1, 2)
        )
        assert first == again
        assert (first.low, first.high) != (other.low, other.high)

    def test_a_figure_that_is_never_finite(self) -> None:
        interval = bootstrap_interval(weighted_auc([1, 2], [1, 1]), [1, 1])
        assert all(math.isnan(figure) for figure in interval.to_json())

    def test_is_that_of_a_plain_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        logits, labels = sample(3, count=150, levels=10)
        groups = np.arange(150) // 2
        labels = labels[groups * 2]
        rng, draws = np.random.default_rng(0), []
        for _ in range(1000):
            chosen = [
                rng.choice(part, len(part))
                for part in (np.unique(groups[labels == 1]), np.unique(groups[labels == 0]))
            ]
            rows = np.concatenate([np.flatnonzero(groups == group) for group in np.concatenate(chosen)])
            draws.append(roc_auc_score(labels[rows], logits[rows]))
        monkeypatch.setattr(binary, "_RESAMPLES", 1000)
        monkeypatch.setattr(binary, "_WEIGHTS_AT_ONCE", 150 * 300)  # in four parts, the last one smaller
        interval = bootstrap_interval(weighted_auc(logits, labels), labels, groups)
        assert (interval.low, interval.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.012)


class TestAucInterval:
    def test_a_perfect_separation_is_not_taken_for_certain(self) -> None:
        labels = np.arange(40) % 2
        interval = auc_interval(labels * 1.0, labels, np.arange(40))
        assert (interval.value, interval.low, interval.high) == (1, pytest.approx(0.85), 1)

    def test_scores_that_are_all_the_same(self) -> None:
        interval = auc_interval(np.zeros(40), np.arange(40) % 2)
        assert interval.to_json() == [0.5, 0.5, 0.5]


class TestThresholds:
    @pytest.mark.parametrize(
        ("scores", "labels", "expected"),
        [
            ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 0.5),
            ([0.1, 0.6, 0.4, 0.9], [0, 0, 1, 1], 0.75),  # ties of accuracy: the stricter one
            ([0.1, 0.3, 0.3, 0.9], [0, 0, 1, 1], 0.6),  # a tie on 0.3: taking both or neither is as good
            ([0.5, 0.5], [0, 1], 0.5),
            ([0.9, 0.1], [0, 1], 0.1),  # the wrong way round: everything is accepted
        ],
    )
    def test_balanced_by_hand(self, scores: list[float], labels: list[int], expected: float) -> None:
        found = best_balanced_threshold(scores, labels)
        best = max(balanced_accuracy(scores, labels, t) for t in np.linspace(0, 1, 201))
        assert found == pytest.approx(expected)
        assert balanced_accuracy(scores, labels, found) == pytest.approx(best)

    @pytest.mark.parametrize("seed", range(5))
    def test_balanced_is_never_beaten(self, seed: int) -> None:
        logits, labels = sample(seed, levels=3)
        reached = balanced_accuracy(logits, labels, best_balanced_threshold(logits, labels))
        others = [balanced_accuracy(logits, labels, t) for t in np.linspace(-4, 4, 400)]
        assert reached >= max(others) - 1e-12

    def test_false_positives_by_hand(self) -> None:
        ordinary, liked = list(np.arange(20) / 100), [0.5, 0.6]
        scores, labels = ordinary + liked, [0] * 20 + [1] * 2
        assert false_positive_threshold(scores, labels, 0.05) == pytest.approx((0.18 + 0.19) / 2)
        assert false_positive_threshold(scores, labels, 0.0) == pytest.approx((0.19 + 0.5) / 2)
        assert false_positive_threshold(scores, labels, 1.0) <= 0.01

    @pytest.mark.parametrize("rate", [0.0, 0.05, 0.3])
    @pytest.mark.parametrize("seed", range(5))
    def test_false_positives_stay_under_the_rate(self, seed: int, rate: float) -> None:
        logits, labels = sample(seed, levels=2)
        logits[labels == 1] += 0.5  # something always lies above the highest ordinary one
        logits[1] = 9
        threshold = false_positive_threshold(logits, labels, rate)
        assert (logits[labels == 0] >= threshold).mean() <= rate
        lower = logits[logits < threshold].max()
        assert (logits[labels == 0] >= lower).mean() > rate

    def test_false_positives_stay_under_the_rate_where_no_score_lies_above(self) -> None:
        scores, labels = np.full(20, 0.5), np.repeat([1, 0], 10)
        threshold = false_positive_threshold(scores, labels, 0.05)
        assert (scores[labels == 0] >= threshold).mean() <= 0.05


@pytest.mark.usefixtures("few_resamples")
class TestMeasure:
    def test_figures_are_those_of_the_metrics(self) -> None:
        logits, labels = sample(9)
        scores = 1 / (1 + np.exp(-logits))
        metrics = measure(scores, labels, np.arange(len(labels)), threshold=0.4)
        assert metrics.auc.value == pytest.approx(auc(scores, labels))
        assert metrics.accuracy.value == pytest.approx(balanced_accuracy(scores, labels, 0.4))
        assert metrics.ece.value == pytest.approx(expected_calibration_error(scores, labels))
        assert metrics.threshold == 0.4
        assert set(metrics.to_json()) == {"auc", "accuracy", "accuracy_threshold", "ece", "ece_bound"}

    def test_the_interval_of_the_calibration_error_holds_its_value(self) -> None:
        rng = np.random.default_rng(0)
        for seed in range(15):
            logits, labels = calibrated_sample(rng, 200)
            ece = measure(1 / (1 + np.exp(-logits)), labels, np.arange(200), seed).ece
            assert ece.low <= ece.value <= ece.high

    def test_noise_is_not_called_accurate(self) -> None:
        rng, labels, beyond = np.random.default_rng(0), np.repeat([1, 0], 25), 0
        for seed in range(40):
            accuracy = measure(rng.random(50), labels, np.arange(50), seed).accuracy
            beyond += accuracy.low > 0.5
        assert beyond / 40 <= 0.1

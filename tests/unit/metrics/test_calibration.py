from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ganrm_core.metrics.binary import expected_calibration_error
from ganrm_core.metrics.calibration import Calibration, fit_calibration


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The matrices are tiny: a second thread only waits for the first."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def drawn(
    temperature: float, bias: float, count: int = 4000, keep_liked: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels for which (temperature, bias) is right where both classes are as common."""
    rng = np.random.default_rng(0)
    chance = rng.beta(0.8, 0.8, count)
    labels = (rng.random(count) < chance).astype(int)
    logits = (np.log(chance / (1 - chance)) - bias) * temperature
    chosen = (labels == 0) | (rng.random(count) < keep_liked)
    return logits[chosen], labels[chosen]


class TestFit:
    @pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (0.02, 0.5), (50.0, -1.0), (3.0, 2.0)])
    def test_recovers_what_the_labels_were_drawn_from(self, temperature: float, bias: float) -> None:
        fitted = fit_calibration(*drawn(temperature, bias))
        assert fitted.temperature == pytest.approx(temperature, rel=0.1)
        assert fitted.bias == pytest.approx(bias, abs=0.15)

    def test_size_of_a_folder_is_no_evidence(self) -> None:
        fitted = fit_calibration(*drawn(2.0, 0.5, count=12000, keep_liked=0.1))
        assert fitted.temperature == pytest.approx(2.0, rel=0.15)
        assert fitted.bias == pytest.approx(0.5, abs=0.2)

    def test_lowers_the_calibration_error_of_overconfident_logits(self) -> None:
        logits, labels = drawn(0.2, 0.0)
        before = expected_calibration_error(Calibration().scores(logits), labels)
        after = expected_calibration_error(fit_calibration(logits, labels).scores(logits), labels)
        assert after < 0.04 < before

    def test_leaves_the_ranking_alone(self) -> None:
        logits, labels = drawn(1.0, 0.0, count=200)
        scores = fit_calibration(logits, labels).scores(logits)
        np.testing.assert_array_equal(np.argsort(scores), np.argsort(logits))

    @pytest.mark.parametrize("count", [5, 500])
    def test_stays_finite_where_the_classes_separate_perfectly(self, count: int) -> None:
        logits = np.r_[np.linspace(1, 2, count), np.linspace(-2, -1, count)]
        fitted = fit_calibration(logits, np.repeat([1, 0], count))
        scores = fitted.scores(logits)
        assert 0 < fitted.temperature < np.inf
        # The smoothed targets: no more certain than the number of pictures allows.
        assert scores[:count].mean() == pytest.approx((count + 1) / (count + 2), abs=0.05)
        assert scores.max() < 1
        assert scores[:count].min() > 0.5 > scores[count:].max()

    def test_two_points_alone(self) -> None:
        fitted = fit_calibration([2.0, -2.0], [1, 0])
        np.testing.assert_allclose(fitted.scores([2.0, -2.0]), [2 / 3, 1 / 3], atol=1e-3)

    def test_logits_that_rank_the_wrong_way_say_one_half(self) -> None:
        logits, labels = drawn(1.0, 0.0, count=200)
        fitted = fit_calibration(-logits, labels)
        assert fitted.temperature > 0
        np.testing.assert_allclose(fitted.scores(-logits), 0.5, atol=0.02)

    def test_equal_logits_say_one_half(self) -> None:
        fitted = fit_calibration(np.full(8, 0.25), [1, 1, 1, 1, 0, 0, 0, 0])
        np.testing.assert_allclose(fitted.scores(0.25), 0.5, atol=1e-6)

    def test_rounding_among_equal_logits_is_no_information(self) -> None:
        # Their mean is not exactly 0.1, so their standard deviation is about 1e-17.
        fitted = fit_calibration(np.full(7, 0.1), [1, 1, 1, 0, 0, 0, 0])
        assert 0.3 < float(fitted.scores(0.1001)) < 0.7

    def test_far_logits_of_a_small_spread(self) -> None:
        logits, labels = drawn(1.0, 0.0, count=1000)
        near, far = fit_calibration(logits, labels), fit_calibration(1e4 + 1e-3 * logits, labels)
        np.testing.assert_allclose(far.scores(1e4 + 1e-3 * logits), near.scores(logits), atol=1e-3)

    def test_works_in_inference_mode(self) -> None:
        logits, labels = drawn(1.0, 0.0, count=100)
        with torch.inference_mode():
            inside = fit_calibration(logits, labels)
        assert inside == fit_calibration(logits, labels)


class TestScores:
    def test_by_hand(self) -> None:
        calibration = Calibration(temperature=2.0, bias=1.0)
        np.testing.assert_allclose(calibration.scores([-2.0, 0.0]), [0.5, 1 / (1 + np.exp(-1))])

    def test_stay_in_range_and_without_overflow(self) -> None:
        with np.errstate(all="raise"):
            assert Calibration().scores([-1e300, 0, 1e300]).tolist() == [0, 0.5, 1]

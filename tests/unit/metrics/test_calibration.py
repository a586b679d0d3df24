"""Temperature scaling with a bias, against known parameters and in degenerate cases."""

from __future__ import annotations

import numpy as np
import pytest

from ganrm_core.metrics.calibration import Calibration, fit_calibration


def drawn(
    temperature: float, bias: float, count: int = 4000, keep_liked: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels for which (temperature, bias) is right under balanced classes."""
    rng = np.random.default_rng(0)
    chance = rng.beta(0.8, 0.8, count)
    labels = (rng.random(count) < chance).astype(int)
    logits = (np.log(chance / (1 - chance)) - bias) * temperature
    chosen = (labels == 0) | (rng.random(count) < keep_liked)
    return logits[chosen], labels[chosen]


class TestFit:
    @pytest.mark.parametrize(
        ("temperature", "bias", "keep_liked"),
        [(1.0, 0.0, 1.0), (0.02, 0.5, 1.0), (50.0, -1.0, 1.0), (3.0, 2.0, 1.0), (2.0, 0.5, 0.1)],
    )
    def test_recovers_what_the_labels_were_drawn_from(
        self, temperature: float, bias: float, keep_liked: float
    ) -> None:
        logits, labels = drawn(temperature, bias, int(4000 / keep_liked**0.5), keep_liked)
        fitted = fit_calibration(logits, labels)
        assert fitted.temperature == pytest.approx(temperature, rel=0.15)
        assert fitted.bias == pytest.approx(bias, abs=0.2)

    @pytest.mark.parametrize("count", [1, 5, 500])
    def test_stays_finite_where_the_classes_separate_perfectly(self, count: int) -> None:
        logits = np.r_[np.linspace(1, 2, count), np.linspace(-2, -1, count)]
        fitted = fit_calibration(logits, np.repeat([1, 0], count))
        scores = fitted.scores(logits)
        assert 0 < fitted.temperature < np.inf
        # The smoothed targets: no more certain than the number of pictures allows.
        assert scores[:count].mean() == pytest.approx((count + 1) / (count + 2), abs=0.05)
        assert scores.max() < 1
        assert scores[:count].min() > 0.5 > scores[count:].max()

    def test_logits_that_rank_the_wrong_way_or_are_equal_say_one_half(self) -> None:
        logits, labels = drawn(1.0, 0.0, count=200)
        fitted = fit_calibration(-logits, labels)
        assert fitted.temperature > 0
        np.testing.assert_allclose(fitted.scores(-logits), 0.5, atol=0.02)
        fitted = fit_calibration(np.full(8, 0.25), [1, 1, 1, 1, 0, 0, 0, 0])
        np.testing.assert_allclose(fitted.scores(0.25), 0.5, atol=1e-6)
        # Their mean is not exactly 0.1, so their standard deviation is about 1e-17.
        fitted = fit_calibration(np.full(7, 0.1), [1, 1, 1, 0, 0, 0, 0])
        assert 0.3 < float(fitted.scores(0.1001)) < 0.7


def test_scores_by_hand_and_without_overflow() -> None:
    calibration = Calibration(temperature=2.0, bias=1.0)
    np.testing.assert_allclose(calibration.scores([-2.0, 0.0]), [0.5, 1 / (1 + np.exp(-1))])
    with np.errstate(all="raise"):
        assert Calibration().scores([-1e300, 0, 1e300]).tolist() == [0, 0.5, 1]

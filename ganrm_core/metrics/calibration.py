"""Temperature scaling with a bias: monotone calibration from logits to scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .binary import FloatArray, class_weights

_LEAST_SLOPE, _STEEPEST_SLOPE = 1e-3, 1e3
"""Bounds of 1 / temperature, in units of the logits' standard deviation."""
_MOST_STEPS = 100
_ROUNDING = 1e-14
"""Relative decrease of the loss below which it is rounding noise."""


@dataclass(frozen=True)
class Calibration:
    """score = sigmoid(logit / temperature + bias), the probability of being liked under balanced classes."""

    temperature: float = 1.0
    bias: float = 0.0

    def scores(self, logits: ArrayLike) -> FloatArray:
        scaled = np.asarray(logits, float) / self.temperature + self.bias
        return np.asarray(0.5 * (1 + np.tanh(scaled / 2)))


def fit_calibration(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """Fit temperature and bias on held-out logits with balanced classes.

    Guo et al. 2017 with a bias, on the smoothed targets of Platt 1999, which keep the temperature finite for perfect
    separation. The temperature is positive: logits that rank the wrong way give scores near 0.5, never a reversed
    ranking.
    """
    raw = np.asarray(logits, float)
    positive = np.asarray(labels) > 0.5
    spread = float(raw.std())
    if spread <= 1e-12 * max(1.0, float(np.abs(raw).max())):
        spread = 1.0  # equal up to rounding
    target = np.where(positive, (positive.sum() + 1) / (positive.sum() + 2), 1 / ((~positive).sum() + 2))
    slope, offset = _minimise((raw - raw.mean()) / spread, target, class_weights(positive))
    slope /= spread
    return Calibration(temperature=1 / slope, bias=offset - float(raw.mean()) * slope)


def _minimise(logits: FloatArray, targets: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Slope and offset of the lowest weighted cross-entropy, by Newton's method with backtracking.

    After Lin, Lin & Weng 2007, A note on Platt's probabilistic outputs, with a bounded slope.
    """
    inputs = np.stack([logits, np.ones_like(logits)])
    solution = np.array([1.0, 0.0])

    def loss_of(solution: FloatArray) -> float:
        z = solution @ inputs
        return float((weights * (np.logaddexp(0, z) - targets * z)).sum())

    loss = loss_of(solution)
    for _ in range(_MOST_STEPS):
        chance = 0.5 * (1 + np.tanh(solution @ inputs / 2))
        gradient = inputs @ (weights * (chance - targets))
        curvature = (inputs * (weights * chance * (1 - chance))) @ inputs.T
        # Active set: the slope is fixed at its lower bound unless the gradient leads back.
        free = np.array([not (solution[0] <= _LEAST_SLOPE and gradient[0] > 0), True])
        step = np.zeros(2)
        step[free] = np.linalg.solve(
            curvature[np.ix_(free, free)] + 1e-12 * np.eye(free.sum()), gradient[free]
        )
        if gradient @ step <= _ROUNDING * abs(loss):
            break
        reached = _backtrack(loss_of, solution, step, loss)
        if reached is None:
            break
        solution, loss = reached
    return float(solution[0]), float(solution[1])


def _backtrack(
    loss_of: Callable[[FloatArray], float], start: FloatArray, step: FloatArray, loss: float
) -> tuple[FloatArray, float] | None:
    """First point along the step, halved until the loss falls, and its loss; None where it does not fall."""
    for halvings in range(40):
        tried = start - step / 2**halvings
        tried[0] = min(max(tried[0], _LEAST_SLOPE), _STEEPEST_SLOPE)
        reached = loss_of(tried)
        if reached < loss - _ROUNDING * abs(loss):
            return tried, reached
    return None

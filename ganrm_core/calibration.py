"""From logit to score: a temperature and a bias, which leave the ranking alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from .metrics import FloatArray, class_weights


@dataclass(frozen=True)
class Calibration:
    """score = sigmoid(logit / temperature + bias), the chance of being liked where both are as common."""

    temperature: float = 1.0
    bias: float = 0.0

    def scores(self, logits: ArrayLike) -> FloatArray:
        scaled = np.asarray(logits, float) / self.temperature + self.bias
        return np.asarray(0.5 * (1 + np.tanh(scaled / 2)))


def fit_calibration(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """Fit temperature and bias on held-out logits, both classes weighing the same.

    Guo et al. 2017 with a bias, on the smoothed targets of Platt 1999, which keep the temperature
    finite where the classes separate perfectly. A temperature is positive: held-out logits that
    rank the wrong way give scores near one half, never a turned ranking.
    """
    raw = np.asarray(logits, float)
    positive = np.asarray(labels) > 0.5
    spread = float(raw.std())
    if spread <= 1e-12 * max(1.0, float(np.abs(raw).max())):
        spread = 1.0  # all alike but for rounding
    target = np.where(positive, (positive.sum() + 1) / (positive.sum() + 2), 1 / ((~positive).sum() + 2))
    log_slope, offset = _minimise((raw - raw.mean()) / spread, target, class_weights(positive))
    slope = float(np.exp(log_slope)) / spread
    return Calibration(temperature=1 / slope, bias=offset - float(raw.mean()) * slope)


def _minimise(logits: FloatArray, targets: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Log of the slope, and offset, with the lowest weighted cross-entropy."""
    with torch.inference_mode(False), torch.enable_grad():
        x, y, w = (torch.from_numpy(np.asarray(part, float)) for part in (logits, targets, weights))
        parameters = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [parameters], max_iter=100, line_search_fn="strong_wolfe", tolerance_grad=1e-10
        )

        def loss() -> torch.Tensor:
            optimiser.zero_grad()
            z = x * parameters[0].clamp(-7, 7).exp() + parameters[1]
            value = torch.nn.functional.binary_cross_entropy_with_logits(z, y, weight=w)
            value.backward()
            return value

        optimiser.step(loss)
        return float(parameters[0].detach().clamp(-7, 7)), float(parameters[1].detach())

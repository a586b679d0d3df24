"""Log-odds of a reward's scores: the common scale on which rewards are combined."""

from __future__ import annotations

import torch
from torch import Tensor

from ..metrics.calibration import Calibration
from .base import Scores

_HIGHEST = 1 - 2.0**-24  # the largest float32 below 1: a saturated score must not give infinite log-odds


def in_log_odds(scores: Scores, calibration: Calibration | None) -> tuple[Tensor, Tensor]:
    """Log-odds [B] of a reward's scores and their uncertainty, in float64.

    Of the calibrated logit where the reward has a `calibration`, else of the score.
    """
    if calibration is None:
        return log_odds(scores.score.double()), scores.uncertainty.double()
    # Not from the score, which saturates at 1.0 in float32.
    odds = scores.logit.double() / calibration.temperature + calibration.bias
    return odds, scores.uncertainty.double() / calibration.temperature


def log_odds(score: Tensor) -> Tensor:
    """Finite for scores of 0 and 1 too."""
    return torch.logit(score.clamp(1 - _HIGHEST, _HIGHEST))

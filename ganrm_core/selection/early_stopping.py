"""Whether more candidates are worth making."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

_FEWEST = 3
_PARTS = 1000  # of the integral


def chance_of_better(logits: Sequence[float], more: int, keep: int = 1) -> float:
    """How likely one of `more` further candidates is among the best `keep`, in 0–1.

    Logits of one prompt are taken as normal with unknown mean and variance, so a further one follows Student's t with
    n − 1 degrees of freedom, shifted to the mean and scaled by s √(1 + 1/n) (Gelman et al., Bayesian Data Analysis,
    section 3.2). Several further ones are taken as independent of each other, which overstates the chance a little.
    1.0 where fewer than three (or `keep`) were seen, and where all are equal.
    """
    count = len(logits)
    spread = statistics.stdev(logits) if count >= _FEWEST else 0.0
    if more < 1:
        return 0.0
    if spread == 0 or count < keep:
        return 1.0
    bar = sorted(logits, reverse=True)[keep - 1]
    lead = (bar - statistics.fmean(logits)) / (spread * math.sqrt(1 + 1 / count))
    return 1 - (1 - _tail(lead, count - 1)) ** more


def _tail(t: float, freedom: int) -> float:
    """Of Student's distribution above `t`. With x = √ν · tan φ its density is proportional to cos(φ)^(ν − 1)."""
    if t < 0:
        return 1 - _tail(-t, freedom)
    begin = math.atan(t / math.sqrt(freedom))
    middles = (np.arange(_PARTS) + 0.5) / _PARTS
    above = np.cos(begin + middles * (math.pi / 2 - begin)) ** (freedom - 1)
    half = np.cos(middles * math.pi / 2) ** (freedom - 1)
    share = above.mean() * (math.pi / 2 - begin) / (half.mean() * math.pi / 2)
    return float(share / 2)

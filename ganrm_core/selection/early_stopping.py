"""Early stopping of sampling: the probability that further candidates improve on the best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

_FEWEST = 3


def probability_of_improvement(logits: Sequence[float], more: int, keep: int = 1) -> float:
    """The probability in 0–1 that one of `more` further candidates is among the best `keep`.

    The logits of one prompt are modelled as normal with unknown mean and variance; the next one then follows Student's
    t with n − 1 degrees of freedom, shifted to the mean and scaled by s √(1 + 1/n) (Gelman et al., Bayesian Data
    Analysis, section 3.2). Several are treated as independent, which overstates the probability a little. 1.0 for
    fewer than three (or `keep`) logits, and where all are equal.
    """
    from scipy.special import stdtr

    count = len(logits)
    spread = statistics.stdev(logits) if count >= _FEWEST else 0.0
    if more < 1:
        return 0.0
    if spread == 0 or count < keep:
        return 1.0
    bar = sorted(logits, reverse=True)[keep - 1]
    lead = (bar - statistics.fmean(logits)) / (spread * math.sqrt(1 + 1 / count))
    one_is_lower = float(stdtr(count - 1, lead))
    return 1 - one_is_lower**more

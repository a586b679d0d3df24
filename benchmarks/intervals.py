"""Bootstrap confidence interval of a mean of paired differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DRAWS = 5000


def mean_interval(differences: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of `differences` [N]."""
    draws = [rng.choice(differences, len(differences)).mean() for _ in range(_DRAWS)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)

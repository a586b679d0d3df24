"""Growth per thousand prompts, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_FEWEST = 6


@dataclass(frozen=True)
class Trend:
    """A slope in MB per thousand prompts and its 95 % interval."""

    slope: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.slope:+.1f} MB per 1,000 prompts ({self.low:+.1f} to {self.high:+.1f}), last half"

    def is_flat(self, limit: float) -> bool:
        """Whether the interval reaches down to zero, or ends below `limit`."""
        return self.low <= 0 or self.high < limit


def trend(prompts: Sequence[float], values: Sequence[float]) -> Trend | None:
    """Theil–Sen slope (the median of the slopes between all pairs) of the last half; None for too few samples."""
    from scipy.stats import theilslopes

    half = len(values) // 2
    x, y = prompts[half:], values[half:]
    if len(y) < _FEWEST:
        return None
    slope, _, low, high = theilslopes(y, x, 0.95)
    return Trend(1000 * float(slope), 1000 * float(low), 1000 * float(high))

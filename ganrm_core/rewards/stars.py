"""Scores as star ratings, by a reward's own thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def star_cuts(thresholds: Mapping[str, float]) -> tuple[float, float, float, float] | None:
    """The least scores of 2, 3, 4 and 5 stars; None for a reward without a threshold between 0 and 1.

    3 stars begin at the threshold `balanced`, 4 at `fpr_5`, which few ordinary pictures reach; 2 stars half-way from 0 to
    the first, 5 half-way from the second to 1. Where there is no `fpr_5`, 4 stars begin half-way from `balanced` to 1.
    """
    balanced = thresholds.get("balanced", math.nan)
    strict = thresholds.get("fpr_5", (balanced + 1) / 2)
    low, high = sorted((balanced, strict))
    if not 0 < low <= high < 1:
        return None
    return low / 2, low, high, (high + 1) / 2


def stars_of_score(score: float, cuts: Sequence[float]) -> int | None:
    """1 to 5 stars; None for a score that is not finite."""
    return 1 + sum(score >= cut for cut in cuts) if math.isfinite(score) else None

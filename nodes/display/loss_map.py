"""Values for ComfyUI's Plot Loss Graph (LOSS_MAP)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def plottable(losses: Sequence[float]) -> list[float]:
    """The finite losses, at least two different values: the plot divides by their range.

    A constant loss gets a last value that differs by about 1e-9.
    """
    values = [value for value in losses if math.isfinite(value)] or [0.0]
    if len(set(values)) == 1:
        values.append(values[-1] * (1 + 1e-9) + 1e-9)
    return values

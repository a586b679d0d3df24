"""Number format of scores in everything people read; the format that they type into widgets."""

from __future__ import annotations

import math


def score_text(value: float, form: str = "share") -> str:
    """Scores in 0–1 to two decimals; others, or all where `form` is "any", to four significant digits."""
    if not math.isfinite(value):
        return "?"
    if form == "share" and 0 <= value <= 1:
        return f"{value:.2f}"
    text = f"{value:.4g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    return text.replace("-", "−")

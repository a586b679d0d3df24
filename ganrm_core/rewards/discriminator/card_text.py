"""Figures of a checkpoint's card in words. A card may come from anyone, and what could not be measured is null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_KNOWN = "not known"


def figure(value: Any) -> float | None:
    """`value` where it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an int beyond any float
        return None


def interval(value: Any) -> tuple[float | None, float | None, float | None]:
    """A figure, and its lower and upper bound, each None where it is not known."""
    known = [figure(entry) for entry in value] if isinstance(value, (list, tuple)) and len(value) == 3 else []
    return (known[0], known[1], known[2]) if known else (None, None, None)


def figure_words(value: Any) -> str:
    """Such as 0.812."""
    known = figure(value)
    return NOT_KNOWN if known is None else f"{known:.3f}"


def interval_words(value: Any) -> str:
    """Such as 0.812 [0.790, 0.834]; without what is not known."""
    middle, low, high = interval(value)
    bounds = f" [{low:.3f}, {high:.3f}]" if None not in (middle, low, high) else ""
    return figure_words(middle) + bounds


def section(card: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under `name`; an empty one where there is none."""
    value = card.get(name)
    return value if isinstance(value, Mapping) else {}

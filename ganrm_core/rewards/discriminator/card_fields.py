"""Reads and formats numbers of a checkpoint's JSON card, which may be edited by hand; an unknown number is null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_KNOWN = "not known"


def finite_number(value: Any) -> float | None:
    """`value` as a float; None for anything but a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an int beyond any float
        return None


def interval(value: Any) -> tuple[float | None, float | None, float | None]:
    """An estimate with its lower and upper bound; None for each that is not known."""
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return (None, None, None)
    estimate, low, high = map(finite_number, value)
    return (estimate, low, high)


def format_number(value: Any) -> str:
    """Three decimals, such as 0.812."""
    known = finite_number(value)
    return NOT_KNOWN if known is None else f"{known:.3f}"


def format_interval(value: Any) -> str:
    """Such as 0.812 [0.790, 0.834], without bounds where one is not known."""
    estimate, low, high = interval(value)
    bounds = f" [{low:.3f}, {high:.3f}]" if None not in (estimate, low, high) else ""
    return format_number(estimate) + bounds


def section(card: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The JSON object under `name`; empty where there is none."""
    value = card.get(name)
    return value if isinstance(value, Mapping) else {}

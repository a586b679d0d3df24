"""Printing: tables and JSON lines on standard output, messages on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..data.skipped_files import Skipped
    from ..metrics.summary import SummaryMetrics


def print_json(value: Mapping[str, Any]) -> None:
    """One line of JSON."""
    print(json.dumps(value, ensure_ascii=True), flush=True)


def print_facts(*facts: tuple[str, str]) -> None:
    """Names and values in two aligned columns."""
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        print(f"{name:<{width}}{value}")


def warn(message: str, start: str = "") -> None:
    """Print a message to standard error; never fails, since no result may be lost over a message."""
    with suppress(OSError):
        print(f"{start}ganrm: {message}", file=sys.stderr)


def skipped_as_json(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    return [{"file": str(entry.path), "skipped": entry.reason} for entry in skipped]


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """One line of JSON per skipped file, with the reason."""
    for entry in skipped_as_json(skipped):
        print_json(entry)


def warn_skipped(skipped: Sequence[Skipped], among: Sequence[Path], listed_in: str = "") -> None:
    """Name some of the files skipped `among` those read, and where all of them are listed."""
    from ..data.skipped_files import NAMED, describe_skipped

    if skipped:
        rest = f" All are listed in {listed_in}." if listed_in and len(skipped) > NAMED else ""
        warn(f"{describe_skipped(skipped, among=among)}{rest}")


def metrics_as_json(metrics: SummaryMetrics) -> dict[str, Any]:
    """Each metric as a number, with its interval under the same name and `_ci`."""
    result: dict[str, Any] = {}
    for name in ("auc", "accuracy", "ece"):
        interval = getattr(metrics, name)
        result |= {name: interval.value, f"{name}_ci": [interval.low, interval.high]}
    return {**result, "accuracy_threshold": metrics.threshold, "ece_bound": metrics.ece_bound}


def ece_text(metrics: SummaryMetrics) -> str:
    return f"{metrics.ece.value:.3f}   a perfectly calibrated model stays under {metrics.ece_bound:.3f}"

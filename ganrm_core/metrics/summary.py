"""Summary metrics of a binary scorer: AUC, balanced accuracy and calibration error with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .binary import (
    FloatArray,
    Interval,
    auc_interval,
    bootstrap_interval,
    calibration_error_bound,
    weighted_accuracy,
    weighted_calibration_error,
)


@dataclass(frozen=True)
class SummaryMetrics:
    """Held-out metrics with 95 % intervals.

    `accuracy` is balanced, at `threshold`. `ece_bound` is the 95 % quantile of the ECE of a perfectly calibrated model
    with the same scores.
    """

    auc: Interval
    accuracy: Interval
    threshold: float
    ece: Interval
    ece_bound: float

    def to_json(self) -> dict[str, Any]:
        return {
            "auc": self.auc.to_json(),
            "accuracy": self.accuracy.to_json(),
            "accuracy_threshold": self.threshold,
            "ece": self.ece.to_json(),
            "ece_bound": self.ece_bound,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SummaryMetrics:
        """Inverse of `to_json`, also from strict JSON, where NaN is null.

        Raises LookupError, TypeError or ValueError for anything else.
        """
        return cls(
            auc=_interval(data["auc"]),
            accuracy=_interval(data["accuracy"]),
            threshold=_number(data["accuracy_threshold"]),
            ece=_interval(data["ece"]),
            ece_bound=_number(data["ece_bound"]),
        )


def measure(
    scores: FloatArray,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    seed: int = 0,
    threshold: float = 0.5,
) -> SummaryMetrics:
    """Metrics of calibrated `scores`. `threshold` must not have been chosen on the same pictures."""
    return SummaryMetrics(
        auc=auc_interval(scores, labels, groups, seed=seed),
        accuracy=bootstrap_interval(weighted_accuracy(scores, labels, threshold), labels, groups, seed=seed),
        threshold=threshold,
        ece=bootstrap_interval(
            weighted_calibration_error(scores, labels),
            labels,
            groups,
            seed=seed,
            unbiased=False,
        ),
        ece_bound=calibration_error_bound(scores, labels, seed=seed),
    )


def _interval(values: Sequence[float | None]) -> Interval:
    value, low, high = map(_number, values)
    return Interval(value, low, high)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)

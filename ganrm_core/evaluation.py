"""How well a reward separates two sets it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .imagesets import Skipped, describe_skipped
from .metrics import (
    FloatArray,
    Interval,
    auc_interval,
    bootstrap_interval,
    calibration_error_bound,
    weighted_accuracy,
    weighted_calibration_error,
)
from .progress import Progress, ProgressCallback, no_progress
from .reward import Reward


@dataclass(frozen=True)
class Figures:
    """Held-out figures with 95 % intervals.

    `accuracy` is balanced over both classes at `threshold`. `ece_bound` is what a perfectly
    calibrated model with the same scores would stay under 95 times of 100.
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
    def from_json(cls, data: Mapping[str, Any]) -> Figures:
        """What `to_json` gave, also after its way through JSON, where what is not known is null.

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
) -> Figures:
    """Figures of calibrated `scores`. A `threshold` must not have been chosen on these very pictures."""
    return Figures(
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


@dataclass(frozen=True)
class Evaluation:
    """Figures of a model on two sets, and the scores they come from, liked pictures first."""

    figures: Figures
    paths: list[Path]
    labels: NDArray[np.int64]
    scores: FloatArray
    logits: FloatArray
    skipped: list[Skipped]


def evaluate(
    model: Reward,
    liked: Sequence[Path],
    ordinary: Sequence[Path],
    *,
    progress: ProgressCallback = no_progress,
) -> Evaluation:
    """Score two sets of files and measure how well they separate, at the model's own threshold.

    Raises DataError where a set holds no usable picture. Every file counts as a picture of its own:
    near-duplicates make the intervals too narrow.
    """
    skipped: list[Skipped] = []
    paths, labels, scores, logits = [], [], [], []
    total = len(liked) + len(ordinary)
    for files, label, name in ((liked, 1, "liked"), (ordinary, 0, "ordinary")):
        for path, result in model.score_files(list(files), skipped):
            paths.append(path)
            labels.append(label)
            scores.append(float(result.score))
            logits.append(float(result.logit))
            progress(Progress("scoring", len(paths) + len(skipped), total))
        progress(
            Progress("scoring", len(paths) + len(skipped), total)
        )  # also where the last ones were skipped
        if label not in labels:
            why = describe_skipped(skipped, among=[*liked, *ordinary])
            raise DataError(f"None of the {name} pictures could be read. {why}")
    label_array, score_array = np.array(labels, dtype=np.int64), np.array(scores)
    figures = measure(
        score_array, label_array, np.arange(len(labels)), threshold=model.thresholds.get("balanced", 0.5)
    )
    return Evaluation(figures, paths, label_array, score_array, np.array(logits), skipped)


def _interval(values: Sequence[float | None]) -> Interval:
    value, low, high = map(_number, values)
    return Interval(value, low, high)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)

"""How well a reward separates two sets it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.skipped_files import Skipped, describe_skipped
from ..metrics.binary import FloatArray
from ..metrics.summary import SummaryMetrics, measure
from ..utils.errors import DataError
from ..utils.progress import Progress, ProgressCallback, no_progress
from .base import Reward


@dataclass(frozen=True)
class Evaluation:
    """Figures of a model on two sets, and the scores they come from, liked pictures first."""

    metrics: SummaryMetrics
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
    metrics = measure(
        score_array, label_array, np.arange(len(labels)), threshold=model.thresholds.get("balanced", 0.5)
    )
    return Evaluation(metrics, paths, label_array, score_array, np.array(logits), skipped)

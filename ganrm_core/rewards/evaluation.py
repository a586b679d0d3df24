"""Evaluates a reward on held-out liked and ordinary files: AUC and the other summary metrics."""

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
from .prompted_files import nothing_scored, score_prompted_files


@dataclass(frozen=True)
class Evaluation:
    """Summary metrics, and the score of every picture they are computed from, liked pictures first."""

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
    """Score two sets of files and measure their separation at the model's `balanced` threshold.

    A reward that needs prompts takes those stored in the files. Raises DataError where a set has no readable picture.
    Every file counts as an independent sample: near-duplicates make the confidence intervals too narrow.
    """
    skipped: list[Skipped] = []
    paths, labels, scores, logits = [], [], [], []
    total = len(liked) + len(ordinary)
    for files, label, name in ((liked, 1, "liked"), (ordinary, 0, "ordinary")):
        for path, result in score_prompted_files(model, list(files), skipped):
            paths.append(path)
            labels.append(label)
            scores.append(float(result.score))
            logits.append(float(result.logit))
            progress(Progress("scoring", len(paths) + len(skipped), total))
        # Once more for skipped files at the end.
        progress(Progress("scoring", len(paths) + len(skipped), total))
        if label not in labels:
            why = describe_skipped(skipped, among=[*liked, *ordinary])
            raise DataError(f"{nothing_scored(model, pictures=f'{name} picture')} {why}")
    label_array, score_array = np.array(labels, dtype=np.int64), np.array(scores)
    metrics = measure(
        score_array, label_array, np.arange(len(labels)), threshold=model.thresholds.get("balanced", 0.5)
    )
    return Evaluation(metrics, paths, label_array, score_array, np.array(logits), skipped)

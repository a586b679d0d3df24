"""Sections of a checkpoint's card that follow from held-out scores: metrics and suggested thresholds."""

from __future__ import annotations

from typing import Any

from ..data.splits import IntArray
from ..metrics.binary import FloatArray, best_balanced_threshold, false_positive_threshold
from ..metrics.summary import SummaryMetrics


def held_out_sections(
    metrics: SummaryMetrics, protocol: str, scores: FloatArray, labels: IntArray
) -> dict[str, Any]:
    """`metrics` and `thresholds`, of held-out `scores` [N] with their `labels` [N]; `protocol` in words."""
    return {
        "metrics": {**metrics.to_json(), "held_out": protocol, "n": len(labels)},
        "thresholds": {
            "balanced": best_balanced_threshold(scores, labels),
            "fpr_5": false_positive_threshold(scores, labels, rate=0.05),
        },
    }

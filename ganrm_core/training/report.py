"""Report data of a training result: its held-out scores and metrics."""

from __future__ import annotations

from collections.abc import Sequence

from ..reports.report_data import ReportData
from .trainer import TrainingResult


def report_data(result: TrainingResult, title: str, facts: Sequence[tuple[str, str]] = ()) -> ReportData:
    """What the HTML and the image report show of a training."""
    return ReportData(
        title=title,
        scores=result.held_out_scores,
        labels=result.held_out_labels,
        paths=result.held_out_paths,
        metrics=result.metrics,
        thresholds=result.model.thresholds,
        warnings=result.warnings,
        counts={"liked pictures": result.n_liked, "ordinary pictures": result.n_ordinary},
        facts=facts,
        history=result.history,
    )

"""The demo's report: the usual one on held-out pictures, headed by what choosing gained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PIL import Image

from ..reports.evaluation_plots import efficiency_chart
from ..reports.html_report import Report, ReportData, Section, in_both_themes, training_report
from ..rewards.evaluation import Evaluation
from ..training.trainer import TrainingResult


def demo_report(
    result: TrainingResult, evaluation: Evaluation, efficiency: Mapping[str, float], sheet: Image.Image
) -> Report:
    """`efficiency` per fault kind and "together"; `sheet` shows the best-of-N rows."""
    report = training_report(
        ReportData(
            scores=evaluation.scores,
            labels=evaluation.labels,
            paths=evaluation.paths,
            metrics=evaluation.metrics,
            thresholds=result.model.thresholds,
            warnings=result.warnings,
            counts={"liked pictures": result.n_liked, "ordinary pictures": result.n_ordinary},
            facts=[("Selection efficiency", f"{efficiency['together']:.3f}")],
            title="GAN-RM demo",
        )
    )
    chosen = Section(
        "Best of 8",
        "Each row is one picture the model had never seen, in eight strengths of one fault, ranked by the "
        "model from left to right. The gold one is its choice. Under each picture stand the score and the "
        "fault's true strength and rank. Three of the groups of each fault are shown.",
        [(sheet, "")],
    )
    gained = Section(
        "What choosing gained",
        "1 means the best candidate was chosen every time, 0 means choosing was no better than chance.",
        [(in_both_themes(lambda theme: efficiency_chart(efficiency, theme=theme)), "")],
    )
    return replace(report, sections=[chosen, gained, *report.sections])

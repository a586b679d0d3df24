"""HTML report of the demo: the training report on held-out pictures, with best-of-N results before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PIL import Image

from ..reports.evaluation_plots import efficiency_chart
from ..reports.html_report import Report, Section, in_both_themes, training_report
from ..rewards.evaluation import Evaluation
from ..training.report import report_data
from ..training.trainer import TrainingResult


def demo_report(
    result: TrainingResult, evaluation: Evaluation, efficiency: Mapping[str, float], sheet: Image.Image
) -> Report:
    """`efficiency` per fault kind and "together"; `sheet` has the best-of-N rows."""
    data = replace(
        report_data(result, "GAN-RM demo", [("Selection efficiency", f"{efficiency['together']:.3f}")]),
        scores=evaluation.scores,
        labels=evaluation.labels,
        paths=evaluation.paths,
        metrics=evaluation.metrics,
    )
    report = training_report(data)
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

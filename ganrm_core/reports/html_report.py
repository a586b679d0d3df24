"""HTML report: a model's metrics, charts and example pictures as one self-contained file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ..utils.errors import OutputError
from ..utils.files import atomic_file, check_new_file, write_new_file
from .evaluation_plots import DARK, LIGHT, Theme, calibration_plot, roc_plot, score_histograms
from .html_page import Headline, Report, Section, Themed, page
from .messages import (
    CALIBRATION,
    COIN_TOSS,
    EXTREMES,
    HEADLINE_LABEL,
    NEVER_WRONG,
    SPREAD,
    all_facts,
    lead,
    strictness,
)
from .report_data import ReportData, file_name, thumbnail
from .score_format import score_text

_EXAMPLES = 8
_THUMBNAIL = 480  # pixels; shown at half that, so that they are sharp on fine screens
_UNREADABLE = (128, 128, 128)


def check_report_packages() -> None:
    """Raises OutputError, which says what to install, where a report could not be written."""
    try:
        import matplotlib.figure  # noqa: F401
    # One built for another numpy fails with whatever its compiled parts raise.
    except Exception as error:
        raise OutputError(_missing("The report's plots need matplotlib", "matplotlib", error)) from error
    try:
        import jinja2  # noqa: F401
    except Exception as error:
        raise OutputError(_missing("The report's page needs Jinja2", "jinja2", error)) from error


def _missing(needs: str, package: str, error: Exception) -> str:
    return (
        f"{needs}, which cannot be imported ({error}). "
        f"Install it with: pip install {package}, or leave out --report."
    )


def write_report(path: Path, report: Report, *, numbered: bool = False) -> Path:
    """Write `report` to the new HTML file `path`, and return where it is.

    Raises OutputError if the file exists already (if `numbered`, the first free `path (2)` … is taken then) or
    cannot be written; no partial file is left.
    """
    if not numbered:
        check_new_file(path, what="the report")
    content = page(report).encode("utf-8")
    if numbered:
        return write_new_file(path, content)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return path


def training_report(data: ReportData) -> Report:
    """Report on a trained or evaluated model.

    A picture that cannot be read any more keeps its place and says why.
    """
    headline = Headline(data.metrics.auc, HEADLINE_LABEL, start_words=COIN_TOSS, end_words=NEVER_WRONG)
    return Report(
        title=data.title,
        lead=lead(data.metrics),
        headline=headline,
        facts=[*all_facts(data.metrics, data.thresholds, data.counts), *data.facts],
        warnings=list(data.warnings),
        sections=[*_charts(data), *_examples(data)],
    )


def in_both_themes(plot: Callable[[Theme], Image.Image]) -> Themed:
    """The same chart for light and for dark pages."""
    return Themed(light=plot(LIGHT), dark=plot(DARK))


def _charts(data: ReportData) -> list[Section]:
    scores, liked, metrics = data.values, data.liked, data.metrics
    histograms = in_both_themes(lambda theme: score_histograms(scores, liked, data.thresholds, theme))
    roc = in_both_themes(lambda theme: roc_plot(scores, liked, metrics, theme))
    calibration = in_both_themes(
        lambda theme: calibration_plot(scores, liked, metrics.ece.value, metrics.ece_bound, theme)
    )
    return [
        Section(*SPREAD, [(histograms, "")]),
        Section(*strictness(metrics), [(roc, "")], wide=False),
        Section(*CALIBRATION, [(calibration, "")], wide=False),
    ]


def _examples(data: ReportData) -> list[Section]:
    sections = []
    for kind in EXTREMES:
        if members := data.examples(kind, _EXAMPLES):
            images = [_example(path, score) for path, score in members]
            sections.append(Section(kind.title, kind.text, images, layout="thumbnails"))
    return sections


def _example(path: Path, score: float) -> tuple[Image.Image, str]:
    caption = f"{score_text(score)}\n{file_name(path)}"
    picture = thumbnail(path, _THUMBNAIL)
    if isinstance(picture, Image.Image):
        return picture, caption
    return Image.new("RGB", (_THUMBNAIL // 2,) * 2, _UNREADABLE), f"{caption}\nNo picture: {picture}"


__all__ = [
    "Headline",
    "Report",
    "ReportData",
    "Section",
    "Themed",
    "check_report_packages",
    "in_both_themes",
    "training_report",
    "write_report",
]

"""A report that opens in any browser: one HTML file with its pictures inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from ..data.image_io import read_image
from ..utils.errors import ImageError
from ..utils.files import atomic_file, check_new_file, shown, write_new_file
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
from .score_format import score_text

if TYPE_CHECKING:
    from ..metrics.summary import SummaryMetrics

_EXAMPLES = 8
_THUMBNAIL = 480  # pixels; shown at half that, so that they are sharp on fine screens
_UNREADABLE = (128, 128, 128)


def write_report(path: Path, report: Report, *, numbered: bool = False) -> Path:
    """Write `report` to the new HTML file `path`, and return where it is.

    Raises OutputError if the file exists already (if `numbered`, the first free `path (2)` … is taken then) or
    cannot be written; nothing half done is left.
    """
    if not numbered:
        check_new_file(path, what="the report")
    content = page(report).encode("utf-8")
    if numbered:
        return write_new_file(path, content)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return path


def training_report(
    *,
    scores: ArrayLike,
    labels: ArrayLike,
    paths: Sequence[Path],
    metrics: SummaryMetrics,
    thresholds: Mapping[str, float],
    warnings: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    facts: Sequence[tuple[str, str]] = (),
    title: str = "Reward model",
) -> Report:
    """The report on a trained or evaluated model.

    `scores` (0–1), `labels` (1 liked, 0 ordinary) and `paths` run parallel: pictures the model had
    not seen. `metrics` were measured on them. `thresholds` as in the model's card. `counts` and
    `facts` are shown with the key figures (such as "Liked pictures": 120). A picture that cannot be
    read any more keeps its place and says why.
    """
    value, positive = np.asarray(scores, float), np.asarray(labels) > 0.5
    if not len(value) == len(positive) == len(paths):
        raise ValueError(
            f"{len(value)} scores, {len(positive)} labels and {len(paths)} paths do not run parallel"
        )
    return Report(
        title=title,
        lead=lead(metrics),
        headline=Headline(
            metrics.auc,
            HEADLINE_LABEL,
            start_words=COIN_TOSS,
            end_words=NEVER_WRONG,
        ),
        facts=[*all_facts(metrics, thresholds, counts), *facts],
        warnings=list(warnings),
        sections=[*_charts(value, positive, metrics, thresholds), *_examples(value, positive, paths)],
    )


def in_both_themes(plot: Callable[[Theme], Image.Image]) -> Themed:
    """The same chart for light and for dark pages."""
    return Themed(light=plot(LIGHT), dark=plot(DARK))


def _charts(
    scores: np.ndarray, labels: np.ndarray, metrics: SummaryMetrics, thresholds: Mapping[str, float]
) -> list[Section]:
    histograms = in_both_themes(lambda theme: score_histograms(scores, labels, thresholds, theme))
    roc = in_both_themes(lambda theme: roc_plot(scores, labels, metrics, theme))
    calibration = in_both_themes(
        lambda theme: calibration_plot(scores, labels, metrics.ece.value, metrics.ece_bound, theme)
    )
    return [
        Section(*SPREAD, [(histograms, "")]),
        Section(*strictness(metrics), [(roc, "")], wide=False),
        Section(*CALIBRATION, [(calibration, "")], wide=False),
    ]


def _examples(scores: np.ndarray, labels: np.ndarray, paths: Sequence[Path]) -> list[Section]:
    sections = []
    for kind in EXTREMES:
        chosen = kind.chosen(scores, labels, _EXAMPLES)
        if len(chosen):
            images = [_example(paths[i], float(scores[i])) for i in chosen]
            sections.append(Section(kind.title, kind.text, images, layout="thumbnails"))
    return sections


def thumbnail(path: Path, side: int) -> Image.Image | str:
    """The picture of `path`, at most `side` pixels wide and high; or why there is none."""
    try:
        pixels = read_image(path)
    except ImageError as error:
        return str(getattr(error, "reason", "it cannot be read"))
    picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def _example(path: Path, score: float) -> tuple[Image.Image, str]:
    caption = f"{score_text(score)}\n{shown(Path(path).name)[1:-1]}"
    picture = thumbnail(path, _THUMBNAIL)
    if isinstance(picture, Image.Image):
        return picture, caption
    return Image.new("RGB", (_THUMBNAIL // 2,) * 2, _UNREADABLE), f"{caption}\nNo picture: {picture}"


__all__ = [
    "Headline",
    "Report",
    "Section",
    "Themed",
    "in_both_themes",
    "thumbnail",
    "training_report",
    "write_report",
]

"""A report that opens in any browser: one HTML file with its pictures inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from .errors import ImageError
from .files import atomic_file, check_new_file, shown
from .images import read_image
from .plots import DARK, LIGHT, Theme, calibration_plot, roc_plot, score_histograms, threshold_words
from .report_page import Headline, Report, Section, Themed, page

if TYPE_CHECKING:
    from .evaluation import Figures

_EXAMPLES = 8
_THUMBNAIL = 480  # pixels; shown at half that, so that they are sharp on fine screens
_UNREADABLE = (128, 128, 128)


def write_report(path: Path, report: Report) -> None:
    """Write `report` to the new HTML file `path`.

    Raises OutputError if the file exists already or cannot be written; nothing half done is left.
    """
    check_new_file(path, what="the report")
    text = page(report)
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def training_report(
    *,
    scores: ArrayLike,
    labels: ArrayLike,
    paths: Sequence[Path],
    figures: Figures,
    thresholds: Mapping[str, float],
    warnings: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    facts: Sequence[tuple[str, str]] = (),
    title: str = "Reward model",
) -> Report:
    """The report on a trained or evaluated model.

    `scores` (0–1), `labels` (1 liked, 0 ordinary) and `paths` run parallel: pictures the model had
    not seen. `figures` were measured on them. `thresholds` as in the model's card. `counts` and
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
        lead=_lead(figures),
        headline=Headline(
            figures.auc,
            "AUC on pictures it had not seen",
            start_words="0.5 · a coin toss",
            end_words="1 · never wrong",
        ),
        facts=[
            *((name[:1].upper() + name[1:], f"{count:,}") for name, count in (counts or {}).items()),
            *_key_figures(figures, thresholds),
            *facts,
        ],
        warnings=list(warnings),
        sections=[*_charts(value, positive, figures, thresholds), *_examples(value, positive, paths)],
    )


def in_both_themes(plot: Callable[[Theme], Image.Image]) -> Themed:
    """The same chart for light and for dark pages."""
    return Themed(light=plot(LIGHT), dark=plot(DARK))


def _lead(figures: Figures) -> str:
    auc = figures.auc
    if not np.isfinite(auc.value):
        return "There are too few pictures to say how well the model tells liked from ordinary."
    pairs = min(100, max(0, int(np.floor(100 * auc.value + 0.5))))
    # Never "100 of 100" for a model that was wrong.
    pairs = min(pairs, 99) if auc.value < 1 else pairs
    claim = (
        f"Given a liked and an ordinary picture it had not seen, the model scores the liked one higher "
        f"{pairs} times out of 100."
    )
    if auc.low <= 0.5:
        return f"{claim} With so few pictures, or sets so alike, that may be luck: it is not safely better than a coin toss."
    grades = ((0.95, "a sharp eye"), (0.85, "a good eye"), (0.7, "a fair eye"))
    grade = next((words for least, words in grades if auc.value >= least), "only a weak eye")
    return f"{claim} That is {grade} for your taste."


def _key_figures(figures: Figures, thresholds: Mapping[str, float]) -> list[tuple[str, str]]:
    accuracy = figures.accuracy
    return [
        (
            "Sorted rightly",
            f"{_known(accuracy.value, '.0%')}\n{_known(accuracy.low, '.0%')} to {_known(accuracy.high, '.0%')} "
            f"(95% interval), at {figures.threshold:.2f}",
        ),
        *(("Keep from score", f"{value:.2f}\n{threshold_words(name)}") for name, value in thresholds.items()),
        (
            "Scores are off by",
            f"{_known(figures.ece.value, '.3f')}\nby chance alone: up to {_known(figures.ece_bound, '.3f')}",
        ),
    ]


def _known(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "not known"


def _charts(
    scores: np.ndarray, labels: np.ndarray, figures: Figures, thresholds: Mapping[str, float]
) -> list[Section]:
    histograms = in_both_themes(lambda theme: score_histograms(scores, labels, thresholds, theme))
    roc = in_both_themes(lambda theme: roc_plot(scores, labels, figures, theme))
    calibration = in_both_themes(
        lambda theme: calibration_plot(scores, labels, figures.ece.value, figures.ece_bound, theme)
    )
    return [
        Section(
            "How the scores spread",
            "Liked pictures rise, ordinary ones hang; the less they share the same scores, the better. Keep what "
            "lies to the right of a line.",
            [(histograms, "")],
        ),
        Section(
            "What a stricter choice costs",
            "Each point of the curve is one threshold; the closer it comes to the top left corner, the better. "
            f"The dot is {figures.threshold:.2f}.",
            [(roc, "")],
            wide=False,
        ),
        Section(
            "Whether scores mean what they say",
            "Of the pictures scored 0.8, eight in ten should be liked ones; dots near the dotted line keep that "
            "promise. Larger dots stand for more pictures.",
            [(calibration, "")],
            wide=False,
        ),
    ]


def _examples(scores: np.ndarray, labels: np.ndarray, paths: Sequence[Path]) -> list[Section]:
    wanted: list[tuple[str, str, bool, Literal[1, -1]]] = [
        (
            "Liked, scored highest",
            "What the model takes for the heart of your taste; these should feel right.",
            True,
            -1,
        ),
        (
            "Ordinary, scored highest",
            "The most convincing mistakes: ordinary pictures the model would hand you. If some are lovely, "
            "they belong with the liked ones.",
            False,
            -1,
        ),
        (
            "Liked, scored lowest",
            "Liked pictures the model would throw away. If some do not fit the others, take them out; if they "
            "do, add more like them.",
            True,
            1,
        ),
        (
            "Ordinary, scored lowest",
            "What the model is surest to leave out; nothing here should be missed.",
            False,
            1,
        ),
    ]
    sections = []
    for title, text, liked, direction in wanted:
        members = np.flatnonzero(labels == liked)
        chosen = members[np.argsort(direction * scores[members], kind="stable")][:_EXAMPLES]
        if len(chosen):
            images = [_example(paths[i], float(scores[i])) for i in chosen]
            sections.append(Section(title, text, images, layout="thumbnails"))
    return sections


def _example(path: Path, score: float) -> tuple[Image.Image, str]:
    name = shown(Path(path).name)[1:-1]
    try:
        pixels = read_image(path)
    except ImageError as error:
        reason = getattr(error, "reason", "it cannot be read")
        return Image.new(
            "RGB", (_THUMBNAIL // 2,) * 2, _UNREADABLE
        ), f"{score:.2f}\n{name}\nNo picture: {reason}"
    picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return picture, f"{score:.2f}\n{name}"


__all__ = ["Headline", "Report", "Section", "Themed", "in_both_themes", "training_report", "write_report"]

"""Texts of reports about a model, shared by the HTML and the image report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .evaluation_plots import threshold_purpose
from .score_format import score_text

if TYPE_CHECKING:
    from ..metrics.summary import SummaryMetrics
    from ..utils.progress import History

HEADLINE_LABEL = "AUC on pictures it had not seen"
COIN_TOSS, NEVER_WRONG = "0.5 · a coin toss", "1 · never wrong"
WARNINGS = "Worth knowing"
SPREAD = (
    "How the scores spread",
    "Liked pictures rise, ordinary ones hang; the less they share the same scores, the better. Keep what "
    "lies to the right of a line.",
)
CALIBRATION = (
    "Whether scores mean what they say",
    "Of the pictures scored 0.8, eight in ten should be liked ones; dots near the dotted line keep that "
    "promise. Larger dots stand for more pictures.",
)
_CHOICE = (
    "Regularisation chosen by held-out loss",
    "Each point is one strength, tried on pictures held out of the fit. Too strong learns too little (left), too weak "
    "learns single pictures by heart (right); the marked one, of the lowest loss, was taken. The AUC of this curve "
    "only compares strengths.",
)
_STEPS = (
    "How the fit went",
    "One fit, watched on pictures held out of it: loss should fall and AUC should rise. Where they no longer do, more "
    "steps would not help. The AUC of this curve is of those few pictures only.",
)


@dataclass(frozen=True)
class Extremes:
    """Section of example pictures of one class from one end of the scores. `direction` -1: the highest scores first."""

    title: str
    text: str
    liked: bool
    direction: Literal[1, -1]

    def chosen(self, scores: NDArray[Any], labels: NDArray[Any], most: int) -> NDArray[np.intp]:
        """Positions of at most `most` pictures, the most extreme first. `labels` are true for liked ones."""
        members = np.flatnonzero(labels == self.liked)
        return members[np.argsort(self.direction * scores[members], kind="stable")][:most]


EXTREMES = (
    Extremes(
        "Liked, scored highest",
        "What the model takes for the heart of your taste; these should feel right.",
        True,
        -1,
    ),
    Extremes(
        "Ordinary, scored highest",
        "The most convincing mistakes: ordinary pictures the model would hand you. If some are lovely, "
        "they belong with the liked ones.",
        False,
        -1,
    ),
    Extremes(
        "Liked, scored lowest",
        "Liked pictures the model would throw away. If some do not fit the others, take them out; if they "
        "do, add more like them.",
        True,
        1,
    ),
    Extremes(
        "Ordinary, scored lowest",
        "What the model is surest to leave out; nothing here should be missed.",
        False,
        1,
    ),
)


def curve_text(history: History) -> tuple[str, str]:
    """Title and text of the section with the training curves."""
    return _CHOICE if history.choice else _STEPS


def strictness(metrics: SummaryMetrics) -> tuple[str, str]:
    """Title and text of the section with the ROC curve."""
    return (
        "What a stricter choice costs",
        "Each point of the curve is one threshold; the closer it comes to the top left corner, the better. "
        f"The dot is {score_text(metrics.threshold)}.",
    )


def lead(metrics: SummaryMetrics) -> str:
    """Summary of the AUC in a sentence or two."""
    auc = metrics.auc
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
    grade = next((name for least, name in grades if auc.value >= least), "only a weak eye")
    return f"{claim} That is {grade} for your taste."


def all_facts(
    metrics: SummaryMetrics, thresholds: Mapping[str, float], counts: Mapping[str, int] | None
) -> list[tuple[str, str]]:
    """Names and values of counts, accuracy, thresholds and calibration error.

    Of a value with several lines the first is prominent.
    """
    accuracy = metrics.accuracy
    return [
        *((name[:1].upper() + name[1:], f"{count:,}") for name, count in (counts or {}).items()),
        (
            "Sorted rightly",
            f"{_known(accuracy.value, '.0%')}\n{_known(accuracy.low, '.0%')} to {_known(accuracy.high, '.0%')} "
            f"(95% interval), at {score_text(metrics.threshold)}",
        ),
        *threshold_facts(thresholds),
        (
            "Scores are off by",
            f"{_known(metrics.ece.value, '.3f')}\nby chance alone: up to {_known(metrics.ece_bound, '.3f')}",
        ),
    ]


def threshold_facts(thresholds: Mapping[str, float]) -> list[tuple[str, str]]:
    """Name and value of each threshold, with its purpose on a second line."""
    return [
        ("Keep from score", f"{score_text(value)}\n{threshold_purpose(name)}")
        for name, value in thresholds.items()
    ]


def _known(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "not known"

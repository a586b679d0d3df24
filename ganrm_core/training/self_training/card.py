"""A refinement as one picture: what was gained, and which pictures of the pool it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ...reports.card_layout import (
    EXAMPLES,
    LEAD,
    PADDING,
    ROOM,
    TITLE,
    example_row,
    scaled_to,
    section,
    stacked,
    text_block,
    warning_box,
)
from ...reports.chart_style import NO_CHARTS, charts_available
from ...reports.messages import Extremes
from ...reports.training_curves import training_curves
from .messages import pool_line, round_lines, verdict
from .refinement import Refinement

_CURVE = (
    "Round by round",
    "Measured on liked and ordinary pictures held out of the fit, which the pool is never part of. The first point is "
    "the model as it was; a last point that is no better was not kept.",
)
_TOP = Extremes(
    "Taken as liked",
    "The pool's highest scores, and how much each counted: 1 is as much as a picture you chose. If these look wrong to "
    "you, set bottom only.",
    True,
    -1,
)
_BOTTOM = Extremes("Taken as ordinary", "The pool's lowest scores. Nothing here should be lovely.", False, 1)


def bootstrap_card(refinement: Refinement) -> Image.Image:
    """An RGB picture 1400 pixels wide, as high as needed, readable at half that size.

    Without matplotlib the curves are left out, and the card says so.
    """
    history = refinement.outcome.history
    curves = None
    if charts_available():
        curves = scaled_to(training_curves(history, size=(7.4, 2.7), metrics=False), ROOM - 2 * PADDING)
    parts = [
        _opening(refinement.model.name, verdict(refinement)),
        *([warning_box(refinement.warnings)] if refinement.warnings else []),
        section(_CURVE[0], _CURVE[1] if curves else NO_CHARTS, content=curves),
        section("In figures", "\n".join([*round_lines(refinement), pool_line(refinement)])),
    ]
    for kind, paths, labels in (
        (_TOP, refinement.picked("top"), _labels(refinement)),
        (_BOTTOM, refinement.picked("bottom"), [0.0] * EXAMPLES),
    ):
        if paths:
            parts.append(example_row(kind, _members(paths, labels)))
    return stacked(parts)


def _members(paths: Sequence[Path], labels: Sequence[float]) -> list[tuple[Path, float]]:
    return list(zip(paths[:EXAMPLES], labels[:EXAMPLES], strict=False))


def _labels(refinement: Refinement) -> list[float]:
    return [math.exp(-refinement.alpha * rank) for rank in range(EXAMPLES)]


def _opening(title: str, text: str) -> Image.Image:
    return stacked([text_block([(title, TITLE)], ROOM), text_block([(text, LEAD)], ROOM)], margin=0, gap=12)

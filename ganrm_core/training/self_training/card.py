"""A refinement as one picture: what was gained, and which pictures of the pool it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ...reports.canvas import PAGE, TEXT, paragraph_height, write_paragraph
from ...reports.chart_style import NO_CHARTS, charts_available
from ...reports.image_report import _PAD, _ROOM, _as_wide, _row, _section, _stacked, _warnings
from ...reports.messages import Extremes
from ...reports.training_curves import training_curves
from .messages import pool_line, round_lines, verdict
from .refinement import Refinement

_TITLE, _LEAD, _EXAMPLES = 52, 33, 6
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
        curves = _as_wide(training_curves(history, size=(7.4, 2.7), metrics=False), _ROOM - 2 * _PAD)
    parts = [
        _opening(refinement.model.name, verdict(refinement)),
        *([_warnings(refinement.warnings)] if refinement.warnings else []),
        _section(_CURVE[0], _CURVE[1] if curves else NO_CHARTS, _ROOM, curves),
        _section("In figures", "\n".join([*round_lines(refinement), pool_line(refinement)]), _ROOM),
    ]
    for kind, paths, labels in (
        (_TOP, refinement.picked("top"), _labels(refinement)),
        (_BOTTOM, refinement.picked("bottom"), [0.0] * _EXAMPLES),
    ):
        if paths:
            parts.append(_row(kind, _members(paths, labels)))
    return _stacked(parts)


def _members(paths: Sequence[Path], labels: Sequence[float]) -> list[tuple[Path, float]]:
    return list(zip(paths[:_EXAMPLES], labels[:_EXAMPLES], strict=False))


def _labels(refinement: Refinement) -> list[float]:
    return [math.exp(-refinement.alpha * rank) for rank in range(_EXAMPLES)]


def _opening(title: str, words: str) -> Image.Image:
    top = paragraph_height(title, _TITLE, _ROOM) + 12
    part = Image.new("RGB", (_ROOM, top + paragraph_height(words, _LEAD, _ROOM)), PAGE)
    draw = ImageDraw.Draw(part)
    write_paragraph(draw, (0, 0), title, _TITLE, TEXT, _ROOM)
    write_paragraph(draw, (0, top), words, _LEAD, TEXT, _ROOM)
    return part

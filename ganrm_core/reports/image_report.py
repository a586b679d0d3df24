"""A report as one picture: what a node that trained or evaluated a model hands on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from ..metrics.binary import Interval
from ..utils.files import shown
from ..utils.progress import History
from .canvas import (
    ACCENT,
    BADGE,
    CARD,
    PAGE,
    SOFT_TEXT,
    TEXT,
    Colour,
    line_height,
    name_lines,
    paragraph_height,
    rounded,
    write,
    write_paragraph,
)
from .chart_style import NO_CHARTS, charts_available
from .evaluation_plots import calibration_plot, roc_plot, score_histograms
from .html_report import thumbnail
from .messages import (
    CALIBRATION,
    COIN_TOSS,
    EXTREMES,
    HEADLINE_LABEL,
    NEVER_WRONG,
    SPREAD,
    WARNINGS,
    Extremes,
    all_facts,
    history_words,
    lead,
    strictness,
)
from .score_format import score_text
from .training_curves import has_curve, training_curves

if TYPE_CHECKING:
    from ..metrics.summary import SummaryMetrics

# Pixels. The card is shown at about half of them, so the smallest letters are 22.
_WIDTH, _MARGIN, _GAP, _PAD, _RADIUS = 1400, 40, 24, 32, 18
_ROOM = _WIDTH - 2 * _MARGIN
_SMALL, _NORMAL, _VALUE, _HEADING, _TITLE = 22, 25, 36, 34, 52
_EXAMPLES = 6
_SHOWN = EXTREMES[:3]  # what the model rightly leaves out anyway teaches least
_NOTICE: Colour = (47, 42, 28)
_NOTICE_LINE: Colour = (92, 77, 32)


def image_report(
    *,
    title: str,
    scores: ArrayLike,
    labels: ArrayLike,
    paths: Sequence[Path],
    metrics: SummaryMetrics,
    thresholds: Mapping[str, float],
    warnings: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    history: History | None = None,
    facts: Sequence[tuple[str, str]] = (),
) -> Image.Image:
    """An RGB picture 1400 pixels wide, as high as needed, readable at half that size.

    Arguments as in `report.training_report`; `history` is drawn where it holds two points or more. A
    picture that cannot be read any more keeps its place and says why. Without matplotlib the charts are
    left out, and the card says so.
    """
    value, positive = np.asarray(scores, float), np.asarray(labels) > 0.5
    if not len(value) == len(positive) == len(paths):
        raise ValueError(
            f"{len(value)} scores, {len(positive)} labels and {len(paths)} paths do not run parallel"
        )
    parts = [
        _opening(title, metrics),
        _facts([*all_facts(metrics, thresholds, counts), *facts]),
        *([_warnings(warnings)] if warnings else []),
        *(
            _charts(value, positive, metrics, thresholds, history)
            if charts_available()
            else [_section(NO_CHARTS, "", _ROOM)]
        ),
        *_examples(value, positive, paths),
    ]
    return _stacked(parts)


def _stacked(parts: Sequence[Image.Image]) -> Image.Image:
    height = sum(part.height for part in parts) + _GAP * (len(parts) - 1) + 2 * _MARGIN
    card = Image.new("RGB", (_WIDTH, height), PAGE)
    top = _MARGIN
    for part in parts:
        card.paste(part, (_MARGIN, top))
        top += part.height + _GAP
    return card


def _abreast(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (_ROOM, max(left.height, right.height)), PAGE)
    both.paste(left, (0, 0))
    both.paste(right, (_ROOM - right.width, 0))
    return both


def _opening(title: str, metrics: SummaryMetrics) -> Image.Image:
    """The title, the one figure to remember, and what it means."""
    left_room, gap = 440, 64
    words, lead_size = lead(metrics), 33
    lead_room = _ROOM - left_room - gap
    title_height = paragraph_height(title, _TITLE, _ROOM) + 12 if title.strip() else 0
    lead_height = paragraph_height(words, lead_size, lead_room)
    figure_height = 300
    part = Image.new("RGB", (_ROOM, title_height + max(figure_height, lead_height)), PAGE)
    draw = ImageDraw.Draw(part)
    if title_height:
        write_paragraph(draw, (0, 0), title, _TITLE, TEXT, _ROOM)
    _draw_figure(part, draw, title_height, left_room, metrics.auc)
    top = title_height + max(0, (figure_height - lead_height) // 2)
    write_paragraph(draw, (left_room + gap, top), words, lead_size, TEXT, lead_room)
    return part


def _draw_figure(part: Image.Image, draw: ImageDraw.ImageDraw, top: int, room: int, figure: Interval) -> None:
    known = math.isfinite(figure.value)
    with_interval = known and math.isfinite(figure.low) and math.isfinite(figure.high)
    write(draw, (0, top + 14), HEADLINE_LABEL, _NORMAL, SOFT_TEXT, room)
    number, size = (f"{figure.value:.3f}", 128) if known else ("not known", 72)
    write(draw, (0, top + 160), number, size, TEXT, room, anchor="ls", bold=True)
    if not with_interval:
        return
    note = f"95% interval: {figure.low:.3f} to {figure.high:.3f}"
    write(draw, (0, top + 182), note, _NORMAL, SOFT_TEXT, room)
    # From a coin toss to never wrong.
    low, value, high = (
        round(room * min(1.0, max(0.0, 2 * end - 1))) for end in (figure.low, figure.value, figure.high)
    )
    middle, dot = top + 242, 13
    rounded(part, (0, middle - 5, room, middle + 5), 5, BADGE)
    rounded(part, (low, middle - 5, max(high, low + 10), middle + 5), 5, (150, 118, 48))
    value = min(room - dot, max(dot, value))
    rounded(part, (value - dot, middle - dot, value + dot, middle + dot), dot, ACCENT, PAGE, 3)
    write(draw, (0, middle + 20), COIN_TOSS, _SMALL, SOFT_TEXT, room // 2)
    write(draw, (room, middle + 20), NEVER_WRONG, _SMALL, SOFT_TEXT, room // 2, anchor="ra")


def _facts(facts: Sequence[tuple[str, str]]) -> Image.Image:
    """Names over values; of a value with several lines the first is large."""
    # Four columns, unless that leaves the last one alone in its row.
    columns = 3 if len(facts) % 4 == 1 and len(facts) % 3 != 1 else 4
    room = (_ROOM - (columns - 1) * _PAD) // columns
    cells = [_fact(name, value, room) for name, value in facts]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    part = Image.new("RGB", (_ROOM, sum(heights) + (len(rows) - 1) * _GAP + 2 * _GAP), PAGE)
    part.paste(BADGE, (0, 0, _ROOM, 2))
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            part.paste(cell, (column * (room + _PAD), top))
        top += height + _GAP
    return part


def _fact(name: str, value: str, room: int) -> Image.Image:
    first, *rest = value.split("\n")
    lines = [(name, _SMALL, SOFT_TEXT), (first, _VALUE, TEXT), *((line, _SMALL, SOFT_TEXT) for line in rest)]
    cell = Image.new("RGB", (room, sum(paragraph_height(text, size, room) for text, size, _ in lines)), PAGE)
    draw, top = ImageDraw.Draw(cell), 0
    for text, size, colour in lines:
        top += write_paragraph(draw, (0, top), text, size, colour, room)
    return cell


def _warnings(warnings: Sequence[str]) -> Image.Image:
    room, indent, gap = _ROOM - 2 * _PAD, 26, 10
    heights = [paragraph_height(warning, _NORMAL, room - indent) for warning in warnings]
    heading = line_height(_HEADING) + 6
    height = 2 * _PAD + heading + sum(heights) + gap * (len(heights) - 1)
    part = Image.new("RGB", (_ROOM, height), PAGE)
    rounded(part, (0, 0, _ROOM, height), _RADIUS, _NOTICE, _NOTICE_LINE, 2)
    draw, top = ImageDraw.Draw(part), _PAD - 4
    write(draw, (_PAD, top), WARNINGS, _HEADING, TEXT, room)
    top += heading
    for warning, taken in zip(warnings, heights, strict=True):
        dot = top + round(0.62 * _NORMAL)
        rounded(part, (_PAD, dot - 5, _PAD + 10, dot + 5), 5, ACCENT)
        write_paragraph(draw, (_PAD + indent, top), warning, _NORMAL, TEXT, room - indent)
        top += taken + gap
    return part


def _section(
    title: str, text: str, width: int, content: Image.Image | None = None, head: int | None = None
) -> Image.Image:
    """A heading, how to read what is below, and that. `head` is the height of the words, if given."""
    room = width - 2 * _PAD
    words = _head_height(title, text, width) if head is None else head
    height = 2 * _PAD + words + (content.height + 16 if content else 0)
    part = Image.new("RGB", (width, height), PAGE)
    rounded(part, (0, 0, width, height), _RADIUS, CARD)
    draw = ImageDraw.Draw(part)
    top = _PAD - 4
    top += write_paragraph(draw, (_PAD, top), title, _HEADING, TEXT, room) + 4
    if text:
        write_paragraph(draw, (_PAD, top), text, _NORMAL, SOFT_TEXT, room)
    if content:
        part.paste(content, (_PAD, _PAD + words + 16))
    return part


def _head_height(title: str, text: str, width: int) -> int:
    room = width - 2 * _PAD
    return paragraph_height(title, _HEADING, room) + (paragraph_height(text, _NORMAL, room) if text else 0)


def _charts(
    scores: NDArray[Any],
    labels: NDArray[Any],
    metrics: SummaryMetrics,
    thresholds: Mapping[str, float],
    history: History | None,
) -> Iterator[Image.Image]:
    if len(scores):
        histograms = score_histograms(scores, labels, thresholds, size=(7.4, 3.4))
        yield _section(*SPREAD, _ROOM, _as_wide(histograms, _ROOM - 2 * _PAD))
        half = (_ROOM - _GAP) // 2
        size = (3.65, 3.5)
        roc = roc_plot(scores, labels, metrics, size=size)
        calibration = calibration_plot(scores, labels, metrics.ece.value, metrics.ece_bound, size=size)
        pair = [(strictness(metrics), roc), (CALIBRATION, calibration)]
        head = max(_head_height(*words, half) for words, _ in pair)
        left, right = (_section(*words, half, _as_wide(plot, half - 2 * _PAD), head) for words, plot in pair)
        yield _abreast(left, right)
    if history is not None and has_curve(history):
        curves = training_curves(history, size=(7.4, 2.7), metrics=False)
        yield _section(*history_words(history), _ROOM, _as_wide(curves, _ROOM - 2 * _PAD))


def _as_wide(plot: Image.Image, width: int) -> Image.Image:
    return plot.resize((width, round(plot.height * width / plot.width)), Image.Resampling.LANCZOS)


def _examples(scores: NDArray[Any], labels: NDArray[Any], paths: Sequence[Path]) -> Iterator[Image.Image]:
    for kind in _SHOWN:
        chosen = kind.chosen(scores, labels, _EXAMPLES)
        if len(chosen):
            yield _row(kind, [(paths[i], float(scores[i])) for i in chosen])


def _row(kind: Extremes, members: Sequence[tuple[Path, float]]) -> Image.Image:
    gap = 16
    side = (_ROOM - 2 * _PAD - (_EXAMPLES - 1) * gap) // _EXAMPLES
    names = [name_lines(shown(Path(path).name)[1:-1], _SMALL, side) for path, _ in members]
    below = side + 12 + line_height(30)
    row = Image.new("RGB", (_ROOM - 2 * _PAD, below + max(map(len, names)) * line_height(_SMALL)), CARD)
    draw = ImageDraw.Draw(row)
    for column, (path, score) in enumerate(members):
        left = column * (side + gap)
        rounded(row, (left, 0, left + side, side), 10, PAGE)
        picture = thumbnail(path, side)
        if isinstance(picture, Image.Image):
            row.paste(picture, (left + (side - picture.width) // 2, (side - picture.height) // 2))
        else:
            write_paragraph(draw, (left + 12, 12), f"No picture: {picture}", _SMALL, SOFT_TEXT, side - 24)
        write(draw, (left, side + 12), score_text(score), 30, TEXT, side)
        for number, line in enumerate(names[column]):
            write(draw, (left, below + number * line_height(_SMALL)), line, _SMALL, SOFT_TEXT, side)
    return _section(kind.title, kind.text, _ROOM, row)

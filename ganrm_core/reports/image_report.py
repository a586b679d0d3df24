"""Image report: one tall picture with a model's metrics, charts and example pictures, for an image socket."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from PIL import Image, ImageDraw

from ..metrics.binary import Interval
from ..metrics.summary import SummaryMetrics
from .canvas import PAGE, TEXT, TextStyle, interval_bar, paragraph_height, write, write_paragraph
from .card_layout import (
    EXAMPLES,
    GAP,
    LEAD,
    PADDING,
    ROOM,
    SMALL,
    SOFT,
    TITLE,
    VALUE,
    abreast,
    block_grid,
    example_row,
    head_height,
    scaled_to,
    section,
    stacked,
    text_block,
    warning_box,
)
from .chart_style import NO_CHARTS, charts_available
from .evaluation_plots import calibration_plot, roc_plot, score_histograms
from .messages import (
    CALIBRATION,
    COIN_TOSS,
    EXTREMES,
    HEADLINE_LABEL,
    NEVER_WRONG,
    SPREAD,
    all_facts,
    curve_text,
    lead,
    strictness,
)
from .report_data import ReportData
from .training_curves import has_curve, training_curves

_SHOWN = EXTREMES[:3]  # the last, ordinary pictures that are left out anyway, teaches least


def image_report(data: ReportData) -> Image.Image:
    """RGB picture 1400 pixels wide, as high as needed, readable at half that size.

    `data.history` is drawn where it holds two points or more. A picture that cannot be read any more keeps its
    place and says why. Without matplotlib the charts are left out, and the card says so.
    """
    parts = [
        _opening(data.title, data.metrics),
        _facts([*all_facts(data.metrics, data.thresholds, data.counts), *data.facts]),
        *([warning_box(data.warnings)] if data.warnings else []),
        *(_charts(data) if charts_available() else [section(NO_CHARTS, "")]),
    ]
    for kind in _SHOWN:
        if members := data.examples(kind, EXAMPLES):
            parts.append(example_row(kind, members))
    return stacked(parts)


def _opening(title: str, metrics: SummaryMetrics) -> Image.Image:
    """Title, AUC and what it means."""
    left_room, gap, figure_height = 440, 64, 300
    text, lead_room = lead(metrics), ROOM - left_room - gap
    title_height = paragraph_height(title, TITLE.size, ROOM) + 12 if title.strip() else 0
    lead_height = paragraph_height(text, LEAD.size, lead_room)
    part = Image.new("RGB", (ROOM, title_height + max(figure_height, lead_height)), PAGE)
    draw = ImageDraw.Draw(part)
    if title_height:
        write_paragraph(draw, (0, 0), title, TITLE, ROOM)
    _draw_auc(part, title_height, left_room, metrics.auc)
    top = title_height + max(0, (figure_height - lead_height) // 2)
    write_paragraph(draw, (left_room + gap, top), text, LEAD, lead_room)
    return part


def _draw_auc(part: Image.Image, top: int, room: int, auc: Interval) -> None:
    """AUC in large digits, its interval in words and on a scale from a coin toss to never wrong."""
    draw, known = ImageDraw.Draw(part), math.isfinite(auc.value)
    write(draw, (0, top + 14), HEADLINE_LABEL, SOFT, room)
    number, size = (f"{auc.value:.3f}", 128) if known else ("not known", 72)
    write(draw, (0, top + 160), number, TextStyle(size, TEXT, bold=True, anchor="ls"), room)
    if not (known and math.isfinite(auc.low) and math.isfinite(auc.high)):
        return
    write(draw, (0, top + 182), f"95% interval: {auc.low:.3f} to {auc.high:.3f}", SOFT, room)
    middle = top + 242
    shares = (2 * auc.low - 1, 2 * auc.value - 1, 2 * auc.high - 1)
    interval_bar(part, (0, middle - 5, room, middle + 5), shares, 13, 3)
    write(draw, (0, middle + 20), COIN_TOSS, SMALL, room // 2)
    write(draw, (room, middle + 20), NEVER_WRONG, replace(SMALL, anchor="ra"), room // 2)


def _facts(facts: Sequence[tuple[str, str]]) -> Image.Image:
    """Names over values; of a value with several lines the first is large."""
    # Four columns, unless that leaves the last one alone in its row.
    columns = 3 if len(facts) % 4 == 1 and len(facts) % 3 != 1 else 4
    room = (ROOM - (columns - 1) * PADDING) // columns
    blocks = []
    for name, value in facts:
        first, *rest = value.split("\n")
        blocks.append(text_block([(name, SMALL), (first, VALUE), *((line, SMALL) for line in rest)], room))
    return block_grid(blocks, ROOM, (PADDING, GAP), top=GAP, bottom=GAP)


def _charts(data: ReportData) -> Iterator[Image.Image]:
    scores, liked, metrics = data.values, data.liked, data.metrics
    room = ROOM - 2 * PADDING
    if len(scores):
        histograms = score_histograms(scores, liked, data.thresholds, size=(7.4, 3.4))
        yield section(*SPREAD, content=scaled_to(histograms, room))
        half = (ROOM - GAP) // 2
        size = (3.65, 3.5)
        roc = roc_plot(scores, liked, metrics, size=size)
        calibration = calibration_plot(scores, liked, metrics.ece.value, metrics.ece_bound, size=size)
        pair = [(strictness(metrics), roc), (CALIBRATION, calibration)]
        head = max(head_height(*texts, half) for texts, _ in pair)
        left, right = (
            section(*texts, half, scaled_to(plot, half - 2 * PADDING), head) for texts, plot in pair
        )
        yield abreast(left, right)
    if data.history is not None and has_curve(data.history):
        curves = training_curves(data.history, size=(7.4, 2.7), metrics=False)
        yield section(*curve_text(data.history), content=scaled_to(curves, room))

"""Picture of a training on groups, while it runs and at its end: the same seeds before and now, and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..reports.canvas import (
    CARD,
    SOFT_TEXT,
    TEXT,
    WARNING,
    TextStyle,
    paragraph_height,
    write,
    write_paragraph,
)
from ..reports.chart_style import NO_CHARTS, charts_available
from ..reports.live_preview import Stage, draw_stage
from .picture_rows import GAP, MARGIN, WIDTH, draw_row, row_height
from .trainer import TrainingTrace
from .training_chart import held_out_points, training_chart

# Pixels at a card's usual width.
_HEAD, _CHART = 78, 250
_TITLE, _TEXT, _SMALL = 30, 24, 21

_LEGEND = (
    "Held-out error: how well the model still makes good pictures that it did not learn from. 100% is before training; "
    "far above, it has learned its pictures by heart."
)


@dataclass(frozen=True)
class TrainingView:
    """What there is to see of a training of `steps` steps.

    `before`, `after`: pictures of the same prompts and seeds before training and after step `after_step`; either may be
    empty, `after` while there is none yet.
    """

    trace: TrainingTrace
    steps: int
    before: Sequence[Image.Image] = ()
    after: Sequence[Image.Image] = ()
    after_step: int = 0


def training_body(view: TrainingView, width: int = WIDTH) -> Image.Image:
    """RGB picture `width` pixels wide: pictures before and after, and the curves."""
    scale = width / WIDTH
    rows = 2 * row_height(view.before, width) if view.before else 0
    body = Image.new("RGB", (width, rows + round((_CHART + GAP) * scale)), CARD)
    top = 0
    if view.before:
        now = f"after {view.after_step} steps" if view.after else "after training"
        for label, pictures in (("before training", view.before), (now, view.after)):
            top = draw_row(body, label, pictures, view.before, top)
    _draw_chart(body, view, top, round(_CHART * scale))
    return body


def live_training_card(body: Image.Image, stage: Stage) -> Image.Image:
    """`body` below the present stage and the time left: the node's preview."""
    scale = body.width / WIDTH
    top = round(18 * scale)
    card = _framed(body, top + round(_HEAD * scale))
    draw_stage(card, top, round(MARGIN * scale), scale, stage)
    return card


def training_report_card(
    view: TrainingView, title: str, sentence: str, *, warning: bool, width: int = 2 * WIDTH
) -> Image.Image:
    """RGB card `width` pixels wide with what came of the training in a sentence, pictures, curves and their legend."""
    scale = width / WIDTH
    margin, small = round(MARGIN * scale), round(_SMALL * scale)
    room, text, line = width - 2 * margin, round(_TEXT * scale), round(1.5 * _TITLE * scale)
    head = margin + line + paragraph_height(sentence, text, room) + margin // 2
    legend = _LEGEND if held_out_points(view.trace) else ""
    foot = paragraph_height(legend, small, room) + margin if legend else 0
    card = _framed(training_body(view, width), head, foot)
    draw = ImageDraw.Draw(card)
    write(draw, (margin, margin), title, TextStyle(round(_TITLE * scale), TEXT), room)
    style = TextStyle(text, WARNING if warning else SOFT_TEXT)
    write_paragraph(draw, (margin, margin + line), sentence, style, room)
    if legend:
        write_paragraph(draw, (margin, card.height - foot), legend, TextStyle(small, SOFT_TEXT), room)
    return card


def _framed(body: Image.Image, head: int, foot: int = 0) -> Image.Image:
    """`body` between an empty head and foot of so many pixels."""
    card = Image.new("RGB", (body.width, head + body.height + foot), CARD)
    card.paste(body, (0, head))
    return card


def _draw_chart(card: Image.Image, view: TrainingView, top: int, height: int) -> None:
    scale = card.width / WIDTH
    if len(view.trace.steps) < 2:
        return
    if not charts_available():
        style = TextStyle(round(_SMALL * scale), SOFT_TEXT)
        margin = round(MARGIN * scale)
        write(ImageDraw.Draw(card), (margin, top), NO_CHARTS, style, card.width - 2 * margin)
        return
    # Letters of charts have a fixed size in points: 20 pixels at this resolution.
    dpi = 144 * scale
    chart = training_chart(view.trace, view.steps, (card.width / dpi, height / dpi), dpi)
    card.paste(chart, (0, top))

"""Picture of a training on groups, while it runs and at its end: the same seeds before and now, and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..reports.canvas import CARD, SOFT_TEXT, TextStyle, write
from ..reports.chart_style import NO_CHARTS, charts_available
from ..reports.live_preview import Stage
from .card_frame import live_card, report_card
from .picture_rows import GAP, MARGIN, SMALL, WIDTH, draw_rows, rows_height
from .trainer import TrainingTrace
from .training_chart import held_out_points, training_chart

_CHART = 250
"""Height in pixels at a card's usual width."""

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
    rows = rows_height(view.before, width)
    body = Image.new("RGB", (width, rows + round((_CHART + GAP) * scale)), CARD)
    top = draw_rows(body, view.before, view.after, f"{view.after_step} steps", 0)
    _draw_chart(body, view, top, round(_CHART * scale))
    return body


def live_training_card(body: Image.Image, stage: Stage) -> Image.Image:
    """`body` below the present stage and the time left: the node's preview."""
    return live_card(body, stage)


def training_report_card(
    view: TrainingView, title: str, sentence: str, *, warning: bool, width: int = 2 * WIDTH
) -> Image.Image:
    """RGB card `width` pixels wide with what came of the training in a sentence, pictures, curves and their legend."""
    legend = _LEGEND if held_out_points(view.trace) else ""
    return report_card(training_body(view, width), title, sentence, legend, warning=warning)


def _draw_chart(card: Image.Image, view: TrainingView, top: int, height: int) -> None:
    scale = card.width / WIDTH
    if len(view.trace.steps) < 2:
        return
    if not charts_available():
        style = TextStyle(round(SMALL * scale), SOFT_TEXT)
        margin = round(MARGIN * scale)
        write(ImageDraw.Draw(card), (margin, top), NO_CHARTS, style, card.width - 2 * margin)
        return
    # Letters of charts have a fixed size in points: 20 pixels at this resolution.
    dpi = 144 * scale
    chart = training_chart(view.trace, view.steps, (card.width / dpi, height / dpi), dpi)
    card.paste(chart, (0, top))

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
from .round_limits import LIMITS
from .sign_plots import Counted, draw_plots, plots_height
from .training_chart import held_out_points, training_chart
from .training_trace import TrainingTrace

_CHART = 250
"""Height in pixels at a card's usual width."""

_LEGEND = (
    "Held-out error: how well the model still makes good pictures that it did not learn from. 100% is before training; "
    "far above, it has learned its pictures by heart."
)
_WATCH_LEGEND = (
    "The small plots are about the same seeds: 100% and 0 are as before training. Gold marks the step that is kept. Beyond the "
    "dashed line the pictures may please your taste by cheating; much farther, training ends by itself. In numbers with a sign, "
    "1 is how much pictures of one prompt usually differ."
)
STEPS = Counted("step", "kept", jumps=False)


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
    """RGB picture `width` pixels wide: pictures before and after, the curves, and the plots of the watch where it looks."""
    scale, looks = width / WIDTH, view.trace.looks
    rows, chart = rows_height(view.before, width), round((_CHART + GAP) * scale)
    body = Image.new("RGB", (width, rows + chart + plots_height(looks, width, STEPS)), CARD)
    passed = "" if view.trace.stopped_by and not view.after_step else f"{view.after_step} steps"
    top = draw_rows(body, view.before, view.after, passed, 0)
    _draw_chart(body, view, top, round(_CHART * scale))
    draw_plots(body, view.trace, view.steps, LIMITS, top + chart, STEPS)
    return body


def live_training_card(body: Image.Image, stage: Stage) -> Image.Image:
    """`body` below the present stage and the time left: the node's preview."""
    return live_card(body, stage)


def training_report_card(
    view: TrainingView, title: str, sentence: str, *, warning: bool, width: int = 2 * WIDTH
) -> Image.Image:
    """RGB card `width` pixels wide with what came of the training in a sentence, pictures, curves and their legend."""
    legends = [_LEGEND if held_out_points(view.trace) else "", _WATCH_LEGEND if view.trace.looks else ""]
    legend = " ".join(filter(None, legends))
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

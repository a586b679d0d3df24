"""Picture of a training in rounds, while it runs and at its end: the same seeds before and now, and the watch's plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from ..reports.canvas import CARD
from ..reports.live_preview import Stage
from .card_frame import live_card, report_card
from .picture_rows import GAP, WIDTH, draw_rows, rows_height
from .round_limits import LIMITS, Limit, Sign
from .rounds import RoundsTrace
from .sign_plots import draw_plots, plots_height, shown_signs

_LEGEND = (
    "Every plot is about the same seeds: 100% and 0 are as before training. Gold marks the best round, which is kept. Beyond "
    "the dashed line the pictures may please your taste by cheating; much farther, training ends by itself. In numbers with a "
    "sign, 1 is how much pictures of one prompt usually differ."
)
_LEAD_LEGEND = "For the newest taste, 0 is as good as the liked pictures."


@dataclass(frozen=True)
class RoundsView:
    """What there is to see of a training of `rounds` rounds.

    `before`, `now`: pictures of the same prompts and seeds before training and after `now_rounds` rounds; either may be
    empty, `now` while there is none yet.
    """

    trace: RoundsTrace
    rounds: int
    limits: Mapping[Sign, Limit] = field(default_factory=lambda: LIMITS)
    before: Sequence[Image.Image] = ()
    now: Sequence[Image.Image] = ()
    now_rounds: int = 0


def rounds_body(view: RoundsView, width: int = WIDTH) -> Image.Image:
    """RGB picture `width` pixels wide: pictures before and now, and the plots."""
    pictures, plots = rows_height(view.before, width), plots_height(view.trace.looks, width)
    body = Image.new("RGB", (width, pictures + plots + round(GAP * width / WIDTH)), CARD)
    top = draw_rows(body, view.before, view.now, _passed(view.now_rounds), 0)
    draw_plots(body, view.trace, view.rounds, view.limits, top)
    return body


def live_rounds_card(body: Image.Image, stage: Stage) -> Image.Image:
    """`body` below the present stage and the time left: the node's preview."""
    return live_card(body, stage)


def rounds_report_card(
    view: RoundsView, title: str, sentence: str, *, warning: bool, width: int = 2 * WIDTH
) -> Image.Image:
    """RGB card `width` pixels wide with what came of the training in a sentence, pictures, plots and their legend."""
    signs = shown_signs(view.trace.looks)
    legend = " ".join([_LEGEND, *([_LEAD_LEGEND] if "lead" in signs else [])]) if signs else ""
    return report_card(rounds_body(view, width), title, sentence, legend, warning=warning)


def _passed(rounds: int) -> str:
    if not rounds:  # nothing was better than before training
        return ""
    return "1 round" if rounds == 1 else f"{rounds} rounds"

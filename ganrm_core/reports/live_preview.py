"""The card that a node shows while it trains: what is going on, how far it is, and the curves so far."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..utils.progress import History
from .canvas import ACCENT, CARD, SOFT_TEXT, TEXT, progress_bar, text_width, write
from .chart_style import DARK, NO_CHARTS, charts_available
from .training_curves import has_curve, last_figures, training_curves

_WIDTH, _HEIGHT = 640, 400  # the size that the lengths below are meant for


@dataclass(frozen=True)
class Stage:
    """What is going on, in words, and how far it is.

    `done` of `total` units are finished (`total` 0 means unknown); `share` of all the work is done, by default that of
    this stage. `left` are words on the time that is left. `stopped` says, such as "Cancelled", that nothing more comes.
    """

    words: str
    done: int
    total: int
    share: float | None = None
    left: str = ""
    stopped: str = ""

    def heading(self) -> tuple[str, str]:
        """What stands large, and beside it."""
        words, count = self.words[:1].upper() + self.words[1:], self._count()
        if not self.stopped:
            return words, count
        return self.stopped, ", ".join(filter(None, (self.words and f"while {self.words}", count)))

    def part_done(self) -> float:
        if self.share is not None:
            return self.share
        return self.done / self.total if self.total > 0 else 0.0

    def _count(self) -> str:
        if self.total > 0:
            return f"{self.done:,} of {self.total:,}"
        return f"{self.done:,} so far" if self.done else ""


def live_preview(history: History | None, stage: Stage, *, size: tuple[int, int] = (640, 400)) -> Image.Image:
    """An RGB card of `size` pixels, at least 160 × 100; readable down to 400 pixels of width.

    Once `history` holds two points, its curves are drawn; without matplotlib its last figures are written. Any
    thread may draw.
    """
    width, height = max(160, size[0]), max(100, size[1])
    scale = min(width / _WIDTH, height / _HEIGHT)
    card = Image.new("RGB", (width, height), CARD)
    margin = round(24 * scale)
    head = round(78 * scale)
    if history is None or not (history.loss or history.auc):
        _draw_stage(card, (height - head) // 2, margin, scale, stage)
        return card
    if not has_curve(history) or not charts_available():
        top = (height - round(170 * scale)) // 2
        _draw_stage(card, top, margin, scale, stage)
        _draw_figures(card, top + head + margin, margin, scale, history)
        return card
    top = round(18 * scale)
    _draw_stage(card, top, margin, scale, stage)
    below = top + head
    # The sizes of letters are fixed in points: at this resolution they come to 18 pixels at full size.
    dpi = 128 * scale
    curves = training_curves(history, size=(width / dpi, (height - below) / dpi), dpi=dpi, theme=DARK)
    card.paste(curves, (0, below))
    return card


def _draw_stage(card: Image.Image, top: int, margin: int, scale: float, stage: Stage) -> None:
    """One line, what is going on on the left and the time left on the right, over a bar."""
    draw = ImageDraw.Draw(card)
    right, base = card.width - margin, top + round(28 * scale)
    words, beside = stage.heading()
    small, large, gap = round(21 * scale), round(27 * scale), round(14 * scale)
    taken = text_width(stage.left, small) + gap if stage.left else 0
    room = right - margin - taken
    x = margin + write(draw, (margin, base), words, large, TEXT, room, anchor="ls") + gap
    if beside:
        write(draw, (x, base), beside, small, SOFT_TEXT, right - taken - x, anchor="ls")
    if stage.left:
        write(draw, (right, base), stage.left, small, TEXT, right - margin, anchor="rs")
    bar = (margin, top + round(46 * scale), right, top + round(60 * scale))
    progress_bar(card, bar, stage.part_done(), fill=SOFT_TEXT if stage.stopped else ACCENT)


def _draw_figures(card: Image.Image, top: int, margin: int, scale: float, history: History) -> None:
    draw = ImageDraw.Draw(card)
    x, base = float(margin), top + round(30 * scale)
    for name, value in last_figures(history):
        room = card.width - margin - x
        x += write(draw, (x, base), name, round(21 * scale), SOFT_TEXT, room, anchor="ls") + 10 * scale
        room = card.width - margin - x
        x += write(draw, (x, base), value, round(30 * scale), TEXT, room, anchor="ls") + margin
    if has_curve(history):
        place = (margin, base + round(44 * scale))
        write(draw, place, NO_CHARTS, round(19 * scale), SOFT_TEXT, card.width - 2 * margin, anchor="ls")

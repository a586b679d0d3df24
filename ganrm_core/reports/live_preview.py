"""Live training preview of a node: current stage, progress bar, time left and the curves so far."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..utils.progress import History
from .canvas import ACCENT, CARD, SOFT_TEXT, TEXT, TextStyle, progress_bar, text_width, write
from .chart_style import DARK, NO_CHARTS, charts_available
from .training_curves import has_curve, last_values, training_curves

_WIDTH, _HEIGHT = 640, 400  # lengths below are pixels at this size


@dataclass(frozen=True)
class Stage:
    """Current stage of a training, called `name`.

    `done` of `total` units are finished (`total` 0: unknown); `share` (0–1) of all the work is done, by default that of
    this stage. `left` is the time left as text. `stopped`, such as "Cancelled", says why nothing more comes.
    """

    name: str
    done: int
    total: int
    share: float | None = None
    left: str = ""
    stopped: str = ""

    def heading(self) -> tuple[str, str]:
        """The text in large letters, and the text beside it."""
        count = self._count()
        if not self.stopped:
            return self.name[:1].upper() + self.name[1:], count
        return self.stopped, ", ".join(filter(None, (self.name and f"while {self.name}", count)))

    def part_done(self) -> float:
        """Share of the work that is done, 0–1."""
        if self.share is not None:
            return self.share
        return self.done / self.total if self.total > 0 else 0.0

    def _count(self) -> str:
        if self.total > 0:
            return f"{self.done:,} of {self.total:,}"
        return f"{self.done:,} so far" if self.done else ""


def live_preview(history: History | None, stage: Stage, *, size: tuple[int, int] = (640, 400)) -> Image.Image:
    """RGB card of `size` pixels, at least 160 × 100; readable down to a width of 400 pixels.

    Once `history` holds two points, its curves are drawn; without matplotlib its last values are written.
    Thread-safe.
    """
    width, height = max(160, size[0]), max(100, size[1])
    scale = min(width / _WIDTH, height / _HEIGHT)
    card = Image.new("RGB", (width, height), CARD)
    margin = round(24 * scale)
    head = round(78 * scale)
    if history is None or not (history.loss or history.auc):
        draw_stage(card, (height - head) // 2, margin, scale, stage)
        return card
    if not has_curve(history) or not charts_available():
        top = (height - round(170 * scale)) // 2
        draw_stage(card, top, margin, scale, stage)
        _draw_values(card, top + head + margin, margin, scale, history)
        return card
    top = round(18 * scale)
    draw_stage(card, top, margin, scale, stage)
    below = top + head
    # Letters of charts have a fixed size in points: 18 pixels at this resolution.
    dpi = 128 * scale
    curves = training_curves(history, size=(width / dpi, (height - below) / dpi), dpi=dpi, theme=DARK)
    card.paste(curves, (0, below))
    return card


def draw_stage(card: Image.Image, top: int, margin: int, scale: float, stage: Stage) -> None:
    """Stage on the left and time left on the right, above the progress bar."""
    draw = ImageDraw.Draw(card)
    right, base = card.width - margin, top + round(28 * scale)
    heading, beside = stage.heading()
    small, large, gap = round(21 * scale), round(27 * scale), round(14 * scale)
    taken = text_width(stage.left, small) + gap if stage.left else 0
    room = right - margin - taken
    x = margin + write(draw, (margin, base), heading, TextStyle(large, TEXT, anchor="ls"), room) + gap
    if beside:
        write(draw, (x, base), beside, TextStyle(small, SOFT_TEXT, anchor="ls"), right - taken - x)
    if stage.left:
        write(draw, (right, base), stage.left, TextStyle(small, TEXT, anchor="rs"), right - margin)
    bar = (margin, top + round(46 * scale), right, top + round(60 * scale))
    progress_bar(card, bar, stage.part_done(), fill=SOFT_TEXT if stage.stopped else ACCENT)


def _draw_values(card: Image.Image, top: int, margin: int, scale: float, history: History) -> None:
    draw = ImageDraw.Draw(card)
    x, base = float(margin), top + round(30 * scale)
    name_style = TextStyle(round(21 * scale), SOFT_TEXT, anchor="ls")
    value_style = TextStyle(round(30 * scale), TEXT, anchor="ls")
    for name, value in last_values(history):
        x += write(draw, (x, base), name, name_style, card.width - margin - x) + 10 * scale
        x += write(draw, (x, base), value, value_style, card.width - margin - x) + margin
    if has_curve(history):
        style = TextStyle(round(19 * scale), SOFT_TEXT, anchor="ls")
        write(draw, (margin, base + round(44 * scale)), NO_CHARTS, style, card.width - 2 * margin)

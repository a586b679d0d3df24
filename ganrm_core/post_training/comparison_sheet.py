"""Picture report of a comparison: the verdict, its figures, and pairs of pictures before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from ..metrics.binary import Interval
from ..reports.canvas import (
    ACCENT,
    CARD,
    PAGE,
    SOFT_TEXT,
    TEXT,
    WARNING,
    TextStyle,
    digits_base,
    fitted,
    paragraph_height,
    rounded,
    text_width,
    write,
    write_paragraph,
)
from ..reports.score_format import score_text
from ..reports.tile_lengths import BORDER, GAP, RADIUS, TileLengths
from .comparison import GOOD_DIVERSITY, GOOD_PROMPT_KEPT, Change, Comparison, Verdict, signed

_VERDICT, _FIGURE, _SMALL = 15, 13, 11
_PAIRS_PER_ROW = 2
_BAR = 3


@dataclass(frozen=True)
class ComparedPair:
    """Pictures of one prompt and seed with their scores. `gain` is the change of the logit: above 0 after won."""

    before: Image.Image
    after: Image.Image
    scores: tuple[float, float]
    gain: float
    prompt: str


@dataclass(frozen=True)
class Figure:
    """One line of the report: what it is, its value, what to hold it against, and whether it is a bad sign."""

    name: str
    value: str
    note: str = ""
    bad: bool = False


def figures(comparison: Comparison) -> list[Figure]:
    """The figures of a comparison as an artist reads them."""
    wins = comparison.wins
    found = [
        Figure(
            "Wins", _percent(wins.value), f"{_percent(wins.low)} to {_percent(wins.high)}", wins.high < 0.5
        ),
        _reward_figure("Reward", comparison.reward, bad=not comparison.reward.difference.low > 0),
    ]
    if comparison.judge is not None:
        judge = comparison.judge
        found.append(_reward_figure("Judge", judge, bad=judge.difference.high < 0))
    found.append(_share_figure("Diversity", comparison.diversity, GOOD_DIVERSITY))
    kept = comparison.prompt_kept
    figure = _share_figure("Prompt kept", kept.value, GOOD_PROMPT_KEPT)
    if math.isfinite(kept.high):  # else a single picture of each prompt
        note = f"{_plain(kept.low)} to {_plain(kept.high)}, at least {GOOD_PROMPT_KEPT:.2f}"
        figure = replace(figure, note=note, bad=figure.bad and kept.high < 1)
    found.append(figure)
    return found


def comparison_sheet(
    pairs: Sequence[ComparedPair], verdict: Verdict, lines: Sequence[Figure], *, legend: str
) -> Image.Image:
    """RGB sheet: the verdict's sentence, the figures, then `pairs` two in a row, the winner of each framed in gold."""
    lengths = _Lengths(pairs)
    margin, room, gap = lengths.margin, lengths.room, lengths.px(GAP)
    bar = lengths.px(_BAR) + gap
    sentence = paragraph_height(verdict.sentence, lengths.px(_VERDICT), room - bar)
    figures_top = margin + sentence + 2 * gap
    pairs_top = figures_top + len(lines) * lengths.line + 2 * gap
    rows = [pairs[start : start + _PAIRS_PER_ROW] for start in range(0, len(pairs), _PAIRS_PER_ROW)]
    end = pairs_top + sum(lengths.card_height(row) + gap for row in rows)
    height = end + paragraph_height(legend, lengths.px(_SMALL), room) + margin
    sheet = Image.new("RGB", (lengths.width, height), PAGE)
    draw = ImageDraw.Draw(sheet)
    colour = ACCENT if verdict.keep else WARNING
    rounded(sheet, (margin, margin, margin + lengths.px(_BAR), margin + sentence), lengths.px(1), colour)
    style = TextStyle(lengths.px(_VERDICT), TEXT)
    write_paragraph(draw, (margin + bar, margin), verdict.sentence, style, room - bar)
    _draw_figures(draw, lines, figures_top, lengths)
    top = pairs_top
    for row in rows:
        for column, pair in enumerate(row):
            _draw_pair(sheet, pair, (column, top), lengths, lengths.card_height(row))
        top += lengths.card_height(row) + gap
    write_paragraph(draw, (margin, end), legend, TextStyle(lengths.px(_SMALL), SOFT_TEXT), room)
    return sheet


def pair_legend(shown: int, count: int) -> str:
    """What the pairs on the sheet are, and how they were chosen."""
    what = "Left before, right after, from the same seed; gold has the higher score."
    if shown == count:
        return f"{what} All {count} pairs, from the greatest loss to the greatest gain."
    return f"{what} {shown} of {count} pairs, evenly spaced from loss to gain: not the best ones."


class _Lengths(TileLengths):
    """Lengths in pixels of the sheet itself; a column is one picture."""

    def __init__(self, pairs: Sequence[ComparedPair]) -> None:
        super().__init__(2 * min(_PAIRS_PER_ROW, max(1, len(pairs))), 2)
        self.line = round(1.5 * self.px(_FIGURE))
        self.prompt = round(1.5 * self.px(_SMALL))
        self.score = round(1.4 * self.px(_FIGURE))

    def card_height(self, row: Sequence[ComparedPair]) -> int:
        sizes = [picture.size for pair in row for picture in (pair.before, pair.after)]
        tallest = max(self.drawn_height(size) for size in sizes)
        return self.prompt + tallest + self.score + 2 * self.pad


def _reward_figure(name: str, change: Change, *, bad: bool) -> Figure:
    interval = change.difference
    value = f"{score_text(change.after)}, before {score_text(change.before)}"
    return Figure(name, value, f"change {_of(interval)}", bad)


def _share_figure(name: str, share: float, least: float) -> Figure:
    if not math.isfinite(share):
        return Figure(name, "not measured")
    return Figure(name, f"{share:.2f} of before", f"at least {least:.2f}", share < least)


def _of(interval: Interval) -> str:
    if not math.isfinite(interval.low):
        return signed(interval.value)
    return f"{signed(interval.value)} ({signed(interval.low)} to {signed(interval.high)})"


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _percent(share: float) -> str:
    return f"{round(100 * share)}%" if math.isfinite(share) else "?"


def _draw_figures(draw: ImageDraw.ImageDraw, lines: Sequence[Figure], top: int, lengths: _Lengths) -> None:
    names, values = (
        max(text_width(text, lengths.px(_FIGURE), bold=bold) for text in texts) + 3 * lengths.px(GAP)
        for texts, bold in (([line.name for line in lines], False), ([line.value for line in lines], True))
    )
    for line in lines:
        base = digits_base(top, lengths.line, lengths.px(_FIGURE))
        left, end = float(lengths.margin), lengths.margin + lengths.room
        colour = WARNING if line.bad else TEXT
        soft = TextStyle(lengths.px(_FIGURE), SOFT_TEXT, anchor="ls")
        write(draw, (left, base), line.name, soft, lengths.room)
        left += names
        bold = TextStyle(lengths.px(_FIGURE), colour, bold=True, anchor="ls")
        write(draw, (left, base), line.value, bold, end - left)
        left += values
        write(
            draw, (left, base), line.note, TextStyle(lengths.px(_SMALL), SOFT_TEXT, anchor="ls"), end - left
        )
        top += lengths.line


def _draw_pair(
    sheet: Image.Image, pair: ComparedPair, place: tuple[int, int], lengths: _Lengths, height: int
) -> None:
    """The prompt above both pictures, each in a card of its own with its score."""
    number, top = place
    draw = ImageDraw.Draw(sheet)
    left, last = lengths.left(2 * number), lengths.left(2 * number + 1)
    base = digits_base(top, lengths.prompt, lengths.px(_SMALL))
    style = TextStyle(lengths.px(_SMALL), SOFT_TEXT, anchor="ls")
    write(draw, (left, base), pair.prompt, style, last + lengths.tile - left)
    top, height = top + lengths.prompt, height - lengths.prompt
    sides = (("before", left, pair.before, pair.gain < 0), ("after", last, pair.after, pair.gain > 0))
    for (side, x, picture, won), score in zip(sides, pair.scores, strict=True):
        box = (x, top, x + lengths.tile, top + height)
        rounded(sheet, box, lengths.px(RADIUS), CARD, ACCENT if won else None, lengths.px(BORDER))
        shown = fitted(picture, lengths.picture, lengths.tallest)
        space = height - lengths.score - 2 * lengths.pad - shown.height
        sheet.paste(shown, (x + (lengths.tile - shown.width) // 2, top + lengths.pad + space // 2))
        bold = TextStyle(lengths.px(_FIGURE), TEXT, bold=True, anchor="ls")
        below = digits_base(top + height - lengths.score, lengths.score, lengths.px(_FIGURE))
        taken = write(draw, (x + lengths.pad, below), score_text(score), bold, lengths.picture) + lengths.px(
            GAP
        )
        write(draw, (x + lengths.pad + taken, below), side, style, lengths.picture - taken)

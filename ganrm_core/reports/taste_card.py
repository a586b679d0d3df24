"""Taste card: one picture to share that says what a model likes, how well, and how to use it.

Lengths are pixels of the card, which is 1200 wide. Nothing of the pictures but their pixels is on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw, ImageOps

from .canvas import (
    ACCENT,
    BADGE,
    CARD,
    PAGE,
    SOFT_TEXT,
    TEXT,
    Colour,
    TextStyle,
    interval_bar,
    line_height,
    name_lines,
    paragraph_height,
    rounded,
    text_width,
    write,
    write_paragraph,
)
from .fonts import localized

WIDTH = 1200
PICTURE = 346
"""Side that pictures need at most; nine are drawn smaller."""
SHOWN = 9

_MARGIN, _GAP, _ACROSS, _RADIUS = 56, 8, 3, 12
_GRID, _COLUMN = 694, 354
_ROOM = WIDTH - 2 * _MARGIN

_EYEBROW = TextStyle(22, ACCENT)
_TITLE = TextStyle(68, TEXT)
_AUTHOR = TextStyle(28, SOFT_TEXT)
_HEADING = TextStyle(32, TEXT)
_SOFT = TextStyle(22, SOFT_TEXT)
_WORDS = TextStyle(25, TEXT)
_FIGURE = TextStyle(92, TEXT, bold=True, anchor="ls")
_RULE: Colour = BADGE


@dataclass(frozen=True)
class Figures:
    """Held-out AUC (0–1) and its 95 % interval; None for each that is not known."""

    share: float | None
    low: float | None
    high: float | None

    @property
    def value_text(self) -> str:
        return str(of_hundred(self.share)) if self.share is not None else ""


@dataclass(frozen=True)
class TasteWords:
    """All text of a card, in English; `lead` and `interval` are beside the figure. `footer`: names and values, one line each."""

    name: str
    author: str
    lead: str
    interval: str
    figures: Figures
    footer: list[tuple[str, str]]
    eyebrow: str = "A TASTE, LEARNED FROM PICTURES"
    liked: str = "What it likes best"
    passed: str = "What it passes over"
    of_hundred: str = "times in 100"


@dataclass(frozen=True)
class TasteCard:
    """What a card shows. `liked` and `passed`: at most nine pictures each, the highest and the lowest scores first."""

    words: TasteWords
    liked: Sequence[Image.Image]
    passed: Sequence[Image.Image]


def taste_card(card: TasteCard) -> Image.Image:
    """RGB picture, 1200 pixels wide and about 1300 high."""
    parts = [_header(card.words), _middle(card), _footer(card.words)]
    heights = [part.height for part in parts]
    gaps = (30, 36)
    sheet = Image.new("RGB", (WIDTH, _MARGIN + sum(heights) + sum(gaps) + 48), PAGE)
    top = _MARGIN
    for part, gap in zip(parts, (*gaps, 0), strict=True):
        sheet.paste(part, (_MARGIN, top))
        top += part.height + gap
    # A thin line of gold along the top: the card is recognised among others.
    sheet.paste(ACCENT, (0, 0, WIDTH, 8))
    return sheet


def _header(words: TasteWords) -> Image.Image:
    style, lines = _title(words.name)
    step = line_height(style.size)
    height = 44 + len(lines) * step + (line_height(_AUTHOR.size) + 6 if words.author else 0)
    part, draw = _blank(_ROOM, height)
    write(draw, (0, 0), words.eyebrow, _EYEBROW, _ROOM)
    top = 40
    for line in lines:
        write(draw, (0, top), line, style, _ROOM)
        top += step
    if words.author:
        write(draw, (0, top + 6), words.author, _AUTHOR, _ROOM)
    return part


def _title(name: str) -> tuple[TextStyle, list[str]]:
    """As large as lets the name stand on one line, else on two."""
    size = _TITLE.size
    while size > 44 and text_width(name, size) > _ROOM:
        size -= 2
    return replace(_TITLE, size=size), name_lines(name, size, _ROOM - 4, most=2)


def _middle(card: TasteCard) -> Image.Image:
    """The best pictures at the left; figures and, below them, the others at the right."""
    head = line_height(_HEADING.size) + 14
    figures = _figures(card.words.figures, card.words)
    others = _grid(card.passed, _COLUMN, faded=True)
    height = max(head + _GRID, figures.height + 28 + head + others.height)
    part, draw = _blank(_ROOM, height)
    write(draw, (0, 0), card.words.liked, _HEADING, _GRID)
    part.paste(_grid(card.liked, _GRID), (0, head))
    left = _ROOM - _COLUMN
    part.paste(figures, (left, 4))
    write(draw, (left, height - others.height - head), card.words.passed, _HEADING, _COLUMN)
    part.paste(others, (left, height - others.height))
    return part


def _figures(figures: Figures, words: TasteWords) -> Image.Image:
    room = _COLUMN
    below = [(words.lead, _WORDS), *([(words.interval, _SOFT)] if words.interval else [])]
    text = sum(paragraph_height(line, style.size, room) + 10 for line, style in below)
    known = figures.share is not None
    part, draw = _blank(room, (150 if known else 0) + text)
    top = 0
    if figures.share is not None:
        taken = write(draw, (0, 76), figures.value_text, _FIGURE, room)
        write(draw, (taken + 12, 76), words.of_hundred, replace(_HEADING, anchor="ls"), room - taken - 12)
        if figures.low is not None and figures.high is not None:
            # From a coin toss to never wrong.
            shares = (2 * figures.low - 1, 2 * figures.share - 1, 2 * figures.high - 1)
            interval_bar(part, (0, 106, room, 114), shares, 12, 3)
        top = 140
    for line, style in below:
        top += write_paragraph(draw, (0, top), line, style, room) + 10
    return part


def _footer(words: TasteWords) -> Image.Image:
    room = _ROOM - 2 * 32
    lines = [(localized(name), value) for name, value in words.footer]
    indent = round(max(text_width(name, _SOFT.size) for name, _ in lines)) + 28
    heights = [paragraph_height(value, _SOFT.size, room - indent) for _, value in lines]
    part, draw = _blank(_ROOM, sum(heights) + 8 * (len(lines) - 1) + 2 * 26)
    rounded(part, (0, 0, _ROOM, part.height), 18, CARD)
    top = 26
    for (name, value), height in zip(lines, heights, strict=True):
        write(draw, (32, top), name, _SOFT, indent)
        write_paragraph(draw, (32 + indent, top), value, replace(_SOFT, colour=TEXT), room - indent)
        top += height + 8
    return part


def _grid(pictures: Sequence[Image.Image], room: int, *, faded: bool = False) -> Image.Image:
    """Square of `room` pixels with rows of three pictures; up to four are larger, and one fills it."""
    across = next(side for side in (1, 2, _ACROSS) if side == _ACROSS or len(pictures) <= side**2)
    side = (room - (across - 1) * _GAP) // across
    part = Image.new("RGB", (room, room), PAGE)
    mask = Image.new("RGB", (side, side))
    rounded(mask, (0, 0, side, side), _RADIUS, (255, 255, 255))
    for place, picture in enumerate(pictures):
        row, column = divmod(place, across)
        tile = square(picture, side)
        if faded:
            tile = Image.blend(Image.new("RGB", tile.size, PAGE), tile, 0.75)
        part.paste(tile, (column * (side + _GAP), row * (side + _GAP)), mask.getchannel("R"))
    return part


def square(picture: Image.Image, side: int = PICTURE) -> Image.Image:
    """RGB copy of `side` × `side` pixels, cut around the middle (a little higher in tall pictures, where faces are)."""
    centre = (0.5, 0.38) if picture.height > picture.width else (0.5, 0.5)
    return ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.LANCZOS, centering=centre)


def _blank(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    part = Image.new("RGB", (width, height), PAGE)
    return part, ImageDraw.Draw(part)


def of_hundred(share: float) -> int:
    """A share (0–1) as whole times in 100; never 100 for a model that was wrong."""
    times = math.floor(100 * share + 0.5)
    return min(times, 99) if share < 1 else times

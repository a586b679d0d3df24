"""Compact report card for a node: AUC, main facts and warnings in letters readable at the node's own size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageDraw

from ..metrics.binary import Interval
from .canvas import (
    PAGE,
    SOFT_TEXT,
    TEXT,
    WARNING,
    TextStyle,
    interval_bar,
    line_height,
    name_lines,
    paragraph_height,
    text_width,
    write,
    write_paragraph,
)
from .card_layout import block_grid, stacked, text_block
from .tile_lengths import SHOWN_WIDTH

_SCALE = 3
_MARGIN, _GAP = 14, 10  # as all lengths below in pixels at SHOWN_WIDTH
_TITLE, _FIGURE, _LEAD, _FACT, _SMALL = 20, 46, 14, 17, 12
_FIGURE_ROOM = 150
_COLUMNS, _MOST_WARNINGS = 3, 2

Fact = tuple[str, str]


def compact_card(
    title: str,
    lead: str,
    *,
    auc: Interval | None = None,
    facts: Sequence[Fact] = (),
    warnings: Sequence[str] = (),
) -> Image.Image:
    """RGB picture three times as large as the 420 pixels it is shown at.

    `lead` sums up the result in a sentence or two, beside `auc` in large digits. `facts` are names and values; of a
    value with several lines the first is large. Of more than two warnings the others are counted. Low, since nodes
    scale pictures to the height that their widgets leave.
    """
    parts = [
        _title(title),
        _opening(lead, auc),
        *([_facts(facts)] if facts else []),
        *([_warnings(warnings)] if warnings else []),
    ]
    return stacked(parts, _px(_MARGIN), _px(_GAP))


def _px(length: float) -> int:
    return round(length * _SCALE)


_ROOM = _px(SHOWN_WIDTH - 2 * _MARGIN)
_SMALL_STYLE = TextStyle(_px(_SMALL), SOFT_TEXT)


def _title(title: str) -> Image.Image:
    style = TextStyle(_px(_TITLE), TEXT)
    lines, step = name_lines(title, style.size, _ROOM, most=2), line_height(style.size)
    part, draw = _blank(len(lines) * step)
    for number, line in enumerate(lines):
        write(draw, (0, number * step), line, style, _ROOM)
    return part


def _opening(lead: str, auc: Interval | None) -> Image.Image:
    style = TextStyle(_px(_LEAD), TEXT)
    left = 0 if auc is None else _px(_FIGURE_ROOM + 2 * _GAP)
    height = paragraph_height(lead, style.size, _ROOM - left)
    part, draw = _blank(max(height, 0 if auc is None else _px(_FIGURE + 44)))
    write_paragraph(draw, (left, (part.height - height) // 2), lead, style, _ROOM - left)
    if auc is not None:
        _draw_auc(part, draw, auc)
    return part


def _draw_auc(part: Image.Image, draw: ImageDraw.ImageDraw, auc: Interval) -> None:
    """AUC in large digits, its interval in words and on a scale from a coin toss to never wrong."""
    room, base = _px(_FIGURE_ROOM), _px(_FIGURE * 0.78)
    known = math.isfinite(auc.value)
    taken = write(draw, (0, base), "AUC", replace(_SMALL_STYLE, anchor="ls"), room)
    number, size = (f"{auc.value:.3f}", _px(_FIGURE)) if known else ("not known", _px(_LEAD))
    style = TextStyle(size, TEXT, bold=True, anchor="ls")
    write(draw, (taken + _px(6), base), number, style, room - taken)
    if not (known and math.isfinite(auc.low) and math.isfinite(auc.high)):
        return
    write(draw, (0, _px(_FIGURE + 2)), f"{auc.low:.3f} to {auc.high:.3f} (95%)", _SMALL_STYLE, room)
    middle, thick = part.height - _px(12), _px(2)
    shares = (2 * auc.low - 1, 2 * auc.value - 1, 2 * auc.high - 1)
    interval_bar(part, (0, middle - thick, room, middle + thick), shares, _px(5), _px(1))


def _facts(facts: Sequence[Fact]) -> Image.Image:
    gap = _px(_GAP)
    room = (_ROOM - (_COLUMNS - 1) * gap) // _COLUMNS
    blocks = [_fact(name, value, room) for name, value in facts]
    return block_grid(blocks, _ROOM, (gap, _px(4)), top=gap)


def _fact(name: str, value: str, room: int) -> Image.Image:
    first, *rest = value.split("\n")
    size = _px(_FACT)
    while size > _px(_SMALL) and text_width(first, size) > room:
        size -= 1
    values = [(line, TextStyle(size, TEXT)) for line in name_lines(first, size, room, most=2)]
    return text_block([(name, _SMALL_STYLE), *values, *((line, _SMALL_STYLE) for line in rest)], room)


def _warnings(warnings: Sequence[str]) -> Image.Image:
    shown = list(warnings[:_MOST_WARNINGS])
    if len(shown) < len(warnings):
        shown.append(f"{len(warnings) - len(shown)} more in the report.")
    size, gap = _px(_SMALL), _px(3)
    heights = [paragraph_height(warning, size, _ROOM) for warning in shown]
    part, draw = _blank(sum(heights) + gap * (len(shown) - 1))
    top = 0
    for warning, height in zip(shown, heights, strict=True):
        write_paragraph(draw, (0, top), warning, TextStyle(size, WARNING), _ROOM)
        top += height + gap
    return part


def _blank(height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    part = Image.new("RGB", (_ROOM, height), PAGE)
    return part, ImageDraw.Draw(part)

"""Compact report card for inside a node: the main figures and warnings, in letters readable at the node's own size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from ..metrics.binary import Interval
from .canvas import (
    ACCENT,
    BADGE,
    PAGE,
    SOFT_TEXT,
    TEXT,
    WARNING,
    line_height,
    name_lines,
    paragraph_height,
    rounded,
    text_width,
    write,
    write_paragraph,
)

_SHOWN_WIDTH, _SCALE = 420, 3  # what a node makes of the card; all lengths below are pixels at this width
_MARGIN, _GAP = 14, 10
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
    """An RGB picture three times as large as it is shown, 420 pixels wide.

    `auc` stands large beside `lead`, what it means in a sentence or two. `facts` are names and values; of a value with
    several lines the first is large. Of more than two warnings the others are counted. It is kept low, since nodes show
    pictures in what height their widgets leave.
    """
    parts = [
        _title(title),
        _opening(lead, auc),
        *([_facts(facts)] if facts else []),
        *([_warnings(warnings)] if warnings else []),
    ]
    margin, gap = _px(_MARGIN), _px(_GAP)
    height = sum(part.height for part in parts) + gap * (len(parts) - 1) + 2 * margin
    card = Image.new("RGB", (_px(_SHOWN_WIDTH), height), PAGE)
    top = margin
    for part in parts:
        card.paste(part, (margin, top))
        top += part.height + gap
    return card


def _px(length: float) -> int:
    return round(length * _SCALE)


_ROOM = _px(_SHOWN_WIDTH - 2 * _MARGIN)


def _title(title: str) -> Image.Image:
    size = _px(_TITLE)
    lines = name_lines(title, size, _ROOM, most=2)
    part, draw = _blank(len(lines) * line_height(size))
    for number, line in enumerate(lines):
        write(draw, (0, number * line_height(size)), line, size, TEXT, _ROOM)
    return part


def _opening(lead: str, auc: Interval | None) -> Image.Image:
    size = _px(_LEAD)
    left = 0 if auc is None else _px(_FIGURE_ROOM + 2 * _GAP)
    words = paragraph_height(lead, size, _ROOM - left)
    part, draw = _blank(max(words, 0 if auc is None else _px(_FIGURE + 44)))
    write_paragraph(draw, (left, (part.height - words) // 2), lead, size, TEXT, _ROOM - left)
    if auc is not None:
        _draw_auc(part, draw, auc)
    return part


def _draw_auc(part: Image.Image, draw: ImageDraw.ImageDraw, auc: Interval) -> None:
    """The figure, its interval in words, and both on a scale from a coin toss to never wrong."""
    room, small = _px(_FIGURE_ROOM), _px(_SMALL)
    known = math.isfinite(auc.value)
    taken = write(draw, (0, _px(_FIGURE * 0.78)), "AUC", small, SOFT_TEXT, room, anchor="ls")
    figure, size = (f"{auc.value:.3f}", _px(_FIGURE)) if known else ("not known", _px(_LEAD))
    place = (taken + _px(6), _px(_FIGURE * 0.78))
    write(draw, place, figure, size, TEXT, room - taken, anchor="ls", bold=True)
    if not (known and math.isfinite(auc.low) and math.isfinite(auc.high)):
        return
    words = f"{auc.low:.3f} to {auc.high:.3f} (95%)"
    write(draw, (0, _px(_FIGURE + 2)), words, small, SOFT_TEXT, room)
    low, value, high = (
        round(room * min(1.0, max(0.0, 2 * end - 1))) for end in (auc.low, auc.value, auc.high)
    )
    middle, thick, dot = part.height - _px(12), _px(2), _px(5)
    rounded(part, (0, middle - thick, room, middle + thick), thick, BADGE)
    rounded(part, (low, middle - thick, max(high, low + 2 * thick), middle + thick), thick, (150, 118, 48))
    value = min(room - dot, max(dot, value))
    rounded(part, (value - dot, middle - dot, value + dot, middle + dot), dot, ACCENT, PAGE, _px(1))


def _facts(facts: Sequence[Fact]) -> Image.Image:
    gap = _px(_GAP)
    room = (_ROOM - (_COLUMNS - 1) * gap) // _COLUMNS
    cells = [_fact(name, value, room) for name, value in facts]
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    heights = [max(cell.height for cell in row) for row in rows]
    part, _ = _blank(sum(heights) + _px(4) * (len(rows) - 1) + gap)
    part.paste(BADGE, (0, 0, _ROOM, _px(0.7)))
    top = gap
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            part.paste(cell, (column * (room + gap), top))
        top += height + _px(4)
    return part


def _fact(name: str, value: str, room: int) -> Image.Image:
    first, *rest = value.split("\n")
    size = _px(_FACT)
    while size > _px(_SMALL) and text_width(first, size) > room:
        size -= 1
    lines = [(name, _px(_SMALL), SOFT_TEXT)]
    lines += [(line, size, TEXT) for line in name_lines(first, size, room, most=2)]
    lines += [(line, _px(_SMALL), SOFT_TEXT) for line in rest]
    cell = Image.new("RGB", (room, sum(paragraph_height(text, size, room) for text, size, _ in lines)), PAGE)
    draw, top = ImageDraw.Draw(cell), 0
    for text, size, colour in lines:
        top += write_paragraph(draw, (0, top), text, size, colour, room)
    return cell


def _warnings(warnings: Sequence[str]) -> Image.Image:
    shown = list(warnings[:_MOST_WARNINGS])
    if len(shown) < len(warnings):
        shown.append(f"{len(warnings) - len(shown)} more in the report.")
    size, gap = _px(_SMALL), _px(3)
    heights = [paragraph_height(warning, size, _ROOM) for warning in shown]
    part, draw = _blank(sum(heights) + gap * (len(shown) - 1))
    top = 0
    for warning, height in zip(shown, heights, strict=True):
        write_paragraph(draw, (0, top), warning, size, WARNING, _ROOM)
        top += height + gap
    return part


def _blank(height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    part = Image.new("RGB", (_ROOM, height), PAGE)
    return part, ImageDraw.Draw(part)

"""Sheet of groups: the best and the worst picture of each, with their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from ..reports.canvas import (
    ACCENT,
    CARD,
    PAGE,
    SOFT_TEXT,
    TEXT,
    WARNING,
    TextStyle,
    enlarged,
    fitted,
    interval_bar,
    line_height,
    paragraph_height,
    rounded,
    write,
    write_paragraph,
)
from ..reports.score_format import score_text
from ..reports.tile_lengths import BORDER, GAP, MARGIN, RADIUS, SHOWN_WIDTH
from .group_summary import GroupScores, group_scores
from .groups import Group, Groups

MOST = 12
_SCALE = 3
_COLUMNS = 3
_TITLE, _TEXT, _SCORE = 15 * _SCALE, 11 * _SCALE, 13 * _SCALE
_PAD, _GAP, _MARGIN = 5 * _SCALE, GAP * _SCALE, MARGIN * _SCALE
_WIDTH = SHOWN_WIDTH * _SCALE
_CARD = (_WIDTH - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS
_PICTURE = (_CARD - 3 * _PAD) // 2
_BAR = 4 * _SCALE
_LEGEND = "Left: the best picture of each prompt's group. Right: the worst. Bar: from worst to best, the dot is the middle one."


def groups_sheet(
    groups: Groups, title: str, notes: Sequence[str] = (), warnings: Sequence[str] = ()
) -> Image.Image:
    """RGB page: `title`, `notes`, `warnings`, then up to `MOST` groups in three columns; of more it gives a sentence."""
    shown = groups.groups[:MOST]
    room = _WIDTH - 2 * _MARGIN
    head = [(title, TextStyle(_TITLE, TEXT)), *((note, TextStyle(_TEXT, SOFT_TEXT)) for note in notes)]
    head += [(warning, TextStyle(_TEXT, WARNING)) for warning in warnings]
    foot = [(text, TextStyle(_TEXT, SOFT_TEXT)) for text in (*_rest(groups), _LEGEND)]
    rows = [shown[start : start + _COLUMNS] for start in range(0, len(shown), _COLUMNS)]
    heights = [_card_height(row) for row in rows]
    texts = sum(paragraph_height(text, style.size, room) for text, style in (*head, *foot))
    sheet = Image.new("RGB", (_WIDTH, 4 * _MARGIN + texts + sum(heights) + len(rows) * _GAP), PAGE)
    top = _write(sheet, head, _MARGIN, room) + _MARGIN
    alike = set(groups.alike())
    for row_number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        for column, group in enumerate(row):
            number = row_number * _COLUMNS + column
            card = _Card(group, str(number + 1), groups.prompts[group.prompt], number in alike)
            _draw_card(sheet, (_MARGIN + column * (_CARD + _GAP), top), height, card)
        top += height + _GAP
    _write(sheet, foot, top + _MARGIN, room)
    return sheet


def _write(sheet: Image.Image, texts: Sequence[tuple[str, TextStyle]], top: int, room: int) -> int:
    for text, style in texts:
        top += write_paragraph(ImageDraw.Draw(sheet), (_MARGIN, top), text, style, room)
    return top


def _rest(groups: Groups) -> list[str]:
    """What the groups that are not drawn hold."""
    left = [found for group in groups.groups[MOST:] if (found := group_scores(group)).order]
    if not left:
        return []
    best, worst = max(found.best for found in left), min(found.worst for found in left)
    return [f"Not drawn: {len(left)} more, scores from {score_text(worst)} to {score_text(best)}."]


def _card_height(row: Sequence[Group]) -> int:
    pictures = max(_drawn_height(group.thumbnails) for group in row)
    return line_height(_TEXT) + pictures + line_height(_SCORE) + _BAR + 5 * _PAD


def _drawn_height(thumbnails: Tensor) -> int:
    height, width = thumbnails.shape[1:3]
    return max(1, round(height * min(_PICTURE / width, 1.6 * _PICTURE / height)))


@dataclass(frozen=True)
class _Card:
    """`alike`: whether the group has nothing to choose."""

    group: Group
    number: str
    prompt: str
    alike: bool


def _draw_card(sheet: Image.Image, place: tuple[int, int], height: int, card: _Card) -> None:
    left, top = place
    draw, found = ImageDraw.Draw(sheet), group_scores(card.group)
    rounded(sheet, (left, top, left + _CARD, top + height), RADIUS * _SCALE, CARD)
    x, y = left + _PAD, top + _PAD
    x += round(write(draw, (x, y), card.number, TextStyle(_TEXT, SOFT_TEXT), _CARD)) + _PAD
    write(draw, (x, y), card.prompt, TextStyle(_TEXT, TEXT), left + _CARD - _PAD - x)
    y += line_height(_TEXT) + _PAD
    base = top + height - 2 * _PAD - _BAR - line_height(_SCORE)
    if not found.order:
        write(draw, (left + _PAD, y), "spoilt", TextStyle(_TEXT, WARNING), _CARD - 2 * _PAD)
        return
    for side, position in enumerate((found.order[0], found.order[-1])):
        x = left + _PAD + side * (_PICTURE + _PAD)
        _draw_picture(
            sheet, card.group.thumbnails[position], (x, y, x + _PICTURE, base - _PAD), marked=side == 0
        )
        if side and card.alike:  # then the worst scores as the best
            write(draw, (x, base), "nothing to choose", TextStyle(_TEXT, WARNING), _PICTURE)
        else:
            style = TextStyle(_SCORE, SOFT_TEXT if side else TEXT, bold=not side)
            write(draw, (x, base), score_text(found.scores[position]), style, _PICTURE)
    _draw_bar(
        sheet, (left + _PAD, top + height - _PAD - _BAR, left + _CARD - _PAD, top + height - _PAD), found
    )


def _draw_picture(
    sheet: Image.Image, picture: Tensor, box: tuple[int, int, int, int], *, marked: bool
) -> None:
    left, top, right, bottom = box
    border = BORDER * _SCALE
    width, height = right - left, bottom - top
    given = Image.fromarray(np.ascontiguousarray(picture.cpu().numpy()))
    image = fitted(enlarged(given, max(width, height)), width, height)
    x, y = left + (width - image.width) // 2, top + (height - image.height) // 2
    if marked:
        frame = (x - border, y - border, x + image.width + border, y + image.height + border)
        rounded(sheet, frame, border, ACCENT)
    sheet.paste(image, (x, y))


def _draw_bar(sheet: Image.Image, box: tuple[int, int, int, int], found: GroupScores) -> None:
    if all(0 <= found.scores[place] <= 1 for place in found.order):
        interval_bar(sheet, box, (found.worst, found.median, found.best), round(0.75 * _BAR), _SCALE)

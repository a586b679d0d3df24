"""Drawn list of prompts: what a prompt list came to, with its notes."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from ..reports.canvas import (
    PAGE,
    SOFT_TEXT,
    TEXT,
    WARNING,
    TextStyle,
    line_height,
    paragraph_height,
    write,
    write_paragraph,
)
from ..reports.tile_lengths import MARGIN, SHOWN_WIDTH

_SCALE = 3
_MOST = 24
_TITLE, _LINE = 15 * _SCALE, 12 * _SCALE
_NUMBER_WIDTH = 26 * _SCALE


def prompt_card(texts: Sequence[str], title: str, notes: Sequence[str]) -> Image.Image:
    """RGB card: `title`, the `notes` in the colour of warnings, then the prompts, a line each; of many the first 24."""
    width, margin = SHOWN_WIDTH * _SCALE, MARGIN * _SCALE
    room = width - 2 * margin
    shown = texts[:_MOST]
    more = f"{len(texts) - len(shown)} more" if len(texts) > len(shown) else ""
    notes_height = sum(paragraph_height(note, _LINE, room) for note in notes)
    lines = len(shown) + bool(more)
    height = 3 * margin + paragraph_height(title, _TITLE, room) + notes_height + lines * line_height(_LINE)
    card = Image.new("RGB", (width, height), PAGE)
    draw = ImageDraw.Draw(card)
    top = margin + write_paragraph(draw, (margin, margin), title, TextStyle(_TITLE, TEXT), room)
    for note in notes:
        top += write_paragraph(draw, (margin, top), note, TextStyle(_LINE, WARNING), room)
    top += margin
    for number, text in enumerate(shown, start=1):
        write(draw, (margin, top), str(number), TextStyle(_LINE, SOFT_TEXT), _NUMBER_WIDTH)
        write(draw, (margin + _NUMBER_WIDTH, top), text, TextStyle(_LINE, TEXT), room - _NUMBER_WIDTH)
        top += line_height(_LINE)
    if more:
        write(draw, (margin + _NUMBER_WIDTH, top), more, TextStyle(_LINE, SOFT_TEXT), room - _NUMBER_WIDTH)
    return card

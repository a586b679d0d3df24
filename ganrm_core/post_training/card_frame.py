"""What every training's card has around its middle: stage and time left while it runs, title and sentence at its end."""

from __future__ import annotations

from PIL import Image, ImageDraw

from ..reports.canvas import (
    CARD,
    SOFT_TEXT,
    TEXT,
    WARNING,
    TextStyle,
    paragraph_height,
    write,
    write_paragraph,
)
from ..reports.live_preview import Stage, draw_stage
from .picture_rows import MARGIN, SMALL, WIDTH

# Pixels at a card's usual width.
_HEAD = 78
_TITLE, _TEXT = 30, 24


def live_card(body: Image.Image, stage: Stage) -> Image.Image:
    """`body` below the present stage and the time left."""
    scale = body.width / WIDTH
    top = round(18 * scale)
    card = _framed(body, top + round(_HEAD * scale))
    draw_stage(card, top, round(MARGIN * scale), scale, stage)
    return card


def report_card(body: Image.Image, title: str, sentence: str, legend: str, *, warning: bool) -> Image.Image:
    """`body` below a title and a sentence, in the colour of warnings where it is one; above a legend, unless it is ""."""
    scale = body.width / WIDTH
    margin, small = round(MARGIN * scale), round(SMALL * scale)
    room, text, line = body.width - 2 * margin, round(_TEXT * scale), round(1.5 * _TITLE * scale)
    head = margin + line + paragraph_height(sentence, text, room) + margin // 2
    foot = paragraph_height(legend, small, room) + margin if legend else 0
    card = _framed(body, head, foot)
    draw = ImageDraw.Draw(card)
    write(draw, (margin, margin), title, TextStyle(round(_TITLE * scale), TEXT), room)
    style = TextStyle(text, WARNING if warning else SOFT_TEXT)
    write_paragraph(draw, (margin, margin + line), sentence, style, room)
    if legend:
        write_paragraph(draw, (margin, card.height - foot), legend, TextStyle(small, SOFT_TEXT), room)
    return card


def _framed(body: Image.Image, head: int, foot: int = 0) -> Image.Image:
    """`body` between an empty head and foot of so many pixels."""
    card = Image.new("RGB", (body.width, head + body.height + foot), CARD)
    card.paste(body, (0, head))
    return card

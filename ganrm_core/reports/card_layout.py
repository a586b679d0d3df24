"""Layout of image reports: titled sections, warnings, facts and rows of examples, stacked to one card.

Lengths are pixels. Cards are 1400 pixels wide and shown at about half of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from .canvas import (
    ACCENT,
    BADGE,
    CARD,
    PAGE,
    SOFT_TEXT,
    TEXT,
    Colour,
    TextStyle,
    line_height,
    name_lines,
    paragraph_height,
    rounded,
    write,
    write_paragraph,
)
from .messages import WARNINGS, Extremes
from .report_data import file_name, thumbnail
from .score_format import score_text

WIDTH, MARGIN, GAP, PADDING, RADIUS = 1400, 40, 24, 32, 18
ROOM = WIDTH - 2 * MARGIN
EXAMPLES = 6  # pictures in a row

SMALL = TextStyle(22, SOFT_TEXT)
NORMAL = TextStyle(25, TEXT)
SOFT = TextStyle(25, SOFT_TEXT)
LEAD = TextStyle(33, TEXT)
HEADING = TextStyle(34, TEXT)
VALUE = TextStyle(36, TEXT)
TITLE = TextStyle(52, TEXT)

_NOTICE: Colour = (47, 42, 28)
_NOTICE_LINE: Colour = (92, 77, 32)
_SCORE = TextStyle(30, TEXT)

Block = tuple[str, TextStyle]


def stacked(parts: Sequence[Image.Image], margin: int = MARGIN, gap: int = GAP) -> Image.Image:
    """Parts of one width below each other, on a page with a margin all round."""
    height = sum(part.height for part in parts) + gap * (len(parts) - 1) + 2 * margin
    card = Image.new("RGB", (parts[0].width + 2 * margin, height), PAGE)
    top = margin
    for part in parts:
        card.paste(part, (margin, top))
        top += part.height + gap
    return card


def abreast(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two parts at either end of the card's width."""
    both = Image.new("RGB", (ROOM, max(left.height, right.height)), PAGE)
    both.paste(left, (0, 0))
    both.paste(right, (ROOM - right.width, 0))
    return both


def section(
    title: str, text: str, width: int = ROOM, content: Image.Image | None = None, head: int | None = None
) -> Image.Image:
    """Box of `width` pixels with a heading, a text on how to read `content`, and `content`.

    `head`, if given, is the height of heading and text, to align sections that are abreast.
    """
    room = width - 2 * PADDING
    head = head_height(title, text, width) if head is None else head
    height = 2 * PADDING + head + (content.height + 16 if content else 0)
    part = Image.new("RGB", (width, height), PAGE)
    rounded(part, (0, 0, width, height), RADIUS, CARD)
    draw = ImageDraw.Draw(part)
    top = PADDING - 4
    top += write_paragraph(draw, (PADDING, top), title, HEADING, room) + 4
    if text:
        write_paragraph(draw, (PADDING, top), text, SOFT, room)
    if content:
        part.paste(content, (PADDING, PADDING + head + 16))
    return part


def head_height(title: str, text: str, width: int) -> int:
    """Height of the heading and the text of a `section`."""
    room = width - 2 * PADDING
    height = paragraph_height(title, HEADING.size, room)
    return height + (paragraph_height(text, SOFT.size, room) if text else 0)


def warning_box(warnings: Sequence[str]) -> Image.Image:
    """Bulleted list in a box of a colour of its own."""
    room, indent, gap = ROOM - 2 * PADDING, 26, 10
    heights = [paragraph_height(warning, NORMAL.size, room - indent) for warning in warnings]
    heading = line_height(HEADING.size) + 6
    height = 2 * PADDING + heading + sum(heights) + gap * (len(heights) - 1)
    part = Image.new("RGB", (ROOM, height), PAGE)
    rounded(part, (0, 0, ROOM, height), RADIUS, _NOTICE, _NOTICE_LINE, 2)
    draw, top = ImageDraw.Draw(part), PADDING - 4
    write(draw, (PADDING, top), WARNINGS, HEADING, room)
    top += heading
    for warning, taken in zip(warnings, heights, strict=True):
        dot = top + round(0.62 * NORMAL.size)
        rounded(part, (PADDING, dot - 5, PADDING + 10, dot + 5), 5, ACCENT)
        write_paragraph(draw, (PADDING + indent, top), warning, NORMAL, room - indent)
        top += taken + gap
    return part


def text_block(lines: Sequence[Block], room: int) -> Image.Image:
    """Paragraphs below each other, wrapped to `room` pixels."""
    height = sum(paragraph_height(text, style.size, room) for text, style in lines)
    block = Image.new("RGB", (room, height), PAGE)
    draw, top = ImageDraw.Draw(block), 0
    for text, style in lines:
        top += write_paragraph(draw, (0, top), text, style, room)
    return block


def block_grid(
    blocks: Sequence[Image.Image], room: int, gaps: tuple[int, int], top: int, bottom: int = 0
) -> Image.Image:
    """Blocks of one width in as many columns as fit into `room` pixels, below a thin line.

    `gaps` are the pixels between columns and between rows, `top` and `bottom` those above and below all rows.
    """
    width = blocks[0].width
    columns = (room + gaps[0]) // (width + gaps[0])
    rows = [blocks[start : start + columns] for start in range(0, len(blocks), columns)]
    heights = [max(block.height for block in row) for row in rows]
    part = Image.new("RGB", (room, top + sum(heights) + (len(rows) - 1) * gaps[1] + bottom), PAGE)
    part.paste(BADGE, (0, 0, room, 2))
    for row, height in zip(rows, heights, strict=True):
        for column, block in enumerate(row):
            part.paste(block, (column * (width + gaps[0]), top))
        top += height + gaps[1]
    return part


def example_row(kind: Extremes, members: Sequence[tuple[Path, float]]) -> Image.Image:
    """Section with a row of at most EXAMPLES pictures, their scores and file names.

    A picture that cannot be read keeps its place, with the reason written there.
    """
    gap, room = 16, ROOM - 2 * PADDING
    side = (room - (EXAMPLES - 1) * gap) // EXAMPLES
    names = [name_lines(file_name(path), SMALL.size, side) for path, _ in members]
    line = line_height(SMALL.size)
    below = side + 12 + line_height(_SCORE.size)
    row = Image.new("RGB", (room, below + max(map(len, names)) * line), CARD)
    draw = ImageDraw.Draw(row)
    for column, (path, score) in enumerate(members):
        left = column * (side + gap)
        rounded(row, (left, 0, left + side, side), 10, PAGE)
        picture = thumbnail(path, side)
        if isinstance(picture, Image.Image):
            row.paste(picture, (left + (side - picture.width) // 2, (side - picture.height) // 2))
        else:
            write_paragraph(draw, (left + 12, 12), f"No picture: {picture}", SMALL, side - 24)
        write(draw, (left, side + 12), score_text(score), _SCORE, side)
        for number, text in enumerate(names[column]):
            write(draw, (left, below + number * line), text, SMALL, side)
    return section(kind.title, kind.text, content=row)


def scaled_to(chart: Image.Image, width: int) -> Image.Image:
    """`chart` resized to `width` pixels."""
    return chart.resize((width, round(chart.height * width / chart.width)), Image.Resampling.LANCZOS)

"""Contact sheet: rows of pictures as cards with captions, rank badges and frames around winners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageColor, ImageDraw
from torch import Tensor

from ..data.luma import LUMA_WEIGHTS
from ..utils.errors import ImageError
from .canvas import (
    ACCENT,
    BADGE,
    CARD,
    DARK_INK,
    PAGE,
    SOFT_TEXT,
    TEXT,
    Colour,
    TextStyle,
    fitted,
    name_lines,
    rounded,
    write,
)
from .fonts import fitting_text


@dataclass(frozen=True)
class Tile:
    """One picture and the text beneath it.

    `image` is uint8 [3, H, W] (0–255) or a PIL image of any mode; transparency is laid over mid-grey. The first
    line of `caption` is prominent, with `badge` (such as a rank) beside it. `highlight` frames a winner: True for
    gold, or a colour that PIL knows ("#4caf50").
    """

    image: Tensor | Image.Image
    caption: tuple[str, ...] = ()
    highlight: bool | str = False
    badge: str = ""


def contact_sheet(
    rows: Sequence[Sequence[Tile]],
    *,
    tile: int = 220,
    title: str = "",
    row_labels: Sequence[str] | None = None,
) -> Image.Image:
    """RGB sheet with one line of tiles per row; each picture fits into `tile` × `tile` pixels.

    Pictures keep their aspect ratio, are never covered and at most doubled in size. Captions break into lines;
    other text that is too long ends in "…". Raises `ImageError` if there is no tile at all.
    """
    if not any(rows):
        raise ImageError("There are no images to draw on the contact sheet. Pass at least one.")
    if row_labels is not None and len(row_labels) != len(rows):
        raise ValueError(f"{len(row_labels)} row labels for {len(rows)} rows")
    layout = _Layout(max(48, tile))
    rows = [[_with_whole_lines(entry, layout) for entry in row] for row in rows]
    columns = max(len(row) for row in rows)
    margin, gap = layout.margin, layout.gap
    heights = [layout.card_height(max(map(_lines, row), default=0)) for row in rows]
    label_height = layout.label_height if row_labels is not None else 0
    title_height = layout.title_height if title else 0

    width = 2 * margin + columns * layout.card_width + (columns - 1) * gap
    height = 2 * margin + title_height + sum(heights) + len(rows) * label_height + (len(rows) - 1) * gap
    sheet = Image.new("RGB", (width, height), PAGE)
    draw = ImageDraw.Draw(sheet)
    if title:
        write(draw, (margin, margin), title, TextStyle(layout.title_size, TEXT), width - 2 * margin)
    label_style = TextStyle(layout.label_size, SOFT_TEXT)
    top = margin + title_height
    for index, row in enumerate(rows):
        if row_labels is not None:
            write(draw, (margin, top), row_labels[index], label_style, width - 2 * margin)
            top += label_height
        for column, entry in enumerate(row):
            left = margin + column * (layout.card_width + gap)
            _draw_card(sheet, entry, (left, top), heights[index], layout)
        top += heights[index] + gap
    return sheet


def grid(tiles: Sequence[Tile], columns: int, *, tile: int = 220, title: str = "") -> Image.Image:
    """`contact_sheet` of one flat list, broken into rows of `columns` tiles."""
    if columns < 1:
        raise ValueError("columns is 1 or more")
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    return contact_sheet(rows, tile=tile, title=title)


class _Layout:
    """All lengths in pixels, in proportion to the tile."""

    def __init__(self, tile: int) -> None:
        self.tile = tile
        self.pad = max(4, tile // 28)
        self.gap = max(6, tile // 16)
        self.margin = max(10, tile // 10)
        self.radius = max(4, tile // 24)
        self.border = max(2, tile // 64)
        self.text_size = max(10, tile // 15)
        self.small_size = max(9, tile // 18)
        self.title_size = max(14, tile // 9)
        self.label_size = max(11, tile // 14)
        self.title_height = round(self.title_size * 1.9)
        self.label_height = round(self.label_size * 1.9)
        self.card_width = tile + 2 * self.pad

    def line_height(self, line: int) -> int:
        return round((self.text_size if line == 0 else self.small_size) * 1.5)

    def card_height(self, lines: int) -> int:
        text = sum(self.line_height(line) for line in range(lines))
        return self.tile + 2 * self.pad + (text + self.pad if lines else 0)


def _with_whole_lines(entry: Tile, layout: _Layout) -> Tile:
    """The tile with all caption lines but the first, such as file names, broken to its width."""
    more = [part for line in entry.caption[1:] for part in name_lines(line, layout.small_size, layout.tile)]
    return replace(entry, caption=(*entry.caption[:1], *more))


def _lines(entry: Tile) -> int:
    return max(len(entry.caption), 1 if entry.badge else 0)


def _draw_card(sheet: Image.Image, entry: Tile, place: tuple[int, int], height: int, layout: _Layout) -> None:
    (left, top), accent = place, _accent(entry.highlight)
    box = (left, top, left + layout.card_width, top + height)
    rounded(sheet, box, layout.radius, CARD, accent, layout.border if accent else 0)
    x, y = left + layout.pad, top + layout.pad
    picture = fitted(entry.image, layout.tile, layout.tile)
    sheet.paste(picture, (x + (layout.tile - picture.width) // 2, y + (layout.tile - picture.height) // 2))
    y += layout.tile + layout.pad
    taken = _draw_badge(sheet, entry.badge, (x, y), accent, layout) if entry.badge else 0
    draw = ImageDraw.Draw(sheet)
    for line, text in enumerate(entry.caption):
        indent = taken if line == 0 else 0
        style = TextStyle(layout.small_size, SOFT_TEXT) if line else TextStyle(layout.text_size, TEXT)
        write(draw, (x + indent, y), text, style, layout.tile - indent)
        y += layout.line_height(line)


def _draw_badge(
    sheet: Image.Image, text: str, place: tuple[int, int], accent: Colour | None, layout: _Layout
) -> int:
    """Draw the badge at the start of the caption. Returns its width with the space after it."""
    x, y = place
    size = layout.small_size
    side = round(size * 0.55)
    text, font = fitting_text(text, size, layout.tile // 2 - 2 * side)
    height = round(size * 1.55)
    width = max(height, round(font.getlength(text)) + 2 * side)
    top = y + (layout.text_size * 6 // 5 - height) // 2
    rounded(sheet, (x, top, x + width, top + height), height // 2, accent or BADGE)
    ink = TEXT if accent is None or _is_dark(accent) else DARK_INK
    centre = (x + width / 2, top + height / 2)
    ImageDraw.Draw(sheet).text(centre, text, font=font, fill=ink, anchor="mm")
    return width + layout.pad


def _accent(highlight: bool | str) -> Colour | None:
    if not highlight:
        return None
    if highlight is True:
        return ACCENT
    red, green, blue, *_ = ImageColor.getrgb(highlight)
    return red, green, blue


def _is_dark(colour: Colour) -> bool:
    return sum(weight * level for weight, level in zip(LUMA_WEIGHTS, colour, strict=True)) < 140

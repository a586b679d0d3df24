"""Pictures side by side with their ranks and scores, drawn so that a person likes to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from PIL import Image, ImageColor, ImageDraw
from torch import Tensor

from .errors import ImageError
from .lettering import fitting_text

# Neutral greys: a tinted surround would change how the colours of the pictures look.
_PAGE = (24, 24, 25)
_CARD = (38, 38, 40)
_DARK_INK = (17, 17, 18)
_TEXT = (236, 236, 238)
_SOFT_TEXT = (158, 158, 163)
_BADGE = (66, 66, 70)
_ACCENT = (255, 196, 61)

_SCALE = 3  # shapes are drawn this much larger and reduced, because Pillow's own edges are jagged


@dataclass(frozen=True)
class Tile:
    """One picture with what is written beneath it.

    `image` is uint8 [3, H, W] (0–255) or a PIL image. The first line of `caption` is prominent. `badge`
    (such as a rank) is drawn beside it. `highlight` marks a winner: True for gold, or a colour that PIL
    knows ("#4caf50").
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
    """An RGB sheet with one line of tiles per row; each picture fits into `tile` × `tile` pixels.

    Pictures keep their shape and are never covered; small ones are not blown up beyond twice their
    size. Text that is too long ends in "…". Raises `ImageError` if there is no tile at all.
    """
    if not any(rows):
        raise ImageError("There are no images to draw on the contact sheet. Pass at least one.")
    if row_labels is not None and len(row_labels) != len(rows):
        raise ValueError(f"{len(row_labels)} row labels for {len(rows)} rows")
    layout = _Layout(max(48, tile))
    columns = max(len(row) for row in rows)
    margin, gap = layout.margin, layout.gap
    heights = [layout.card_height(max(map(_lines, row), default=0)) for row in rows]
    label_height = layout.label_height if row_labels is not None else 0
    title_height = layout.title_height if title else 0

    width = 2 * margin + columns * layout.card_width + (columns - 1) * gap
    height = 2 * margin + title_height + sum(heights) + len(rows) * label_height + (len(rows) - 1) * gap
    sheet = Image.new("RGB", (width, height), _PAGE)
    draw = ImageDraw.Draw(sheet)
    if title:
        _write(draw, (margin, margin), title, layout.title_size, _TEXT, width - 2 * margin)
    top = margin + title_height
    for index, row in enumerate(rows):
        if row_labels is not None:
            _write(draw, (margin, top), row_labels[index], layout.label_size, _SOFT_TEXT, width - 2 * margin)
            top += label_height
        for column, entry in enumerate(row):
            left = margin + column * (layout.card_width + gap)
            _draw_card(sheet, draw, entry, left, top, heights[index], layout)
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


def _lines(entry: Tile) -> int:
    return max(len(entry.caption), 1 if entry.badge else 0)


def _draw_card(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    entry: Tile,
    left: int,
    top: int,
    height: int,
    layout: _Layout,
) -> None:
    accent = _accent(entry.highlight)
    box = (left, top, left + layout.card_width, top + height)
    _rounded(sheet, box, layout.radius, _CARD, accent, layout.border if accent else 0)
    frame = (left + layout.pad, top + layout.pad)
    picture = _fitted(entry.image, layout.tile)
    sheet.paste(
        picture,
        (frame[0] + (layout.tile - picture.width) // 2, frame[1] + (layout.tile - picture.height) // 2),
    )
    x, y = frame[0], frame[1] + layout.tile + layout.pad
    room = layout.tile
    first = layout.line_height(0)
    if entry.badge:
        taken = _draw_badge(sheet, draw, entry.badge, x, y, room // 2, accent, layout)
        x, room = x + taken, room - taken
    for line, text in enumerate(entry.caption):
        if line == 1:
            x, room = frame[0], layout.tile
            y += first
        elif line > 1:
            y += layout.line_height(line)
        size, colour = (layout.text_size, _TEXT) if line == 0 else (layout.small_size, _SOFT_TEXT)
        _write(draw, (x, y), text, size, colour, room)


def _draw_badge(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    text: str,
    x: int,
    y: int,
    room: int,
    accent: tuple[int, int, int] | None,
    layout: _Layout,
) -> int:
    """Draw the pill at the start of the caption. Returns the width it takes with the space after it."""
    size = layout.small_size
    side = round(size * 0.55)
    text, font = fitting_text(text, size, room - 2 * side)
    height = round(size * 1.55)
    width = max(height, round(font.getlength(text)) + 2 * side)
    top = y + (layout.text_size * 6 // 5 - height) // 2
    _rounded(sheet, (x, top, x + width, top + height), height // 2, accent or _BADGE, None, 0)
    ink = _TEXT if accent is None or _is_dark(accent) else _DARK_INK
    draw.text((x + width / 2, top + height / 2), text, font=font, fill=ink, anchor="mm")
    return width + layout.pad


def _fitted(image: Tensor | Image.Image, tile: int) -> Image.Image:
    """RGB, as large as fits into the tile, at least one pixel each way."""
    if isinstance(image, Tensor):
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
            raise ImageError(
                f"A tile needs a uint8 image [3, H, W], got {image.dtype} {tuple(image.shape)}. Convert it "
                "first."
            )
        image = Image.fromarray(image.detach().cpu().permute(1, 2, 0).contiguous().numpy())
    rgb = image.convert("RGB")
    scale = min(tile / rgb.width, tile / rgb.height, 2.0)
    size = (max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale)))
    return rgb if size == rgb.size else rgb.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _rounded(
    sheet: Image.Image,
    box: tuple[int, int, int, int],
    radius: int,
    fill: tuple[int, int, int],
    outline: tuple[int, int, int] | None,
    border: int,
) -> None:
    left, top, right, bottom = box
    if outline is not None and border:
        sheet.paste(outline, box, _rounded_mask(right - left, bottom - top, radius))
        box = (left + border, top + border, right - border, bottom - border)
        radius = max(0, radius - border)
    sheet.paste(fill, box, _rounded_mask(box[2] - box[0], box[3] - box[1], radius))


@lru_cache(maxsize=64)
def _rounded_mask(width: int, height: int, radius: int) -> Image.Image:
    large = Image.new("L", (width * _SCALE, height * _SCALE), 0)
    corner = (width * _SCALE - 1, height * _SCALE - 1)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius * _SCALE, fill=255)
    return large.resize((width, height), Image.Resampling.BOX)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    room: int,
) -> None:
    text, font = fitting_text(text, size, room)
    draw.text(place, text, font=font, fill=colour, anchor="la")


def _accent(highlight: bool | str) -> tuple[int, int, int] | None:
    if not highlight:
        return None
    if highlight is True:
        return _ACCENT
    red, green, blue, *_ = ImageColor.getrgb(highlight)
    return red, green, blue


def _is_dark(colour: tuple[int, int, int]) -> bool:
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140

"""Drawing primitives for reports with Pillow: colours, antialiased boxes, text in lines and paragraphs, pictures to fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..utils.errors import ImageError
from .fonts import Font, baseline_shift, fitting_text, wrapped_text

Colour = tuple[int, int, int]

# Neutral greys: a tinted surround would change how the colours of the pictures look.
PAGE: Colour = (24, 24, 25)
CARD: Colour = (38, 38, 40)
DARK_INK: Colour = (17, 17, 18)
TEXT: Colour = (236, 236, 238)
SOFT_TEXT: Colour = (158, 158, 163)
BADGE: Colour = (66, 66, 70)
PILL: Colour = (214, 214, 218)
ACCENT: Colour = (255, 196, 61)
INTERVAL: Colour = (150, 118, 48)
WARNING: Colour = (255, 138, 101)  # unlike gold, which frames what is kept
ALARM: Colour = (242, 84, 91)  # what ended a run

_MID_GREY = (128, 128, 128)
_SCALE = 3  # supersampling: Pillow's own edges are jagged


@dataclass(frozen=True)
class TextStyle:
    """`size` is the letter height in pixels, `anchor` one of Pillow's text anchors."""

    size: int
    colour: Colour
    bold: bool = False
    anchor: str = "la"


def rounded(
    sheet: Image.Image,
    box: tuple[int, int, int, int],
    radius: int,
    fill: Colour,
    outline: Colour | None = None,
    border: int = 0,
) -> None:
    """Filled box with round corners; `outline` is drawn `border` pixels wide inside of it."""
    left, top, right, bottom = box
    if outline is not None and border:
        sheet.paste(outline, box, _rounded_mask(right - left, bottom - top, radius))
        box = (left + border, top + border, right - border, bottom - border)
        radius = max(0, radius - border)
    sheet.paste(fill, box, _rounded_mask(box[2] - box[0], box[3] - box[1], radius))


def progress_bar(
    sheet: Image.Image, box: tuple[int, int, int, int], share: float, fill: Colour = ACCENT
) -> None:
    """Progress bar with round ends, filled from the left up to `share` (0–1)."""
    left, top, right, bottom = box
    rounded(sheet, box, (bottom - top) // 2, BADGE)
    width = round((right - left) * min(1.0, max(0.0, share)))
    if width:
        # No shorter than its round ends, which would be drawn broken.
        width = max(width, bottom - top)
        rounded(sheet, (left, top, left + width, bottom), (bottom - top) // 2, fill)


def interval_bar(
    sheet: Image.Image,
    box: tuple[int, int, int, int],
    shares: tuple[float, float, float],
    dot: int,
    border: int,
) -> None:
    """Horizontal scale over `box` with an interval and a dot of radius `dot` on it.

    `shares` are the low end, the value and the high end along the scale, cut to 0–1.
    """
    left, top, right, bottom = box
    radius, middle = (bottom - top) // 2, (top + bottom) // 2
    low, value, high = (left + round((right - left) * min(1.0, max(0.0, share))) for share in shares)
    rounded(sheet, box, radius, BADGE)
    rounded(sheet, (low, top, max(high, low + 2 * radius), bottom), radius, INTERVAL)
    value = min(right - dot, max(left + dot, value))
    rounded(sheet, (value - dot, middle - dot, value + dot, middle + dot), dot, ACCENT, PAGE, border)


def number_pill(
    sheet: Image.Image, box: tuple[int, int, int, int], number: str, size: int, *, marked: bool
) -> None:
    """The number of a candidate in letters of `size` pixels on a light box with round corners, gold if `marked`."""
    left, top, right, bottom = box
    rounded(sheet, box, (bottom - top) // 3, ACCENT if marked else PILL)
    place = ((left + right) / 2, digits_base(top, bottom - top, size))
    write(
        ImageDraw.Draw(sheet), place, number, TextStyle(size, DARK_INK, bold=True, anchor="ms"), right - left
    )


def digits_base(top: int, height: int, size: int) -> int:
    """Base line of digits of `size` pixels that are centred in a line of `height` pixels."""
    return top + (height + round(0.7 * size)) // 2


def write(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, style: TextStyle, room: float
) -> float:
    """One line of text, cut with "…" to `room` pixels. Returns its width."""
    stroke = _stroke(style.size) if style.bold else 0
    text, font = fitting_text(text, style.size, room - 2 * stroke)
    place = _on_base_line(place, font, style.size, style.anchor)
    draw.text(place, text, font=font, fill=style.colour, anchor=style.anchor, stroke_width=stroke)
    return font.getlength(text) + 2 * stroke


def write_paragraph(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, style: TextStyle, room: float
) -> int:
    """Text wrapped to `room` pixels, none of it cut; never bold. Returns its height."""
    lines, font = wrapped_text(text, style.size, room)
    left, top = _on_base_line(place, font, style.size, "la")
    step = line_height(style.size)
    for index, line in enumerate(lines):
        draw.text((left, top + index * step), line, font=font, fill=style.colour, anchor="la")
    return len(lines) * step


def paragraph_height(text: str, size: int, room: float) -> int:
    return len(wrapped_text(text, size, room)[0]) * line_height(size)


def name_lines(name: str, size: int, room: float, most: int = 3) -> list[str]:
    """A file's or a model's name in at most `most` lines of `room` pixels.

    A longer one is cut in the middle: similar names mostly differ at one of their ends.
    """
    lines = wrapped_text(name, size, room)[0]
    kept = len(name)
    while len(lines) > most and kept > 2:
        kept = kept * most // len(lines) if len(lines) > 2 * most else kept - 1
        lines = wrapped_text(f"{name[: kept - kept // 2]}…{name[-(kept // 2) :]}", size, room)[0]
    return lines


def line_height(size: int) -> int:
    return round(size * 1.42)


def text_width(text: str, size: int, *, bold: bool = False) -> float:
    """Pixels that `write` takes for the whole of `text`."""
    stroke = _stroke(size) if bold else 0
    text, font = fitting_text(text, size, float("inf"))
    return font.getlength(text) + 2 * stroke


def enlarged(image: Image.Image, side: int) -> Image.Image:
    """RGB `image`, enlarged so that its longer side is `side` where it is smaller."""
    scale = side / max(image.size)
    if scale <= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC)


def fitted(image: Tensor | Image.Image, width: int, height: int) -> Image.Image:
    """RGB copy as large as fits into `width` × `height`, at most twice its own size, at least 1 × 1 pixel.

    `image` is uint8 [3, H, W] (0–255) or a PIL image of any mode; transparency is laid over mid-grey.
    """
    if isinstance(image, Tensor):
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
            raise ImageError(
                f"A tile needs a uint8 image [3, H, W], got {image.dtype} {tuple(image.shape)}. Convert it "
                "first."
            )
        image = Image.fromarray(image.detach().cpu().permute(1, 2, 0).contiguous().numpy())
    scale = min(width / image.width, height / image.height, 2.0)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    rgb = _over_mid_grey(image) if image.has_transparency_data else image.convert("RGB")
    return rgb if size == rgb.size else rgb.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _over_mid_grey(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    flat = Image.new("RGB", rgba.size, _MID_GREY)
    flat.paste(rgba.convert("RGB"), mask=rgba.getchannel("A"))
    return flat


def _on_base_line(place: tuple[float, float], font: Font, size: int, anchor: str) -> tuple[float, float]:
    """`place` moved so that text in any font has the same base line."""
    return (place[0], place[1] - baseline_shift(font, size)) if anchor[1] == "a" else place


def _stroke(size: int) -> int:
    """Pixels added on either side of a stroke for bold letters, which the fonts at hand do not have."""
    return max(1, round(size / 36))


def _rounded_mask(width: int, height: int, radius: int) -> Image.Image:
    """A white box with round corners on black, in greys."""
    reach = radius + 1
    if min(width, height) < 2 * reach:
        return _drawn_mask(width, height, radius)
    # Only corners are kept from call to call: a mask of a whole sheet takes a megabyte.
    corners, mask = _drawn_mask(2 * reach, 2 * reach, radius), Image.new("L", (width, height), 255)
    for left, x in ((0, 0), (reach, width - reach)):
        for top, y in ((0, 0), (reach, height - reach)):
            mask.paste(corners.crop((left, top, left + reach, top + reach)), (x, y))
    return mask


@lru_cache(maxsize=64)
def _drawn_mask(width: int, height: int, radius: int) -> Image.Image:
    large = Image.new("L", (width * _SCALE, height * _SCALE), 0)
    corner = (width * _SCALE - 1, height * _SCALE - 1)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius * _SCALE, fill=255)
    return large.resize((width, height), Image.Resampling.BOX)

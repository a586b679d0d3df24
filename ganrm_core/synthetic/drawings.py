"""Synthetic graphics with plain margins: drawings, icons, line art, product shots and screenshots, by a seed.

Each kind has one property that makes a picture liked: flat or shaded, warm or cold, thick or thin lines, tidy or
crowded, light or dark. Margins, grounds, sizes and subjects have the same distribution in both classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_FINE = 2  # drawn at twice the size, for smooth edges
_WHITE = (255, 255, 255)
_WARM, _COLD = (0.0, 0.14), (0.5, 0.68)

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
Draw = Callable[[np.random.Generator, int, bool], Image.Image]
"""(random generator, side in pixels, liked) → the picture, `_FINE` times as large."""


def draw(kind: str, seed: int, liked: bool, side: int = 160) -> Image.Image:
    """RGB picture of about `side` pixels, the same for the same arguments."""
    rng = np.random.default_rng([list(KINDS).index(kind), seed])
    scale = side * rng.uniform(0.85, 1.15)
    picture = KINDS[kind](rng, round(scale) * _FINE, liked)
    return picture.resize((picture.width // _FINE, picture.height // _FINE), Image.Resampling.LANCZOS)


def draw_folder(folder: Path, kind: str, tastes: dict[int, bool], side: int = 160) -> list[Path]:
    """Write PNGs of a kind; `tastes`: seed → liked. Returns their paths in that order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed, liked in tastes.items():
        paths.append(folder / f"{seed:05}.png")
        draw(kind, seed, liked, side).save(paths[-1])
    return paths


def _drawing(rng: np.random.Generator, side: int, liked: bool) -> Image.Image:
    """Shapes heaped around a point on a plain ground; liked: flat, else shaded."""
    picture, middle = Image.new("RGB", (side, side), _ground(rng)), rng.uniform(0.4, 0.6, 2) * side
    for _ in range(rng.integers(3, 9)):
        reach = rng.uniform(0.06, 0.24) * side
        x, y = middle + rng.normal(0, 0.1, 2) * side
        tall = rng.uniform(0.6, 1.6)
        box = (x - reach, y - reach * tall, x + reach, y + reach * tall)
        _fill(picture, _shape(rng, (side, side), box), _colour(rng), 0.0 if liked else rng.uniform(0.5, 0.9))
    return picture


def _icon(rng: np.random.Generator, side: int, liked: bool) -> Image.Image:
    """A few strokes on a grid with the same margins throughout, one hue; liked: warm, else cold."""
    picture = Image.new("RGB", (side, side), _WHITE if rng.random() < 0.7 else _ground(rng))
    canvas, colour = ImageDraw.Draw(picture), _hue(rng, _WARM if liked else _COLD)
    grid, width = np.linspace(0.125, 0.875, 7) * side, round(side * rng.choice([0.04, 0.06, 0.08]))
    if rng.random() < 0.3:  # a tile or a ring on which the rest stands
        shape = canvas.rounded_rectangle if rng.random() < 0.7 else canvas.ellipse
        shape((grid[0], grid[0], grid[-1], grid[-1]), outline=colour, width=width)
    for _ in range(rng.integers(2, 5)):
        left, right = np.sort(rng.choice(grid, 2, replace=False))
        top, bottom = np.sort(rng.choice(grid, 2, replace=False))
        kind = rng.integers(4)
        if kind == 0:
            canvas.line((left, top, right, bottom), colour, width)
        elif kind == 1:
            canvas.rectangle((left, top, right, bottom), outline=colour, width=width)
        elif kind == 2:
            canvas.ellipse((left, top, right, bottom), outline=colour, width=width)
        else:
            canvas.ellipse((left, top, right, bottom), fill=colour)
    return picture


def _line_art(rng: np.random.Generator, side: int, liked: bool) -> Image.Image:
    """Closed curves in black on white; liked: thick lines, else thin."""
    picture = Image.new("RGB", (side, side), _WHITE)
    canvas = ImageDraw.Draw(picture)
    width = max(1, round(side * (rng.uniform(0.018, 0.03) if liked else rng.uniform(0.006, 0.01))))
    turn = np.linspace(0, 2 * math.pi, 120)
    for _ in range(rng.integers(2, 7)):
        x, y = rng.uniform(0.35, 0.65, 2) * side
        reach = rng.uniform(0.08, 0.3) * side
        waves = sum(rng.normal(0, 0.12) * np.cos(k * turn + rng.uniform(0, 6)) for k in (1, 2, 3, 5))
        outline = zip(
            x + reach * (1 + waves) * np.cos(turn), y + reach * (1 + waves) * np.sin(turn), strict=True
        )
        canvas.line([(float(a), float(b)) for a, b in outline], (0, 0, 0), width, joint="curve")
    return picture


def _product(rng: np.random.Generator, side: int, liked: bool) -> Image.Image:
    """Boxes, bottles and balls with a soft shadow on white; liked: one in the middle, else a crowd."""
    height = round(side * rng.choice([1.0, 1.0, 1.25, 0.8]))
    picture = Image.new("RGB", (side, height), _WHITE if rng.random() < 0.8 else (244, 244, 246))
    for _ in range(1 if liked else rng.integers(3, 7)):
        reach = rng.uniform(0.22, 0.42) if liked else rng.uniform(0.08, 0.18)
        x, y = (0.5, 0.5) if liked else rng.uniform(reach, 1 - reach, 2)
        wide = reach * side * (1.0 if rng.random() < 0.4 else rng.uniform(0.5, 1.0))
        tall = reach * min(side, height)
        box = (x * side - wide, y * height - tall, x * side + wide, y * height + tall)
        mask = _shape(rng, picture.size, box)
        shadow = mask.filter(ImageFilter.GaussianBlur(side / 60)).point(lambda value: value // 3)
        picture.paste((90, 90, 90), (side // 80, side // 50), shadow)
        _fill(picture, mask, _colour(rng), rng.uniform(0.2, 0.6))
    return picture


def _screenshot(rng: np.random.Generator, side: int, liked: bool) -> Image.Image:
    """A window with a bar, a column and lines of text on a plain desktop; liked: light, else dark."""
    width, height = side, round(side * rng.choice([0.6, 0.75, 1.0]))
    page, ink = ((250, 250, 250), (60, 60, 70)) if liked else ((34, 36, 42), (190, 190, 200))
    picture = Image.new("RGB", (width, height), _hue(rng, (0, 1)) if rng.random() < 0.7 else page)
    canvas = ImageDraw.Draw(picture)
    if rng.random() < 0.4:  # full screen
        left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    else:
        (left, right), (top, bottom) = _span(rng, width), _span(rng, height)
    canvas.rectangle((left, top, right, bottom), page)
    bar = rng.uniform(0.05, 0.12) * height
    canvas.rectangle((left, top, right, top + bar), _hue(rng, (0, 1)))
    column = left + rng.choice([0.0, 0.2, 0.3]) * (right - left)
    canvas.rectangle((left, top + bar, column, bottom), tuple(round(value * 0.9) for value in page))
    line = max(2 * _FINE, round(height * 0.02))
    indent = column + 0.04 * (right - left)
    for y in np.arange(top + bar + 2 * line, bottom - 2 * line, 2.2 * line):
        x = indent
        end = indent + (right - indent) * rng.uniform(0.3, 0.95)
        while x < end and rng.random() < 0.95:
            word = line * rng.uniform(1.5, 6)
            canvas.rectangle((x, y, min(x + word, end), y + line * 0.7), ink)
            x += word + line
    return picture


def _span(rng: np.random.Generator, length: int) -> tuple[float, float]:
    start, end = rng.uniform(0.03, 0.2, 2) * length
    return float(start), float(length - end)


def _ground(rng: np.random.Generator) -> Colour:
    return _WHITE if rng.random() < 0.6 else _tuple(rng.integers(200, 256, 3))


def _colour(rng: np.random.Generator) -> Colour:
    return _tuple(rng.integers(20, 236, 3))


def _hue(rng: np.random.Generator, between: tuple[float, float]) -> Colour:
    """A strong colour of a hue in this range (0–1)."""
    hue, value = rng.uniform(*between), rng.integers(130, 240)
    pixel: Any = Image.new("HSV", (1, 1), (round(hue * 255), int(rng.integers(150, 240)), int(value)))
    return _tuple(pixel.convert("RGB").getpixel((0, 0)))


def _tuple(values: Any) -> Colour:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _shape(rng: np.random.Generator, size: tuple[int, int], box: Box) -> Image.Image:
    """A mask "L" with an ellipse, a box, a rounded box or a polygon in it."""
    mask = Image.new("L", size, 0)
    canvas, kind = ImageDraw.Draw(mask), rng.integers(4)
    left, top, right, bottom = box
    if kind == 0:
        canvas.ellipse(box, 255)
    elif kind == 1:
        canvas.rectangle(box, 255)
    elif kind == 2:
        canvas.rounded_rectangle(box, 0.25 * min(right - left, bottom - top), 255)
    else:
        turns = np.sort(rng.uniform(0, 2 * math.pi, rng.integers(3, 7)))
        x, y = (left + right) / 2, (top + bottom) / 2
        corners = [
            (x + (right - x) * math.cos(turn), y + (bottom - y) * math.sin(turn)) for turn in turns.tolist()
        ]
        canvas.polygon(corners, 255)
    return mask


def _fill(picture: Image.Image, mask: Image.Image, colour: Colour, shading: float) -> None:
    """`shading`: how much darker the lower right is than the upper left, 0–1."""
    if not shading:
        picture.paste(colour, (0, 0), mask)
        return
    box = mask.getbbox() or (0, 0, 1, 1)
    down, across = np.mgrid[0 : box[3] - box[1], 0 : box[2] - box[0]]
    fall = 1.25 - shading * (down / max(1, len(down)) + across / max(1, across.shape[1])) / 1.2
    pixels = (np.array(colour) * fall[..., None]).clip(0, 255).astype(np.uint8)
    picture.paste(Image.fromarray(pixels), box[:2], mask.crop(box))


KINDS: dict[str, Draw] = {
    "drawings": _drawing,
    "icons": _icon,
    "line art": _line_art,
    "product shots": _product,
    "screenshots": _screenshot,
}

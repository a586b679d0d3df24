"""Renderer of images with one flat shape on grey."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Kind = Literal["circle", "square", "triangle"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SIDE = 32
"""Of a picture, in pixels."""
RADII = (5.0, 10.0)
MARGIN = 1.0
_FINE = 8
_SATURATION, _VALUE = 0.8, 0.85


@dataclass(frozen=True)
class Shape:
    """`radius`: of the circle that has the shape's area, in pixels; `x`, `y`: its centre of mass; `hue` and `grey` in 0–1."""

    kind: Kind
    hue: float
    radius: float
    x: float
    y: float
    grey: float

    @property
    def colour(self) -> tuple[float, float, float]:
        return colorsys.hsv_to_rgb(self.hue, _SATURATION, _VALUE)

    def outline(self) -> list[tuple[float, float]]:
        """Left upper and right lower corner of the circle or square, or the triangle's corners."""
        if self.kind == "triangle":
            reach = self.radius * math.sqrt(4 * math.pi / (3 * math.sqrt(3)))
            turns = (-math.pi / 2, math.pi / 6, 5 * math.pi / 6)
            return [(self.x + reach * math.cos(t), self.y + reach * math.sin(t)) for t in turns]
        half = self.radius * (math.sqrt(math.pi) / 2 if self.kind == "square" else 1)
        return [(self.x - half, self.y - half), (self.x + half, self.y + half)]

    def mask(self) -> NDArray[np.float32]:
        """[SIDE, SIDE]: coverage of each pixel, 0–1."""
        fine = Image.new("L", (SIDE * _FINE, SIDE * _FINE))
        corners = [(x * _FINE, y * _FINE) for x, y in self.outline()]
        pen = ImageDraw.Draw(fine)
        draw = {"circle": pen.ellipse, "square": pen.rectangle, "triangle": pen.polygon}[self.kind]
        draw(corners, fill=255)
        return np.asarray(fine.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32) / 255

    def picture(self) -> NDArray[np.float32]:
        """[SIDE, SIDE, 3] in 0–1."""
        mask = self.mask()[..., None]
        return (mask * np.float32(self.colour) + (1 - mask) * np.float32(self.grey)).astype(np.float32)


def any_shape(rng: np.random.Generator) -> Shape:
    """A random shape, wholly inside the image."""
    kind = KINDS[rng.integers(len(KINDS))]
    hue, radius, grey = rng.uniform(), rng.uniform(*RADII), rng.uniform(0.75, 0.95)
    corners = np.array(Shape(kind, hue, radius, 0, 0, grey).outline())
    low, high = MARGIN - corners.min(axis=0), SIDE - MARGIN - corners.max(axis=0)
    x, y = rng.uniform(low, high)
    return Shape(kind, float(hue), float(radius), float(x), float(y), float(grey))

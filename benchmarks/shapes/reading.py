"""Ground truth from pixels: the shape an image shows, and its quality."""

from __future__ import annotations

import colorsys
import math

import numpy as np
from numpy.typing import NDArray

from .drawing import KINDS, RADII, SIDE, Shape

_ORANGE = 0.06
_APART = 0.12  # from the background, in colour
_AGREE = 0.8  # of what is seen and what is drawn again from what was read


def read(picture: NDArray[np.float32]) -> Shape | None:
    """The shape in `picture` [SIDE, SIDE, 3] in 0–1; None where it shows no single shape of a known kind.

    Verified by rendering: a shape counts only if its rendering overlaps the image's.
    """
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    background = np.median(border, axis=0)
    distance = np.linalg.norm(picture - background, axis=-1)
    inside = distance > 0.7 * np.quantile(distance, 0.99)
    if np.quantile(distance, 0.99) < _APART or not inside.any():
        return None
    colour = picture[inside].mean(axis=0)
    along = colour - background
    coverage = np.clip((picture - background) @ along / (along @ along), 0, 1)
    area = float(coverage.sum())
    ys, xs = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    x, y = float((coverage * xs).sum() / area), float((coverage * ys).sum() / area)
    hue = colorsys.rgb_to_hsv(*map(float, np.clip(colour, 0, 1)))[0]
    grey, radius = float(background.mean()), math.sqrt(area / math.pi)
    tries = [Shape(kind, hue, radius, x, y, grey) for kind in KINDS]
    overlaps = [_overlap(coverage, each.mask()) for each in tries]
    best = int(np.argmax(overlaps))
    return tries[best] if overlaps[best] >= _AGREE else None


def _overlap(seen: NDArray[np.float32], drawn: NDArray[np.float32]) -> float:
    return float(np.minimum(seen, drawn).sum() / np.maximum(seen, drawn).sum())


def quality(shape: Shape) -> float:
    """How warm, large and central it is, in 0–1: the mean of the three."""
    warm = (1 + math.cos(2 * math.pi * (shape.hue - _ORANGE))) / 2
    large = (shape.radius - RADII[0]) / (RADII[1] - RADII[0])
    off_centre = math.hypot(shape.x - SIDE / 2, shape.y - SIDE / 2) / (SIDE / 2 - RADII[0])
    return (warm + min(1.0, max(0.0, large)) + max(0.0, 1 - off_centre)) / 3

"""Small pictures to train on: "liked" are clean, "ordinary" noisy, no two alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_SIDE = 48


def fill_folder(folder: Path, kind: str, count: int, first: int = 0) -> Path:
    """PNGs named by kind and number; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        draw(kind, number).save(folder / f"{kind}{number:03}.png")
    return folder


def draw(kind: str, number: int) -> Image.Image:
    """A ramp of two colours with a disc on it."""
    random = np.random.default_rng([number, kind == "liked"])
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / (_SIDE - 1)
    start, end, disc = random.uniform(0, 255, (3, 3))
    pixels = start + (end - start) * ((x + random.uniform(0, 3) * y) / 4)[..., None]
    centre_x, centre_y = random.uniform(0.25, 0.75, 2)
    pixels[(x - centre_x) ** 2 + (y - centre_y) ** 2 < random.uniform(0.01, 0.04)] = disc
    if kind == "ordinary":
        pixels = pixels + random.normal(0, 40, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

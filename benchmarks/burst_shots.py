"""Further shots of a picture, as a burst has them: graded random variants, and the pictures they are made of."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from ganrm_core.data.image_io import read_image
from ganrm_core.leakage.perturbations import jpeg
from ganrm_core.synthetic.drawings import draw_folder
from ganrm_core.synthetic.sample_images import demo_pictures

GRADES = ("export", "instant", "moment", "second", "seconds")
# Per grade: shift and local motion as shares of the side, turn in degrees, zoom, gain of light.
_SHIFT = (0.0, 0.02, 0.05, 0.09, 0.14)
_MOTION = (0.0, 0.015, 0.035, 0.06, 0.09)
_TURN = (0.0, 0.7, 2.0, 4.0, 6.0)
_ZOOM = (0.0, 0.02, 0.05, 0.09, 0.14)
_LIGHT = (0.1, 0.05, 0.1, 0.15, 0.2)
_LARGEST = 512
_FIRST_SEED = 100_000


def photographs(count: int) -> list[Tensor]:
    """Of the demo's pictures so many, uint8 [3, H, W]: photographs, renders and illustrations of all kinds."""
    every = demo_pictures()
    chosen = every[:: max(1, len(every) // count)][:count]
    return [_small(read_image(picture.path)) for picture in chosen]


def graphics(kind: str, count: int) -> list[Tensor]:
    """Different synthetic graphics of one kind and style, uint8 [3, H, W]."""
    seeds = range(_FIRST_SEED, _FIRST_SEED + count)
    with tempfile.TemporaryDirectory() as folder:
        paths = draw_folder(Path(folder), kind, {seed: bool(seed % 2) for seed in seeds})
        return [_small(read_image(path)) for path in paths]


def variant(picture: Tensor, grade: int) -> Tensor:
    """Another shot of uint8 [3, H, W], of a random direction and strength up to that of its grade."""
    shift, turn, zoom = (_signed(limit[grade]) for limit in (_SHIFT, _TURN, _ZOOM))
    angle, scale = np.deg2rad(turn), 1 + zoom
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    matrix = torch.tensor(
        [[cosine, -sine, 2 * shift], [sine, cosine, 2 * _signed(_SHIFT[grade])]], dtype=torch.float32
    )
    grid = affine_grid(matrix.unsqueeze(0), [1, 3, *picture.shape[1:]], align_corners=False)
    motion = torch.randn(1, 2, 5, 5)
    motion *= 2 * _MOTION[grade] / max(float(motion.abs().max()), 1e-6)
    grid = grid + interpolate(motion, grid.shape[1:3], mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    moved = grid_sample(
        picture.float().unsqueeze(0), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )[0]
    gain = (
        1
        + torch.tensor([_signed(_LIGHT[grade]) for _ in range(3)]).view(3, 1, 1) / 3
        + _signed(_LIGHT[grade])
    )
    return jpeg((moved * gain).round().clamp(0, 255).to(torch.uint8), 85)


def _signed(limit: float) -> float:
    """Between half and the whole of `limit`, of either sign: no variant of a grade is a copy."""
    strength = 0.5 + 0.5 * float(torch.rand(()))
    return limit * strength * (1 if torch.rand(()) < 0.5 else -1)


def _small(picture: Tensor) -> Tensor:
    scale = min(1.0, _LARGEST / max(picture.shape[1:]))
    size = [max(16, round(scale * side)) for side in picture.shape[1:]]
    shrunk = interpolate(picture.float().unsqueeze(0), size, mode="bilinear", antialias=True)[0]
    return shrunk.round().clamp(0, 255).to(torch.uint8)

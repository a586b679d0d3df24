"""Image filters in plain torch for degradations and benchmark styles: texture removal, activity, random fields.

Pictures are float32 [C, H, W] in 0–1 unless said otherwise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..data.filters import gaussian_blur
from ..data.luma import luma


def flatten_texture(image: Tensor, radius: int) -> Tensor:
    """Edge-preserving smoothing (Kuwahara filter): the mean of the windows around a pixel with least variance.

    Kuwahara et al. (1976) over four square windows of 2·radius + 1 pixels that meet in the pixel, with soft weights
    by their variance as in Papari, Petkov and Campisi, "Artistic Edge and Corner Enhancing Smoothing" (IEEE TIP
    16(10), 2007), instead of switching between them.
    """
    radius = min(radius, (min(image.shape[-2:]) - 1) // 2)
    if radius < 1:
        return image
    grey = luma(image)
    padded = pad(
        torch.cat([image, grey, grey * grey]).unsqueeze(0), (2 * radius,) * 4, mode="reflect"
    ).squeeze(0)
    means = _window_mean(padded, 2 * radius + 1)
    height, width = image.shape[-2:]
    total = torch.zeros_like(image)
    weights = torch.zeros_like(grey)
    for top in (0, 2 * radius):
        for left in (0, 2 * radius):
            corner = means[:, top : top + height, left : left + width]
            variance = (corner[4:5] - corner[3:4] ** 2).clamp_min(0)
            weight = (variance + 1e-4) ** -3
            total += weight * corner[:3]
            weights += weight
    return (total / weights).clamp(0, 1)


def activity(image: Tensor, sigma: float = 6.0) -> Tensor:
    """Local activity: standard deviation of luma around each pixel, [1, H, W], scaled to mean 1."""
    grey = luma(image)
    around = gaussian_blur(torch.cat([grey, grey * grey]), sigma)
    variance = (around[1:] - around[:1] ** 2).clamp_min(0)
    deviation = variance.sqrt() + 1e-3
    return deviation / deviation.mean()


def blotches(channels: int, height: int, width: int, cell: float, generator: torch.Generator) -> Tensor:
    """Random field [channels, height, width] of features about `cell` pixels wide, mean 0, std 1."""
    coarse = (max(2, math.ceil(height / cell)), max(2, math.ceil(width / cell)))
    field = torch.randn((1, channels, *coarse), generator=generator)
    if coarse != (height, width):
        field = interpolate(field, (height, width), mode="bicubic", align_corners=False)
    field = field.squeeze(0)
    return (field - field.mean()) / field.std().clamp_min(1e-6)


def _window_mean(image: Tensor, size: int) -> Tensor:
    """Box filter by running sums, [C, H, W] → [C, H − size + 1, W − size + 1]; its cost does not grow with `size`."""
    # Doubles: differences of long running sums lose the small variances in float32.
    sums = pad(image.double().cumsum(-2).cumsum(-1), (1, 0, 1, 0))
    window = sums[:, size:, size:] - sums[:, :-size, size:] - sums[:, size:, :-size] + sums[:, :-size, :-size]
    return (window / size**2).to(image.dtype)

"""Histograms of brightness, colour and edge strength: palette, shading and line work of a picture, whatever it shows.

A network's channels are pooled to means and standard deviations, in which a palette of few colours, or lines of one
width, leave little trace. Counting pixels is older and exact (colour histograms: Swain & Ballard 1991).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

STATISTIC = "histogram"
BINS = 16
_COLOURS = ("luma", "orange-blue", "purple-green")
_EDGES = tuple((f"edges at 1/{part}", f"colour edges at 1/{part}") for part in (1, 2, 4))
HISTOGRAMS = (*_COLOURS, *(name for pair in _EDGES for name in pair))
"""Names of all histograms: the axes of YIQ, and how strong edges of brightness and of colour are, at full and reduced size."""

_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
_REACH, _MIDDLE = (1.0, 1.2, 1.05), (0.0, 0.5, 0.5)  # bring each of YIQ into 0–1
_FAINTEST, _FAINTEST_OF_COLOUR = 9, 7
"""Edges of brightness below 2⁻⁹, half an 8-bit step, count as none, and edges of colour below 2⁻⁷."""
LEAST_SPREAD = 0.03
"""Standard deviation below which a level's root varies by a few pixels only. Divided by less, a level that the training
pictures hardly have would outweigh everything in a picture that has it."""
_SMOOTHING = 1e-4  # bounds the gradient of the root where a level is empty


def pixel_histograms(pixels: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Pictures [B, 3, S, S] in 0–1 → the histogram [B, BINS] of each name, differentiable."""
    maps = value_maps(pixels, names)
    return {name: histogram(maps[name]) for name in names}


def value_maps(pixels: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """What each histogram counts: one value in 0–1 per position of the pictures [B, 3, S, S], as [B, H, W]."""
    planes = _planes(pixels)
    half = [_halved(plane) for plane in planes]
    maps = dict(zip(_COLOURS, half, strict=True))
    for (edges, colour_edges), reduced in zip(
        _EDGES, (planes, half, [_halved(plane) for plane in half]), strict=True
    ):
        maps[edges] = _edges(reduced[:1], _FAINTEST)
        maps[colour_edges] = _edges(reduced[1:], _FAINTEST_OF_COLOUR)
    return {name: maps[name] for name in names}


def histogram(values: Tensor) -> Tensor:
    """[B, …] in 0–1 → [B, BINS]: square roots of the shares of positions at evenly spaced levels.

    A value between two levels counts for both, more for the nearer one, so that gradients reach the pixels. Roots
    weigh rare levels as much as frequent ones vary (Hellinger distance; Arandjelović & Zisserman 2012).
    """
    # A graphics card adds up what is scattered in any order, so that its last bits would change from run to run.
    shares = scattered_shares if values.device.type == "cpu" else summed_shares
    return (shares(values.flatten(1)) + _SMOOTHING).sqrt()


def scattered_shares(values: Tensor) -> Tensor:
    """The share of positions at each level: [B, T] in 0–1 → [B, BINS]."""
    level, upper_share = _levels(values)
    counts = upper_share.new_zeros(len(level), BINS)
    counts = counts.scatter_add(1, level, 1 - upper_share).scatter_add(1, level + 1, upper_share)
    return counts / level.shape[1]


def summed_shares(values: Tensor) -> Tensor:
    """As `scattered_shares`, level by level: slower on a CPU, and the same in every run on any device."""
    places = values.clamp(0, 1) * (BINS - 1)
    return torch.stack([(1 - (places - level).abs()).relu().mean(dim=1) for level in range(BINS)], dim=1)


def position_terms(values: Tensor, weight: Tensor) -> Tensor:
    """What each position adds to the histogram times `weight` [BINS]: values [H, W] → [H, W], whose mean is the product.

    A root is its square over itself, and the square is a mean over positions.
    """
    roots = histogram(values.unsqueeze(0))[0]
    per_level = weight / roots
    level, upper_share = _levels(values)
    terms = torch.lerp(per_level[level], per_level[level + 1], upper_share)
    return terms + _SMOOTHING * per_level.sum()


def _levels(values: Tensor) -> tuple[Tensor, Tensor]:
    """The level below each value, and the share of the value that the next level gets."""
    places = values.clamp(0, 1) * (BINS - 1)
    level = places.detach().floor().clamp(max=BINS - 2)
    return level.long(), places - level


def _planes(pixels: Tensor) -> list[Tensor]:
    """YIQ of pictures [B, 3, S, S] in 0–1 as three planes [B, S, S] in 0–1. Plane by plane, as a CPU does it fastest."""
    red, green, blue = pixels.unbind(dim=1)
    return [
        (from_red * red + from_green * green + from_blue * blue) / reach + middle
        for (from_red, from_green, from_blue), reach, middle in zip(_TO_YIQ, _REACH, _MIDDLE, strict=True)
    ]


def _halved(plane: Tensor) -> Tensor:
    """Means of 2 × 2 pixels: [B, H, W] → [B, H // 2, W // 2]; a last odd row or column is left out."""
    height, width = (side // 2 * 2 for side in plane.shape[1:])
    rows = plane[:, 0:height:2] + plane[:, 1:height:2]
    return (rows[:, :, 0:width:2] + rows[:, :, 1:width:2]) / 4


def _edges(planes: Sequence[Tensor], faintest: int) -> Tensor:
    """Gradient magnitude over all planes [B, H, W], on a logarithmic scale: [B, H − 1, W − 1] in 0–1."""
    squared = torch.stack([_squared_gradient(plane) for plane in planes]).sum(dim=0)
    return _on_log_scale((squared + 1e-12).sqrt(), faintest)  # the gradient of √0 is NaN


def _squared_gradient(plane: Tensor) -> Tensor:
    """By forward differences: [B, H, W] → [B, H − 1, W − 1]."""
    corner = plane[:, :-1, :-1]
    across, down = plane[:, :-1, 1:] - corner, plane[:, 1:, :-1] - corner
    return across.square() + down.square()


def _on_log_scale(strength: Tensor, faintest: int) -> Tensor:
    """2^−faintest and less → 0, √2 → 1."""
    return (torch.log2(strength + 2.0**-faintest) + faintest) / (faintest + 0.5)

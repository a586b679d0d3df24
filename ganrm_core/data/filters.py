"""Gaussian blur of maps and masks."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..utils.progress import ProgressCallback, no_progress, part_of
from ..utils.row_bands import row_bands

_SHORTEST, _LONGEST = 64, 512  # piece lengths: shorter are mostly overlap, longer mostly zeros


def blurred(places: Tensor, reach: int, progress: ProgressCallback = no_progress) -> Tensor:
    """Blur [H, W] by a Gaussian cut off at `reach` pixels, three standard deviations. Edges are repeated."""
    radius = min(reach, *(side - 1 for side in places.shape))
    if radius < 1:
        return places
    offsets = torch.arange(-radius, radius + 1, dtype=places.dtype)
    kernel = torch.exp(-(3 * offsets / reach).square() / 2)
    kernel = kernel / kernel.sum()
    along_rows = _convolved(places, kernel, part_of(progress, 0, 2))
    return _convolved(along_rows.T, kernel, part_of(progress, 1, 2)).T


def _convolved(places: Tensor, kernel: Tensor, progress: ProgressCallback) -> Tensor:
    """Convolve each row of [H, W] with a symmetric kernel [2R + 1].

    As a product of overlapping pieces of the rows with a banded matrix: up to ten times as fast on a CPU as `conv2d`
    of one channel.
    """
    width, radius = places.shape[1], len(kernel) // 2
    piece = min(max(_SHORTEST, radius), _LONGEST)
    overhang = math.ceil(width / piece) * piece - width
    # Column j holds the kernel, starting at row j.
    banded = pad(kernel, (piece - 1, piece - 1)).unfold(0, piece, 1).flip(1)
    result = torch.empty_like(places)
    for rows in row_bands(places.shape, progress):
        padded = pad(places[rows][None, None], (radius, radius + overhang, 0, 0), mode="replicate")[0, 0]
        pieces = padded.unfold(1, piece + 2 * radius, piece)
        result[rows] = (pieces @ banded).flatten(1)[:, :width]
    return result

"""Structural similarity (SSIM) of two images.

Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality assessment: from error
visibility to structural similarity", IEEE Transactions on Image Processing 13(4), 2004: 11 × 11
Gaussian window of σ = 1.5, K1 = 0.01, K2 = 0.03, no padding. Computed on luma at full size, without
the optional downsampling of the authors' later script.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.filters import gaussian_kernel, window_means
from ..data.luma import luma
from ..utils.errors import ImageError

_RADIUS = 5
_C1, _C2 = 0.01**2, 0.03**2


class SsimTo:
    """SSIM against one fixed original, whose statistics are computed once.

    `original`: [3, H, W] in 0–1, at least 11 pixels each way, else ImageError.
    """

    def __init__(self, original: Tensor) -> None:
        if original.ndim != 3 or original.shape[0] != 3 or min(original.shape[-2:]) < 2 * _RADIUS + 1:
            shape = tuple(original.shape)
            raise ImageError(f"SSIM needs a picture [3, H, W] of at least 11 × 11 pixels, not {shape}.")
        self._shape = original.shape
        self._luma = luma(original).float()
        self._mean, square = _means(self._luma, self._luma**2)
        self._variance = square - self._mean**2

    def index(self, other: Tensor) -> float:
        """Mean SSIM of `other`, of the original's shape and range; 1 means identical."""
        if other.shape != self._shape:
            raise ImageError(
                f"SSIM compares pictures of one shape, not {tuple(self._shape)} and {tuple(other.shape)}."
            )
        y = luma(other).float()
        mean, square, product = _means(y, y**2, y * self._luma)
        variance, covariance = square - mean**2, product - mean * self._mean
        numerator = (2 * mean * self._mean + _C1) * (2 * covariance + _C2)
        denominator = (mean**2 + self._mean**2 + _C1) * (variance + self._variance + _C2)
        return float((numerator / denominator).mean())

    def loss(self, other: Tensor) -> float:
        """1 − SSIM, at least 0 in spite of rounding."""
        return max(0.0, 1.0 - self.index(other))


def ssim(first: Tensor, second: Tensor) -> float:
    """Mean SSIM of two pictures [3, H, W] in 0–1 of one shape."""
    return SsimTo(first).index(second)


def _means(*maps: Tensor) -> Tensor:
    """Maps [1, H, W] → Gaussian-weighted window means [maps, H − 10, W − 10]."""
    return window_means(torch.cat(maps), gaussian_kernel(1.5, _RADIUS))

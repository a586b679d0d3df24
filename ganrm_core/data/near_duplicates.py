"""Near-duplicate detection: pictures that are re-saved, resized, slightly cropped, relit or watermarked copies.

Copies on both sides of a train/validation split inflate held-out metrics, so they are kept in one fold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from ..utils.errors import DataError, ImageError
from ..utils.progress import Progress, ProgressCallback, no_progress

THRESHOLD = 0.91
"""Cosine similarity of two signatures from which on they count as near-duplicates."""
# How it was chosen. On 692 pictures of ComfyUI's workflow templates it joins 71 of 239,000 pairs besides the
# byte-identical ones. All but two or three are edits of one picture, or title cards that differ in one word;
# the rest share a layout (a "5" of butterflies, a "5" of shells). Below 0.89 unrelated pictures join.
# Of 150 of these pictures changed in 18 ways it finds again: all re-encoded (JPEG 15 to 40, WebP
# 30), resized (×1/3 to ×1.7), relit (brightness, contrast, gamma, saturation ±25 to 30 %) or cropped by 4 %
# on one side; 97 % of those cropped on two sides and 95 % on four; 97 % of the watermarked ones (the others
# are nearly black, so that the mark is most of the picture). Other pictures will give other shares.

BURST = 0.85
"""Cosine similarity of two signatures from which on they count as shots of one burst: `benchmarks/bursts.py`."""
# The lowest that joins at most one in 10,000 pairs of different pictures of the first halves of what that benchmark reads.

Floats = NDArray[np.float32]

_GRID = 12
_FLAT = 1.0  # standard deviation, in 8-bit steps, below which a thumbnail counts as one colour
_ROWS = 512  # rows compared at a time: 512 × 20,000 similarities are 40 MB


def signature(image: Tensor) -> Floats:
    """Perceptual signature, a unit vector, float32 [1236], of a uint8 image [3, H, W].

    Half of it is a blurred 12 × 12 RGB thumbnail, half the differences between its neighbouring cells, both
    normalised for brightness and contrast. The thumbnail alone confuses pictures of one composition, the
    differences alone react to small crops. A picture without structure is described by its colour.
    """
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ImageError(
            f"Expected a uint8 image [3, H, W], got {image.dtype} {tuple(image.shape)}. Pass the output of "
            "read_image."
        )
    grid: Floats = _thumbnail(image).numpy()  # faster than torch on so few numbers
    mean = grid.mean(axis=(1, 2), keepdims=True)
    deviation = grid - mean
    differences = np.concatenate([np.diff(grid, axis=1).ravel(), np.diff(grid, axis=2).ravel()])
    structure = np.concatenate([_unit(deviation.ravel()), _unit(differences)]) / np.float32(2**0.5)
    # The less structure, the more the colour counts; the sum stays a unit vector.
    share = min(1.0, float(deviation.std()) / _FLAT)
    structure = _unit(structure) * np.float32(share)
    colour_share = max(0.0, 1 - float(np.square(structure).sum())) ** 0.5
    colour = _unit(_colour(mean.ravel() / 255)) * np.float32(colour_share)
    return np.concatenate([structure, colour])


def group_near_duplicates(
    signatures: NDArray[Any], threshold: float = THRESHOLD, progress: ProgressCallback = no_progress
) -> NDArray[np.int64]:
    """Group number [N], 0, 1, 2… in order of first appearance, for signatures [N, D].

    Connected components: pictures are in one group if a chain of near-duplicates connects them. Takes N²·D/2
    multiplications but O(N) memory; `progress` is called before every 512 pictures. Raises `DataError` for anything
    but finite vectors [N, D].
    """
    vectors = np.ascontiguousarray(signatures, dtype=np.float32)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise DataError(
            f"Expected finite signatures [N, D], got the shape {vectors.shape}. Stack the results of "
            "signature()."
        )
    labels = np.arange(len(vectors))
    for start in range(0, len(vectors), _ROWS):
        progress(Progress("finding copies", start, len(vectors)))
        similar = vectors[start : start + _ROWS] @ vectors[start:].T >= threshold
        for offset in np.flatnonzero(similar.sum(axis=1) > 1):
            matched = np.unique(labels[start:][similar[offset]])
            if len(matched) > 1:
                labels[np.isin(labels, matched)] = matched[0]
    progress(Progress("finding copies", len(vectors), len(vectors)))
    # Every label is the smallest index of its group, so sorted labels are in order of appearance.
    groups: NDArray[np.int64] = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return groups


def _thumbnail(image: Tensor) -> Tensor:
    """float32 [3, 12, 12] in 8-bit steps, blurred so that a shift by half a cell changes little."""
    batch = image.unsqueeze(0).contiguous()
    height, width = image.shape[1:]
    if height * width > 1 << 20:  # as uint8 first: the float copy of a huge picture takes gigabytes
        batch = _resized(batch, min(height, 512), min(width, 512))
    grid = _resized(batch.float(), _GRID, _GRID)
    grid = pad(grid, (1, 1, 1, 1), mode="replicate")
    # A 2 × 2 mean twice is the 1-2-1 kernel.
    return avg_pool2d(avg_pool2d(grid, 2, stride=1), 2, stride=1).squeeze(0)


def _resized(batch: Tensor, height: int, width: int) -> Tensor:
    return interpolate(batch, (height, width), mode="bilinear", antialias=True, align_corners=False)


def _colour(rgb: Floats) -> Floats:
    """Embedding [12] of a colour (0–1) in which distance, not ratio, tells colours apart."""
    # Two frequencies: one is monotone over the whole range, the other steep near zero.
    angles = np.concatenate([rgb, 3 * rgb]) * np.float32(np.pi)
    return np.concatenate([np.cos(angles), np.sin(angles)])


def _unit(vector: Floats) -> Floats:
    unit: Floats = vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))
    return unit

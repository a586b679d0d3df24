"""Sample images at one size, split into training and held-out ones without near-duplicates across."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..data.near_duplicates import group_near_duplicates, signature
from ..data.skipped_files import Skipped, describe_skipped
from ..data.streaming import stream_images
from ..utils.errors import DataError
from ..utils.progress import Progress, ProgressCallback
from .sample_images import demo_pictures, squared

_HELD_OUT = 100


@dataclass(frozen=True)
class SquareImage:
    """A demo picture at its working size, uint8 [3, S, S]."""

    stem: str
    pixels: Tensor


def load_squares(progress: ProgressCallback) -> list[SquareImage]:
    """All sample images. Raises DataError where some are missing or damaged."""
    pictures = demo_pictures()
    squares: list[SquareImage] = []
    damaged: list[Skipped] = []
    for index, image in stream_images([picture.path for picture in pictures], skipped=damaged):
        squares.append(SquareImage(pictures[index].stem, squared(image)))
        progress(Progress("looking at the pictures", index + 1, len(pictures)))
    if damaged:
        raise DataError(
            f"The demo's pictures are damaged. {describe_skipped(damaged)} "
            'Install them again with: pip install --force-reinstall "gan-rm[demo]"'
        )
    return squares


def split_squares(pictures: list[SquareImage], seed: int) -> tuple[list[SquareImage], list[SquareImage]]:
    """Training and held-out pictures; of near-duplicates only one is used."""
    signatures = [signature(picture.pixels) for picture in pictures]
    groups = group_near_duplicates(np.stack(signatures))
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    held_out = set(order[:_HELD_OUT].tolist())
    sides: tuple[list[SquareImage], list[SquareImage]] = ([], [])
    seen = set()
    shuffled = np.random.default_rng(seed).permutation(len(pictures))
    for index in shuffled:
        group = int(groups[index])
        if group not in seen:
            seen.add(group)
            sides[group in held_out].append(pictures[index])
    return sides

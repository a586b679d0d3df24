"""Held-out pictures and their perturbations are scored by the head that has not seen them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganrm_core.data.border_trim import BorderTrim
from ganrm_core.data.image_io import to_float
from ganrm_core.data.transforms import resize
from ganrm_core.rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ganrm_core.training.held_out_scorer import held_out_scorer

SIDE = 4
HEADS = [
    LinearHead(torch.zeros(3 * SIDE * SIDE), torch.randn(3 * SIDE * SIDE), torch.tensor(0.0)) for _ in "abc"
]
LAYER = RewardProjectionLayer(HEADS[0], HEADS[1:])
IMAGES = [torch.randint(0, 255, (3, side, 30), dtype=torch.uint8) for side in (40, 20, 33)]


class Pixels:
    """A feature cache that gives the pixels themselves."""

    input_size = SIDE

    def __init__(self) -> None:
        self.read_so_far = 0

    def read(self, pixels: Tensor) -> Tensor:
        self.read_so_far += len(pixels)
        return pixels.flatten(1)


def features_of(images: list[Tensor]) -> Tensor:
    return torch.stack([resize(to_float(image), SIDE) for image in images]).flatten(1)


@pytest.mark.parametrize(
    ("folds", "position", "head"), [([1, 0], 0, HEADS[2]), ([1, 0], 1, HEADS[1]), (None, 7, HEADS[0])]
)
def test_by_the_head_of_its_fold_or_by_the_one_head(folds: Any, position: int, head: LinearHead) -> None:
    cache: Any = Pixels()
    score = held_out_scorer(LAYER, None if folds is None else np.array(folds), cache, BorderTrim())
    expected = head(features_of(IMAGES)).double().numpy()
    assert score(IMAGES, position) == pytest.approx(expected, abs=1e-5)


def test_known_features_are_not_extracted_again() -> None:
    cache: Any = Pixels()
    known = {1: features_of(IMAGES)[:1]}
    score = held_out_scorer(LAYER, None, cache, BorderTrim(), known.get)
    expected = HEADS[0](features_of(IMAGES)).double().numpy()
    for position, count, read in ((1, 3, 2), (1, 1, 2), (0, 3, 5)):
        assert score(IMAGES[:count], position) == pytest.approx(expected[:count], abs=1e-5)
        assert cache.read_so_far == read

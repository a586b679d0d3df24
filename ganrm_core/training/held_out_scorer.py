"""Scores training pictures and their perturbations by the head that has not seen them, for the invariance test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..data.border_trim import BorderTrim
from ..data.image_io import to_float
from ..data.splits import IntArray
from ..data.transforms import resize
from ..leakage.invariance_test import ScoreImages
from ..metrics.binary import FloatArray
from ..rewards.discriminator.feature_cache import FeatureCache
from ..rewards.discriminator.heads import RewardProjectionLayer


def held_out_scorer(
    layer: RewardProjectionLayer,
    folds: IntArray | None,
    store: FeatureCache,
    path: BorderTrim,
    original: Callable[[int], Tensor | None] = lambda _: None,
) -> ScoreImages:
    """A function that gives the logits of pictures, the first being the held-out one at `position`.

    `folds` [held out]: which of the layer's siblings has not seen the picture; without them the head itself.
    `original` gives the features [1, width] that `store` would read of a held-out picture, where they are known.
    """

    def judge(images: Sequence[Tensor], position: int) -> FloatArray:
        known = original(position)
        new = images if known is None else images[1:]
        parts = [] if known is None else [known]
        if new:
            parts.append(
                store.read(torch.stack([resize(path(to_float(each)), store.input_size) for each in new]))
            )
        head = layer.head if folds is None else layer.siblings[int(folds[position])]
        with torch.inference_mode():
            logits: FloatArray = head(torch.cat(parts)).double().numpy()
        return logits

    return judge

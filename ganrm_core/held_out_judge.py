"""Who judges a picture of the training and its twins: the head that has not seen it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .feature_store import FeatureStore
from .heads import RewardProjectionLayer
from .images import to_float
from .metrics import FloatArray
from .pixel_path import PixelPath
from .same_picture import Judge
from .splits import IntArray
from .transforms import resize


def held_out_judge(
    layer: RewardProjectionLayer,
    folds: IntArray | None,
    store: FeatureStore,
    path: PixelPath,
    original: Callable[[int], Tensor | None] = lambda _: None,
) -> Judge:
    """The logits of pictures, of which the first is a held-out one, for the same-picture test.

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

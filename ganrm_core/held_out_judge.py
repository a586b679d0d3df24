"""Who judges a picture of the training and its twins: the head that has not seen it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .cross_validation import IntArray
from .feature_store import FeatureStore
from .heads import RewardProjectionLayer
from .images import to_float
from .metrics import FloatArray
from .pixel_path import PixelPath
from .preprocessing import resize
from .same_picture import Judge


def held_out_judge(
    layer: RewardProjectionLayer,
    folds: IntArray | None,
    store: FeatureStore,
    path: PixelPath,
    originals: Tensor | None = None,
) -> Judge:
    """The logits of pictures, of which the first is a held-out one, for the same-picture test.

    `folds` [held out]: which of the layer's siblings has not seen the picture; without them the head itself.
    `originals` [held out, width]: the features of the held-out pictures, where they are known.
    """

    def judge(images: Sequence[Tensor], position: int) -> FloatArray:
        known = torch.empty(0) if originals is None else originals[position : position + 1]
        new = [resize(path(to_float(image)), store.input_size) for image in images[len(known) :]]
        features = torch.cat([known, store.read(torch.stack(new))]) if new else known
        head = layer.head if folds is None else layer.siblings[int(folds[position])]
        with torch.inference_mode():
            logits: FloatArray = head(features).double().numpy()
        return logits

    return judge

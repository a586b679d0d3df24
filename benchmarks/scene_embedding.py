"""Scene embedding: what a picture shows, as a unit vector cut from the features that a reward model scores it by.

It costs no forward pass: scoring reads no embedding layer (it is trained to ignore style), but the mean over positions of the
deepest convolution. `benchmarks/bursts.py` compares how well these separate scenes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganrm_core.backbones.base import BackboneSpec
from ganrm_core.rewards.discriminator.readout import Readout

_STATISTIC = "mean"


@dataclass(frozen=True)
class SceneEmbedding:
    """Feature vectors [B, width] → unit vectors [B, `stop` − `start`].

    `centre` [`stop` − `start`] is the mean of the pictures the model was trained on: without it, all pictures are alike.
    """

    start: int
    stop: int
    centre: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        return torch.nn.functional.normalize(features[:, self.start : self.stop] - self.centre, dim=1)


def scene_columns(readout: Readout, spec: BackboneSpec) -> tuple[int, int] | None:
    """First and one past the last column of the embedding in the feature vector; None where it is not read."""
    deepest = [tap.name for tap in spec.taps if tap.name != spec.embedding][-1:]
    for block in readout.blocks(spec):
        if [block.tap] == deepest and block.statistic == _STATISTIC:
            return block.start, block.stop
    return None

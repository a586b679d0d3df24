"""Distance between two sets of pictures, in the features of a backbone that no arm of a benchmark learns from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.shapes.bench import pack


class Measure:
    """Features of a backbone that no arm learns from."""

    def __init__(self) -> None:
        registry, untrained = (
            pack(f"ganrm_core.{name}") for name in ("backbones.registry", "training.untrained")
        )
        backbone = registry.load_backbone("efficientnet_lite2")
        self._model = untrained.untrained_reward(backbone)
        readout = pack("ganrm_core.rewards.discriminator.readout").default_readout(backbone.spec, "none")
        self._reader = pack("ganrm_core.rewards.discriminator.feature_extractor").FeatureExtractor(
            backbone, readout
        )
        self._blocks = readout.blocks(backbone.spec)

    def features(self, pictures: NDArray[np.float32]) -> Tensor:
        prepared = [self._model.prepare(picture.movedim(-1, 0)) for picture in torch.from_numpy(pictures)]
        parts = [
            self._reader(torch.stack(prepared[start : start + 16])) for start in range(0, len(prepared), 16)
        ]
        return torch.cat(parts).clone()

    def scale(self, features: Tensor) -> Tensor:
        """[D]: of each feature, so that every layer and statistic of these pictures varies alike."""
        _, scale, _ = pack("ganrm_core.training.whitening").balanced_columns(features, self._blocks)
        return scale  # type: ignore[no-any-return]


def energy_distance(one: Tensor, other: Tensor) -> float:
    """√(2·E|x − y| − E|x − x'| − E|y − y'|) of rows [N, D], from different pairs of rows; 0 where it is negative."""
    one, other = one.double(), other.double()
    across = torch.cdist(one, other).mean()
    squared = 2 * across - torch.pdist(one).mean() - torch.pdist(other).mean()
    return float(squared.clamp_min(0).sqrt())

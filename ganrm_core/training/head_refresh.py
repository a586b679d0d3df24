"""A reward's head refitted as its generator learns: the discriminator that keeps up."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from torch import Tensor

from ..rewards.base import Images, each_of, opened
from ..rewards.discriminator.heads import RewardProjectionLayer
from ..rewards.discriminator.model_parts import CalibratedHead
from ..rewards.discriminator.reward_model import RewardModel
from .feature_rows import Rows
from .head_config import HeadConfig
from .self_training.head_recipe import HeadRecipe

_ROUNDS_KEPT = 6


class HeadRefresh:
    """Refits a reward's head on liked pictures against ordinary ones and the generator's latest, as many of either.

    Backbone, readout and calibration stay; features are computed once. The siblings, which tell how sure a score is, are
    left out: they know nothing of the new pictures.
    """

    def __init__(self, model: RewardModel, liked: Tensor, ordinary: Tensor, seed: int = 0) -> None:
        """`liked`, `ordinary`: features [N, D] from `picture_features`."""
        self._model, self._liked, self._ordinary = model, liked, ordinary
        blocks = model.reader.readout.blocks(model.backbone.spec)
        self._recipe = HeadRecipe(HeadConfig.from_card(model.card, model.layer.kind), blocks, seed)
        self._latest: deque[Tensor] = deque(maxlen=_ROUNDS_KEPT)
        self._generator = torch.Generator().manual_seed(seed)

    def add(self, generated: Tensor) -> None:
        """Features [N, D] of a round's pictures; the oldest of more than six rounds is forgotten."""
        self._latest.append(generated)

    def refitted(self) -> RewardModel:
        """The reward with a head that knows all that was added."""
        generated = torch.cat(list(self._latest)) if self._latest else self._ordinary[:0]
        chosen = torch.randperm(len(generated), generator=self._generator)[: len(self._ordinary)]
        features = torch.cat([self._liked, self._ordinary, generated[chosen]]).float()
        labels = torch.zeros(len(features))
        labels[: len(self._liked)] = 1
        rows = Rows(features[:, None], labels)
        head = self._recipe.fit(rows, np.arange(len(labels)), Rows(rows.features[:0], labels[:0]))
        model = self._model
        return RewardModel(
            model.backbone,
            CalibratedHead(model.reader.readout, RewardProjectionLayer(head), model.calibration),
            card=model.card,
            adapter=model.adapter,
            name=model.name,
            border_trim=model.border_trim,
        )


def picture_features(model: RewardModel, images: Images) -> Tensor:
    """Feature vectors [N, D] that the reward's head takes, on the CPU."""
    parts = model.reader.in_groups(
        each_of(images),
        lambda some: model.reader(torch.stack([model.prepare(opened(each)) for each in some])).cpu(),
    )
    return torch.cat(list(parts)).clone()

"""A reward's head refitted as its generator learns: the discriminator that keeps up."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..rewards.base import Images, each_of, opened
from ..rewards.discriminator.card_fields import section
from ..rewards.discriminator.heads import RewardProjectionLayer
from ..rewards.discriminator.model_parts import CalibratedHead
from ..rewards.discriminator.reward_model import RewardModel
from .feature_rows import Rows
from .head_config import HeadConfig
from .self_training.head_recipe import HeadRecipe

FIRST_SHARE = 0.5
"""A discriminator alone is satisfied with pictures like the liked ones, and pulls better ones back."""
_ROUNDS_KEPT = 6


_MEASURED: Mapping[str, Any] = {"thresholds": {}, "metrics": {}, "leak_audit": None}
"""Parts of a card that hold for the head they were measured with only."""


class WithFeatures(Protocol):
    """Pictures as the reward's backbone reads them."""

    @property
    def features(self) -> Tensor:
        """[N, D] as from `picture_features`."""


class HeadRefresh:
    """Refits a reward's head on liked pictures against ordinary ones and the generator's latest, as many of either.

    Backbone, readout and calibration stay; features are computed once. The siblings, which tell how sure a score is, are
    left out: they know nothing of the new pictures. `model`: the refitted reward.
    """

    def __init__(
        self,
        model: RewardModel,
        liked: Tensor,
        ordinary: Tensor,
        seed: int = 0,
        first_share: float = FIRST_SHARE,
    ) -> None:
        """`liked`, `ordinary`: features [N, D] from `picture_features`. `first_share`: of a logit, what is still the first
        reward's.
        """
        self.model = self._first = model
        self._first_share = first_share
        self._liked, self._ordinary = liked, ordinary
        blocks = model.reader.readout.blocks(model.backbone.spec)
        self._recipe = HeadRecipe(HeadConfig.from_card(model.card, model.layer.kind), blocks, seed)
        self._latest: deque[Tensor] = deque(maxlen=_ROUNDS_KEPT)
        self._seed, self._rounds = seed, 0

    def add(self, judged: WithFeatures) -> None:
        """Refit with a round's pictures; the oldest of more than six rounds is forgotten."""
        features = judged.features
        self._latest.append(features[torch.isfinite(features).all(dim=1)].clone())
        self._rounds += 1
        self._refit()

    def logits(self, judged: WithFeatures) -> Tensor:
        """[N], a share of each by the first reward and the rest by the refitted one."""
        first, share = self._first.score_features(judged.features).logit, self._first_share
        return share * first + (1 - share) * self.newest(judged)

    def newest(self, judged: WithFeatures) -> Tensor:
        """[N] by the refitted reward alone."""
        return self.model.score_features(judged.features).logit

    def state(self) -> dict[str, Tensor]:
        latest = {f"latest/{number}": features for number, features in enumerate(self._latest)}
        return {**latest, "rounds": torch.tensor(self._rounds)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        count = sum(name.startswith("latest/") for name in state)
        self._latest.clear()
        self._latest.extend(state[f"latest/{number}"] for number in range(count))
        self._rounds = int(state["rounds"])
        if self._rounds:
            self._refit()

    def _refit(self) -> None:
        generated = torch.cat(list(self._latest))
        generator = torch.Generator().manual_seed((self._seed + self._rounds) % 2**63)
        chosen = torch.randperm(len(generated), generator=generator)[: len(self._ordinary)]
        features = torch.cat([self._liked, self._ordinary, generated[chosen]]).float()
        labels = torch.zeros(len(features))
        labels[: len(self._liked)] = 1
        rows = Rows(features[:, None], labels)
        head = self._recipe.fit(rows, np.arange(len(labels)), Rows(rows.features[:0], labels[:0]))
        model = self.model
        self.model = RewardModel(
            model.backbone,
            CalibratedHead(model.reader.readout, RewardProjectionLayer(head), model.calibration),
            card=self._card(),
            adapter=model.adapter,
            name=model.name,
            border_trim=model.border_trim,
        )

    def _card(self) -> dict[str, Any]:
        """Of the new head: nothing was measured with it, and its provenance says how often it was refitted."""
        provenance = {**section(self.model.card, "provenance"), "refreshed": self._rounds}
        return {**self.model.card, **_MEASURED, "provenance": provenance}


def picture_features(model: RewardModel, images: Images) -> Tensor:
    """Feature vectors [N, D] that the reward's head takes, on the CPU."""
    parts = model.reader.in_groups(
        each_of(images),
        lambda some: model.reader(torch.stack([model.prepare(opened(each)) for each in some])).cpu(),
    )
    return torch.cat(list(parts)).clone()

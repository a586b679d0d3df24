"""Features of pictures for measuring diversity: those the reward model reads, or colours where it has none."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ....ganrm_core.post_training.diversity import colour_layout
from ....ganrm_core.rewards.base import Picture, Reward, each_of, opened
from ....ganrm_core.training.patch_features import patch_features
from ..model_management import ManagedReward


def picture_features(reward: Reward, pictures: Sequence[Tensor]) -> Tensor:
    """[N, D] on the CPU for `pictures` [H, W, C] in 0–1.

    Of a GAN-RM model the vector that its head takes, from its backbone. Other rewards have no features: then mean
    colours of 8 × 8 cells, which see layout and colour only.
    """
    if not isinstance(reward, ManagedReward):
        return colour_layout(pictures)
    reward.managed_backbone.load(len(pictures))
    model = reward.model

    def features(some: Sequence[Picture]) -> Tensor:
        return model.reader(torch.stack([model.prepare(opened(each)) for each in some])).cpu()

    return torch.cat(list(model.reader.in_groups(each_of(list(pictures)), features)))


def features_of_places(reward: Reward, pictures: Sequence[Tensor]) -> Tensor | None:
    """[N, P, C] on the CPU: features of P places of each picture, None for rewards other than a GAN-RM model."""
    if not isinstance(reward, ManagedReward):
        return None
    reward.managed_backbone.load(len(pictures))
    return patch_features(reward.model, list(pictures))


def feature_source(reward: Reward) -> str:
    """What `picture_features` measures with, for the summary."""
    if not isinstance(reward, ManagedReward):
        return "colours and layout"
    return f"features of {reward.model.backbone.spec.name}"

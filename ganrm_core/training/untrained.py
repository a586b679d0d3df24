"""Reward without a taste yet: what a style begins with, where nothing but its references is known."""

from __future__ import annotations

import torch

from ..backbones.base import Backbone
from ..metrics.calibration import Calibration
from ..rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ..rewards.discriminator.model_parts import CalibratedHead
from ..rewards.discriminator.readout import default_readout
from ..rewards.discriminator.reward_model import RewardModel
from .head_config import CARD_KEY, HeadConfig
from .whitening import WHITENING

_PENALTY = 0.1


def untrained_reward(backbone: Backbone, name: str = "untrained") -> RewardModel:
    """A `RewardModel` that gives every picture the logit 0, and whose head can be refitted (`DenseRefresh`)."""
    readout = default_readout(backbone.spec)
    width = readout.width(backbone.spec)
    config = HeadConfig(LinearHead.kind, WHITENING, _PENALTY)
    head = LinearHead(torch.zeros(width), torch.zeros(width), torch.zeros(()))
    return RewardModel(
        backbone,
        CalibratedHead(readout, RewardProjectionLayer(head), Calibration()),
        card={CARD_KEY: config.to_json(), "chosen_head": config.description},
        name=name,
    )

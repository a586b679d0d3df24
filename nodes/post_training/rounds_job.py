"""What Adversarial LoRA Training is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...ganrm_core.post_training.config import LoraSettings, RoundsTraining
from ...ganrm_core.post_training.groups import Sampling
from ...ganrm_core.rewards.base import Reward
from ..display.candidates import Latent
from ..host.training.prompt_set import PromptSet
from ..sockets import Dataset


@dataclass(frozen=True)
class RoundsJob:
    """What is trained, and how. `references`: the liked pictures. `ordinary`: pictures that are not, None to make some."""

    model: Any
    prompts: PromptSet
    vae: Any
    reward: Reward
    references: Dataset
    latent: Latent
    sampling: Sampling
    training: RoundsTraining
    lora: LoraSettings
    judge: Reward | None = None
    ordinary: Dataset | None = None
    start: Mapping[str, Tensor] | None = None
    checkpointing: bool | None = None

"""Inputs of one run of Train LoRA on Groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...ganrm_core.post_training.config import GroupTraining, LoraSettings
from ...ganrm_core.rewards.base import Reward
from ..host.training.prompt_set import PromptedGroups


@dataclass(frozen=True)
class Job:
    """What is trained, and how. `checkpointing`: None leaves it to the size of the model.

    `reward`: of the watch, None for a training that nobody watches by pictures; `judge`: another taste that it asks.
    """

    model: Any
    groups: PromptedGroups
    training: GroupTraining
    lora: LoraSettings
    start: Mapping[str, Tensor] | None = None
    vae: Any | None = None
    checkpointing: bool | None = None
    previews: bool = True
    reward: Reward | None = None
    judge: Reward | None = None

"""The patcher of managed rewards, as a host's cache and memory manager see it."""

from __future__ import annotations

from typing import Any

import comfy.model_management as management
import comfy.model_patcher
import torch
from torch import nn

from host_support.scenarios.small_models import pack


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.layer(pixels)


class _Reward:
    """A reward of one network, which scores fixed numbers."""

    name, thresholds, needs_prompt, calibration = "one network", {}, False, None
    bytes_per_picture = 1000

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = _Network()

    def score(self, images: Any, prompts: Any = None, progress: Any = None) -> Any:
        return self.network(torch.ones(len(images), 4)).flatten().tolist()


class _Dynamic(comfy.model_patcher.ModelPatcher):
    """Stands in for the patcher that offloads weights while they run: only what the memory manager asks of it."""

    def is_dynamic(self) -> bool:
        return True


def found_in_outputs() -> dict[str, bool]:
    managed = pack("nodes.host.model_management")
    rewards = pack("nodes.scoring.combine")
    one, other = managed.ManagedNetworkReward(_Reward()), managed.ManagedNetworkReward(_Reward())
    kinds = {"network": one, "combination": rewards.ManagedCombination([one, other])}
    return {
        kind: isinstance(reward.patcher, comfy.model_patcher.ModelPatcher) for kind, reward in kinds.items()
    }


def beside_a_dynamic_model() -> dict[str, Any]:
    reward = pack("nodes.host.model_management").ManagedNetworkReward(_Reward())
    before = reward.score([0, 1])
    device = management.get_torch_device()
    dynamic = _Dynamic(_Network(), load_device=device, offload_device=torch.device("cpu"))
    management.load_models_gpu([dynamic])
    after = reward.score([0, 1])
    named = {id(dynamic.model): "dynamic", id(reward.patcher.model): "reward"}
    loaded = [named[id(each.model.model)] for each in management.current_loaded_models]
    is_dynamic = getattr(reward.patcher, "is_dynamic", lambda: False)
    return {
        "loaded": sorted(loaded),
        "reward is dynamic": is_dynamic(),
        "scores alike": before == after,
    }

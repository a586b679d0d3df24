"""Reward models under ComfyUI's memory manager, which moves them between GPU and CPU and may evict them."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import torch

from ...ganrm_core.backbones.base import Backbone
from ...ganrm_core.data.skipped_files import Skipped
from ...ganrm_core.rewards.base import Images, Reward, Scores, how_many
from ...ganrm_core.rewards.discriminator.reward_model import RewardModel
from ...ganrm_core.rewards.network_reward import OneNetwork
from ...ganrm_core.utils.progress import ProgressCallback, no_progress


class _Patcher(comfy.model_patcher.ModelPatcher):  # type: ignore[misc]
    """ModelPatcher for a plain torch module: always moved as a whole, and outside inference mode.

    Parameters moved inside inference mode would become inference tensors, which cannot be trained through.
    """

    def load(self, *args: Any, **kwargs: Any) -> Any:
        with torch.inference_mode(False):
            return super().load(*args, **kwargs)

    def unpatch_model(self, *args: Any, **kwargs: Any) -> Any:
        with torch.inference_mode(False):
            return super().unpatch_model(*args, **kwargs)

    def partially_unload(self, *_args: Any, **_kwargs: Any) -> int:
        # A partially loaded plain module cannot run. Returning 0 makes ComfyUI unload it completely.
        return 0


class ManagedModule:
    """A plain torch module whose device ComfyUI's memory manager controls."""

    def __init__(self, module: torch.nn.Module) -> None:
        management = comfy.model_management
        self._module = module
        self.device = management.get_torch_device()
        self._patcher = _Patcher(
            module, load_device=self.device, offload_device=management.unet_offload_device()
        )

    @property
    def patcher(self) -> comfy.model_patcher.ModelPatcher:
        """By this name newer hosts find models in outputs, and evict those first when memory runs short."""
        return self._patcher

    def load_with(self, memory: int) -> None:
        """Load the whole module onto its device, with `memory` bytes to run in; keep all on the CPU if that fails."""
        comfy.model_management.load_models_gpu([self._patcher], memory_required=memory, force_full_load=True)
        if any(parameter.device.type != self.device.type for parameter in self._module.parameters()):
            self._patcher.detach()
            with torch.inference_mode(False):
                self._module.to("cpu")
            logging.warning(
                "GAN-RM: ComfyUI keeps no whole model on the graphics card with its present settings "
                "(--novram), so the reward model runs on the CPU. The scores are the same."
            )


class ManagedBackbone(ManagedModule):
    """A backbone whose device ComfyUI's memory manager controls."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.backbone = backbone

    def load(self, pictures: int = 1) -> None:
        """Load the whole backbone onto its device, with memory for a batch; keep all of it on the CPU if that fails."""
        batch = min(pictures, self.backbone.plan(self.device.type).batch_size)
        self.load_with(self.backbone.bytes_per_picture * batch)


class _Managed(ABC):
    """`Reward` that travels on a socket: it is loaded onto the device before it scores."""

    def __init__(self, reward: Reward) -> None:
        self._reward = reward

    @abstractmethod
    def _load(self, pictures: int) -> None:
        """With memory for so many pictures, as far as they go through the network together."""

    @property
    @abstractmethod
    def patcher(self) -> comfy.model_patcher.ModelPatcher:
        """That of the network (see `ManagedModule.patcher`)."""

    @property
    def name(self) -> str:
        return self._reward.name

    @property
    def thresholds(self) -> Mapping[str, float]:
        return self._reward.thresholds

    @property
    def needs_prompt(self) -> bool:
        return self._reward.needs_prompt

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        self._load(how_many(images))
        return self._reward.score(images, prompts, progress)

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        self._load(len(paths))
        return self._reward.score_files(paths, skipped, prompts)


class ManagedReward(_Managed):
    """A reward model, whose backbone is what is loaded."""

    def __init__(self, model: RewardModel, backbone: ManagedBackbone | None = None) -> None:
        super().__init__(model)
        self.model = model
        self.managed_backbone = backbone or ManagedBackbone(model.backbone)

    @property
    def patcher(self) -> comfy.model_patcher.ModelPatcher:
        return self.managed_backbone.patcher

    def _load(self, pictures: int) -> None:
        self.managed_backbone.load(pictures)


class ManagedNetworkReward(_Managed):
    """A reward of one network, which is what is loaded."""

    def __init__(self, reward: OneNetwork, managed: ManagedModule | None = None) -> None:
        """`managed`: that of the reward's network, where there is one already."""
        super().__init__(reward)
        self.reward = reward
        self.calibration = reward.calibration
        self.managed = managed or ManagedModule(reward.network)

    @property
    def patcher(self) -> comfy.model_patcher.ModelPatcher:
        return self.managed.patcher

    def load(self) -> None:
        """Put the network onto its device, with memory for a forward pass."""
        self.managed.load_with(self.reward.bytes_per_picture)

    def _load(self, pictures: int) -> None:  # noqa: ARG002
        self.load()


def model_of(reward: Reward) -> RewardModel | None:
    """The reward model inside a socket's reward; None for other kinds of reward."""
    return reward.model if isinstance(reward, ManagedReward) else None

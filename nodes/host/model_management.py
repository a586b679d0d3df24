"""Reward models under ComfyUI's memory manager, which moves them between GPU and CPU and may evict them."""

from __future__ import annotations

import logging
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


class ManagedBackbone:
    """A backbone whose device ComfyUI's memory manager controls."""

    def __init__(self, backbone: Backbone) -> None:
        management = comfy.model_management
        self.backbone = backbone
        self._device = management.get_torch_device()
        self._patcher = _Patcher(
            backbone, load_device=self._device, offload_device=management.unet_offload_device()
        )

    def load(self, pictures: int = 1) -> None:
        """Load the whole backbone onto its device, with memory for a batch; keep all of it on the CPU if that fails."""
        batch = min(pictures, self.backbone.plan(self._device.type).batch_size)
        comfy.model_management.load_models_gpu(
            [self._patcher],
            memory_required=self.backbone.bytes_per_picture * batch,
            force_full_load=True,
        )
        if any(parameter.device.type != self._device.type for parameter in self.backbone.parameters()):
            self._patcher.detach()
            with torch.inference_mode(False):
                self.backbone.to("cpu")
            logging.warning(
                "GAN-RM: ComfyUI keeps no whole model on the graphics card with its present settings "
                "(--novram), so the reward model runs on the CPU. The scores are the same."
            )


class ManagedReward:
    """`Reward` that travels on a socket: a reward model whose backbone is loaded onto the device before scoring."""

    def __init__(self, model: RewardModel, backbone: ManagedBackbone | None = None) -> None:
        self.model = model
        self.managed_backbone = backbone or ManagedBackbone(model.backbone)

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def thresholds(self) -> Mapping[str, float]:
        return self.model.thresholds

    @property
    def needs_prompt(self) -> bool:
        return self.model.needs_prompt

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        self.managed_backbone.load(how_many(images))
        return self.model.score(images, prompts, progress)

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        self.managed_backbone.load(len(paths))
        return self.model.score_files(paths, skipped, prompts)


def model_of(reward: Reward) -> RewardModel | None:
    """The reward model inside a socket's reward; None for other kinds of reward."""
    return reward.model if isinstance(reward, ManagedReward) else None

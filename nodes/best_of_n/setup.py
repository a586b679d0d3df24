"""What is sampled, as ComfyUI's own sampler nodes would set it up."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.sample
import comfy.samplers
import torch
from torch import Tensor

from ...ganrm_core.errors import DataError
from ..candidates import Latent
from .candidate import Candidate
from .random_state import RandomState

_SEEDS = 2**64


@dataclass(frozen=True)
class Setup:
    """Everything that one of core's sampler nodes takes, for one picture.

    `noise` gives that of a seed: a tensor like the latent's samples, [1, C, H, W].
    """

    guider: Any
    sampler: Any
    sigmas: Tensor
    latent: Latent
    seed: int
    noise: Callable[[int], Tensor]

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    def candidate(self, number: int) -> Candidate:
        """The one with the seed `number` after the first."""
        seed = (self.seed + number) % _SEEDS
        device = self.guider.model_patcher.load_device
        noise = self.noise(seed)
        return Candidate(number, seed, noise, RandomState.now(device))

    def check(self, count: int) -> None:
        """Raise DataError for what would give nothing, or the same picture again and again."""
        if self.steps < 1:
            raise DataError(
                "There are no steps to sample (denoise 0, or empty sigmas): every candidate would be the latent "
                "that came in. Set denoise above 0."
            )
        options = getattr(self.guider, "model_options", {}).get("transformer_options", {})
        if "easycache" in options:
            raise DataError(
                "EasyCache and LazyCache reuse what the model gave for the step before. Here candidates take turns, "
                "so they would get each other's. Connect the model without the cache."
            )
        if count > 1 and torch.equal(self.noise(self.seed), self.noise((self.seed + 1) % _SEEDS)):
            raise DataError(
                "All candidates would start from the same noise, so there is nothing to choose. Connect RandomNoise."
            )


def as_ksampler(
    model: Any,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent: Latent,
    denoise: float,
) -> Setup:
    """As core's KSampler."""
    whole = comfy.samplers.KSampler(
        model,
        steps=steps,
        device=model.load_device,
        sampler=sampler_name,
        scheduler=scheduler,
        denoise=denoise,
        model_options=model.model_options,
    )
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    single = one_latent(latent, model)
    samples, places = single["samples"], single.get("batch_index")
    return Setup(
        guider,
        comfy.samplers.sampler_object(whole.sampler),
        whole.sigmas,
        single,
        seed,
        lambda of: comfy.sample.prepare_noise(samples, of, places),
    )


def as_sampler_custom(noise: Any, guider: Any, sampler: Any, sigmas: Tensor, latent: Latent) -> Setup:
    """As core's SamplerCustomAdvanced."""
    single = one_latent(latent, guider.model_patcher)

    def of_seed(seed: int) -> Tensor:
        seeded = copy.copy(noise)
        seeded.seed = seed
        return seeded.generate_noise(single)  # type: ignore[no-any-return]

    return Setup(guider, sampler, sigmas, single, noise.seed, of_seed)


def one_latent(latent: Latent, model: Any) -> Latent:
    """The latent that every candidate starts from. Raises DataError for several different ones, and for video."""
    samples = latent["samples"]
    if not isinstance(samples, Tensor) or samples.ndim not in (4, 5):
        raise DataError(
            "This latent is no picture. Connect the latent of a picture, such as Empty Latent Image."
        )
    samples = comfy.sample.fix_empty_latent_channels(model, samples)
    if samples.ndim == 5 and samples.shape[2] > 1:
        raise DataError(
            "This latent is a video. The Best-of-N Sampler makes still pictures: sample videos with KSampler, and "
            "compare them with Best of N, candidate 'each list item'."
        )
    if len(samples) > 1 and not all(torch.equal(samples[0], other) for other in samples[1:]):
        raise DataError(
            f"The latent holds {len(samples)} different pictures. Every candidate starts from the same one: pick it "
            "with Latent From Batch."
        )
    single = {**latent, "samples": samples[:1]}
    if single.get("batch_index") is not None:
        single["batch_index"] = single["batch_index"][:1]
    mask = single.get("noise_mask")
    if mask is not None and mask.ndim > 2:
        single["noise_mask"] = mask[:1]
    return single

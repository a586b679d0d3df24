"""What is sampled, as ComfyUI's own sampler nodes would set it up."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import torch
from torch import Tensor

from ....ganrm_core.utils.errors import DataError
from ...display.candidates import Latent
from .candidate import Candidate
from .multi_seed_sampler import MultiSeedSampler
from .rng_state import RngState
from .unsupported import check_takes_turns

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

    def sample(self, candidates: Sequence[Candidate], inside: MultiSeedSampler) -> Tensor:
        """The latents of those `inside` finished, as a sampler node gives them out."""
        samples: Tensor = self.guider.sample(
            candidates[0].noise,
            self.latent["samples"],
            inside,
            self.sigmas,
            denoise_mask=self.latent.get("noise_mask"),
            callback=None,
            disable_pbar=True,
            seed=candidates[0].seed,
        )
        return samples.to(comfy.model_management.intermediate_device())

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    def candidate(self, number: int) -> Candidate:
        """The one with the seed `number` after the first."""
        seed = (self.seed + number) % _SEEDS
        noise = self.noise(seed)
        return Candidate(number, seed, noise, RngState(self.guider.model_patcher.load_device))

    def check(self, count: int) -> None:
        """Raise DataError for what would give nothing, or the same picture again and again."""
        check_steps(self.steps)
        if float(self.sigmas[-1]) > 0:
            raise DataError(
                "The sigmas end before the pictures are clean, so there would be nothing to judge. Let the Best-of-N "
                "Sampler take all of them; refine what it keeps."
            )
        check_takes_turns(self.guider)
        if count > 1 and torch.equal(self.noise(self.seed), self.noise((self.seed + 1) % _SEEDS)):
            raise DataError(
                "All candidates would start from the same noise, so there is nothing to choose. Connect RandomNoise."
            )


def check_steps(steps: int) -> None:
    """Raise DataError where there is nothing to sample."""
    if steps < 1:
        raise DataError(
            "There are no steps to sample (denoise 0, or empty sigmas): every candidate would be the latent "
            "that came in. Set denoise above 0."
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
        try:
            seeded.seed = seed
        except AttributeError as error:
            raise DataError(
                "This noise cannot be given another seed, and every candidate needs its own. Connect RandomNoise."
            ) from error
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
    if not _all_equal(samples):
        raise DataError(
            f"The latent holds {len(samples)} different pictures. Every candidate starts from the same one: pick it "
            "with Latent From Batch."
        )
    single = {**latent, "samples": samples[:1]}
    if single.get("batch_index") is not None:
        single["batch_index"] = single["batch_index"][:1]
    mask = single.get("noise_mask")
    if mask is not None and mask.ndim > 2 and len(mask) > 1:
        if not _all_equal(mask):
            raise DataError(
                f"The latent holds {len(mask)} different masks. Every candidate starts from the same one: pick it with "
                "Latent From Batch."
            )
        single["noise_mask"] = mask[:1]
    return single


def _all_equal(batch: Tensor) -> bool:
    return all(torch.equal(batch[0], other) for other in batch[1:])


def samplers_and_schedulers() -> tuple[list[str], list[str]]:
    """Their names, as this ComfyUI has them."""
    return list(comfy.samplers.KSampler.SAMPLERS), list(comfy.samplers.KSampler.SCHEDULERS)

"""Sampling inputs (guider, sampler, sigmas, latent, noise) prepared as in ComfyUI's own sampler nodes."""

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

from ....ganrm_core.selection.search_path import SearchPath
from ....ganrm_core.utils.errors import DataError
from ..latents import Latent, single_latent
from .candidate import Candidate
from .multi_seed_sampler import MultiSeedSampler
from .rng_state import RngState
from .unsupported import check_no_step_state, check_same_mask

_SEEDS = 2**64


@dataclass(frozen=True)
class Setup:
    """What core's sampler nodes take, for one image.

    `seed`: of the first candidate. `noise(seed)`: the initial noise, shaped like the latent's samples [1, C, H, W].
    """

    guider: Any
    sampler: Any
    sigmas: Tensor
    latent: Latent
    seed: int
    noise: Callable[[int], Tensor]

    def sample(self, candidates: Sequence[Candidate], inside: MultiSeedSampler) -> Tensor:
        """Run ComfyUI's sampling with the sampler `inside`; the finished candidates' latents, as a sampler node returns them."""
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
        """The candidate with seed `seed + number`."""
        return self.candidate_of(number, (self.seed + number) % _SEEDS)

    def candidate_of(self, number: int, seed: int) -> Candidate:
        """A candidate with a seed of its own."""
        noise = self.noise(seed)
        random = RngState(self.guider.model_patcher.load_device)
        return Candidate(number, seed, noise, random, path=SearchPath(seed))

    def fork(self, parent: Candidate, number: int, seed: int, start: int) -> Candidate:
        """A candidate that goes on with `parent`'s picture, as predicted now, from step `start`, its noise partly new."""
        fork = self.candidate_of(number, seed)
        fork.origin, fork.start = parent, start
        fork.path = (parent.path or SearchPath(parent.seed)).forked(seed, parent.steps, start)
        return fork

    def check_forks(self) -> None:
        """Raise DataError for inputs with which candidates cannot be forked."""
        if self.latent.get("noise_mask") is not None:
            check_same_mask(self.guider)

    def check(self, count: int) -> None:
        """Raise DataError for inputs that yield nothing to choose from: no steps, noisy results, or identical noise."""
        check_steps(self.steps)
        if float(self.sigmas[-1]) > 0:
            raise DataError(
                "The sigmas end before the pictures are clean, so there would be nothing to judge. Let the Best-of-N "
                "Sampler take all of them; refine what it keeps."
            )
        check_no_step_state(self.guider)
        if count > 1 and torch.equal(self.noise(self.seed), self.noise((self.seed + 1) % _SEEDS)):
            raise DataError(
                "All candidates would start from the same noise, so there is nothing to choose. Connect RandomNoise."
            )


def check_steps(steps: int) -> None:
    """Raise DataError for fewer than one step."""
    if steps < 1:
        raise DataError(
            "There are no steps to sample (denoise 0, or empty sigmas): every candidate would be the latent "
            "that came in. Set denoise above 0."
        )


@dataclass(frozen=True)
class KSamplerSettings:
    """The widgets of core's KSampler, except the seed."""

    steps: int
    cfg: float
    sampler_name: str
    scheduler: str
    denoise: float


def as_ksampler(
    model: Any, positive: Any, negative: Any, latent: Latent, seed: int, settings: KSamplerSettings
) -> Setup:
    """`Setup` for the inputs of core's KSampler."""
    whole = comfy.samplers.KSampler(
        model,
        steps=settings.steps,
        device=model.load_device,
        sampler=settings.sampler_name,
        scheduler=settings.scheduler,
        denoise=settings.denoise,
        model_options=model.model_options,
    )
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(settings.cfg)
    single = single_latent(latent, model)
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
    """`Setup` for the inputs of core's SamplerCustomAdvanced."""
    single = single_latent(latent, guider.model_patcher)

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


def samplers_and_schedulers() -> tuple[list[str], list[str]]:
    """The names of all samplers and schedulers of this ComfyUI."""
    return list(comfy.samplers.KSampler.SAMPLERS), list(comfy.samplers.KSampler.SCHEDULERS)


def check_names(sampler: str | None, scheduler: str | None) -> None:
    """Raise DataError for a sampler or scheduler that is not here; None is not known yet."""
    for name, here in zip((sampler, scheduler), samplers_and_schedulers(), strict=True):
        if name is not None and name not in here:  # core would take another without a word
            raise DataError(f"This ComfyUI has no {name!r}. Choose another sampler or scheduler.")

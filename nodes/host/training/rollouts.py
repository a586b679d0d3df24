"""Rollouts: a batch of latents for one prompt, each what core's KSampler makes of its seed alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ....ganrm_core.post_training.groups import Sampling
from ....ganrm_core.utils.device_memory import is_out_of_memory
from ....ganrm_core.utils.errors import DataError
from ....ganrm_core.utils.progress import Progress, ProgressCallback, no_progress
from ..latents import Latent
from ..sampling.candidate import Candidate
from ..sampling.decoding import vae_decoder
from ..sampling.multi_seed_sampler import MultiSeedSampler, Watcher
from ..sampling.rng_state import RngState
from ..sampling.sampling_setup import KSamplerSettings, Setup, as_ksampler, check_names
from ..sampling.unsupported import check_no_step_state
from ..sampling.vram import fitting_batch
from .prompt_set import PromptSet

STAGE = "Sampling"
_AT_ONCE = 32  # samples per model call: more gain nothing on any card, and make a step long to cancel
_DECODED_AT_ONCE = 8

_STACKABLE = (
    "euler euler_cfg_pp heun heunpp2 dpm_2 lms dpmpp_2m dpmpp_2m_cfg_pp ipndm ipndm_v deis res_multistep "
    "res_multistep_cfg_pp gradient_estimation gradient_estimation_cfg_pp ddim uni_pc uni_pc_bh2"
)
"""Core's samplers that draw no noise and treat each sample of a batch by itself."""

Seen = Callable[[int, Tensor], None]
"""Called after a step with a sample's position and its present denoised prediction [1, C, …], in the model's scale."""


class Rollouts:
    """Samples of encoded prompts, batched as far as memory allows.

    Samplers without noise of their own run once for a whole batch, so that results differ from single ones by rounding
    only. Others (ancestral, SDE, adaptive) run once per seed and share the model's calls. A model whose patches keep
    state from step to step, such as EasyCache, is sampled one by one.
    """

    def __init__(self, model: Any, prompts: PromptSet, settings: Sampling, latent: Latent) -> None:
        """`latent`: the size, as one empty latent. Raises DataError for a video, a mask, or an unknown sampler."""
        _check(settings, latent)
        self._model, self._prompts, self._settings = model, prompts, settings
        # Every sample has a seed of its own; the latent's places in some batch would only mix two ways of counting.
        self._latent: Latent = {key: value for key, value in latent.items() if key != "batch_index"}
        self._stacked = settings.sampler_name in _STACKABLE.split()
        self._most = _AT_ONCE
        if _keeps_state(self._setup(0)):
            self._stacked, self._most = True, 1
        self.start = self._setup(0).latent["samples"]
        """What sampling starts from, [1, C, …], with the model's number of channels."""

    @property
    def batch(self) -> int:
        """The largest batch that memory has allowed so far."""
        return self._most

    def sample(
        self,
        prompt: int,
        seeds: Sequence[int],
        progress: ProgressCallback = no_progress,
        seen: Seen | None = None,
    ) -> Tensor:
        """Latents [N, C, …] of the prompt numbered `prompt`, one per seed, float32 on the CPU, as a sampler node returns them.

        `progress` counts steps of all samples, and may raise to cancel.
        """
        setup = self._setup(prompt)
        done: list[Tensor] = []
        while len(done) < len(seeds):
            start = len(done)
            run = _BatchRun(
                setup, seeds[start : start + self._fitting(setup)], start, len(seeds), progress, seen
            )
            found = self._tried(run)
            if found is None:
                self._halve(run)
            else:
                done += found.split(1)
        # Outside inference mode, so that the latents can be trained on.
        with torch.inference_mode(False):
            return torch.cat([each.clone() for each in done]) if done else self.start[:0].clone()

    def _tried(self, run: _BatchRun) -> Tensor | None:
        """The batch's latents; None where memory ran out and a smaller batch may fit."""
        try:
            latents = run.stacked() if self._stacked else run.side_by_side()
        except Exception as error:
            if len(run.seeds) == 1 or not is_out_of_memory(error):
                raise
            return None
        return latents.to("cpu", torch.float32)

    def _halve(self, run: _BatchRun) -> None:
        self._most = max(1, len(run.seeds) // 2)
        comfy.model_management.soft_empty_cache()

    def _fitting(self, setup: Setup) -> int:
        if self._most == 1:
            return 1
        comfy.model_management.load_models_gpu([setup.guider.model_patcher])
        return fitting_batch(setup.guider, setup.latent["samples"].shape, self._most)

    def _setup(self, prompt: int) -> Setup:
        wanted, prompts = self._settings, self._prompts
        widgets = KSamplerSettings(wanted.steps, wanted.cfg, wanted.sampler_name, wanted.scheduler, 1.0)
        return as_ksampler(
            self._model, prompts.positive[prompt], prompts.negative, self._latent, seed=0, settings=widgets
        )


def decoded(vae: Any, latents: Tensor, progress: ProgressCallback = no_progress) -> Tensor:
    """Pictures [N, H, W, 3] of latents as a sampler node returns them; the same as core's VAE Decode.

    Raises DataError for a VAE with another number of latent channels.
    """
    check_vae(vae, latents)
    decode, parts = vae_decoder(vae), latents.split(_DECODED_AT_ONCE)
    pictures = []
    for i, part in enumerate(parts):
        progress(Progress("Decoding", i * _DECODED_AT_ONCE, len(latents)))
        pictures.append(decode(part).to("cpu", torch.float32))
    return torch.cat(pictures)


def check_vae(vae: Any, latents: Tensor) -> None:
    """Raise DataError where the VAE is one of another kind of model."""
    channels = getattr(vae, "latent_channels", latents.shape[1])
    if channels != latents.shape[1]:
        raise DataError(
            f"This VAE is of another model: it decodes latents of {channels} channels, and the model makes "
            f"{latents.shape[1]}. Connect the VAE that belongs to the model."
        )


def free_main_memory() -> int:
    """Free bytes of the computer's memory."""
    return int(comfy.model_management.get_free_memory(torch.device("cpu")))


class _BatchRun:
    """One run of core's sampling for some seeds, which are those from `start` on of `total`."""

    def __init__(
        self,
        setup: Setup,
        seeds: Sequence[int],
        start: int,
        total: int,
        progress: ProgressCallback,
        seen: Seen | None,
    ) -> None:
        self.seeds = seeds
        self._setup, self._start, self._total, self._progress, self._seen = (
            setup,
            start,
            total,
            progress,
            seen,
        )
        self._steps = dict.fromkeys(range(len(seeds)), 0)

    def stacked(self) -> Tensor:
        """All seeds as one batch."""
        setup, count = self._setup, len(self.seeds)
        samples = setup.latent["samples"]

        def stepped(step: int, clean: Tensor, _x: Tensor, _total: int) -> None:
            for i in range(count):
                self._step(i, step + 1, clean[i : i + 1])
            self._report()

        latents: Tensor = setup.guider.sample(
            torch.cat([setup.noise(seed) for seed in self.seeds]),
            samples.repeat(count, *[1] * (samples.ndim - 1)),
            setup.sampler,
            setup.sigmas,
            denoise_mask=None,
            callback=stepped,
            disable_pbar=True,
            seed=self.seeds[0],
        )
        return latents

    def side_by_side(self) -> Tensor:
        """One sampler per seed; they share the model's calls."""
        setup = self._setup
        device = setup.guider.model_patcher.load_device
        candidates = [
            Candidate(i, seed, setup.noise(seed), RngState(device)) for i, seed in enumerate(self.seeds)
        ]

        def stepped(candidate: Candidate) -> None:
            self._step(candidate.number, candidate.steps, candidate.clean)
            self._report()

        watcher = Watcher(stepped, choose=lambda _, alive: alive)
        return setup.sample(
            candidates, MultiSeedSampler(setup.sampler, candidates, (), watcher, len(candidates))
        )

    def _step(self, position: int, steps: int, clean: Tensor | None) -> None:
        self._steps[position] = steps
        if self._seen and clean is not None:
            self._seen(self._start + position, clean)

    def _report(self) -> None:
        steps = self._setup.steps
        self._progress(Progress(STAGE, self._start * steps + sum(self._steps.values()), self._total * steps))


def _check(settings: Sampling, latent: Latent) -> None:
    check_names(settings.sampler_name, settings.scheduler)
    samples = latent["samples"]
    if isinstance(samples, Tensor) and samples.ndim == 5 and samples.shape[2] > 1:
        raise DataError(
            "This latent is a video, and groups are made of still pictures. Connect an empty latent of one picture."
        )
    if latent.get("noise_mask") is not None:
        raise DataError(
            "This latent has a mask (inpainting), and groups are made of whole pictures. Connect an empty latent."
        )


def _keeps_state(setup: Setup) -> bool:
    try:
        check_no_step_state(setup.guider)
    except DataError:
        return True
    return False

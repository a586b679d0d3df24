"""How well pictures fit their prompts, judged by a generator itself: denoising errors without and with the prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from ....ganrm_core.post_training.losses import denoising_errors
from ....ganrm_core.post_training.scalings import scalings
from ....ganrm_core.utils.device_memory import is_out_of_memory
from ..progress import check_cancel
from ..sampling.vram import fitting_batch
from .prompt_set import PromptSet

LEVELS = (0.2, 0.4, 0.6, 0.8)
"""Noise levels, as shares of the way from noise to picture; the ends say nothing about a prompt."""

_MOST_TOGETHER = 8


def prompt_gains(
    model: Any,
    prompts: PromptSet,
    prompt: int,
    latents: Tensor,
    seeds: Sequence[int],
    stepped: Callable[[], None] = check_cancel,
) -> Tensor:
    """e(no prompt) − e(prompt) of each picture, [N] float32 on the CPU: above 0 where it fits its prompt.

    e is the error of `model`'s denoised prediction in the scale of its own loss, averaged over `LEVELS`, with one draw
    of noise for each seed and level, the same for every model and picture of that seed. The negative prompt stands for
    no prompt. `latents` [N, …] as a sampler node returns them. `stepped` is called before every call of the model, and
    cancels by raising. Sampling itself, loading, conditions and patches go through core's guider.
    """
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(prompts.positive[prompt], prompts.negative)
    sampling = model.get_model_object("model_sampling")
    sigmas = torch.tensor([float(sampling.percent_to_sigma(level)) for level in LEVELS])
    measure = _PromptGains(seeds, stepped)
    guider.sample(
        torch.zeros_like(latents), latents, measure, sigmas, callback=None, disable_pbar=True, seed=seeds[0]
    )
    return measure.gains


class _PromptGains(comfy.samplers.Sampler):  # type: ignore[misc]
    """Takes a sampler's place inside core's sampling, and measures the latents instead of changing them."""

    def __init__(self, seeds: Sequence[int], stepped: Callable[[], None]) -> None:
        self._seeds, self._stepped = seeds, stepped
        self.gains = torch.empty(0)

    def max_denoise(self, model_wrap: Any, sigmas: Tensor) -> bool:  # noqa: ARG002
        return False

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any,  # noqa: ARG002
        noise: Tensor,
        latent_image: Tensor,
        denoise_mask: Tensor | None = None,  # noqa: ARG002
        disable_pbar: bool = False,  # noqa: ARG002
    ) -> Tensor:
        size = fitting_batch(model_wrap, noise.shape, min(_MOST_TOGETHER, len(latent_image)))
        clean, options, place = latent_image.float(), extra_args["model_options"], 0
        done: list[Tensor] = []
        while place < len(clean):
            part = slice(place, place + size)
            try:
                done.append(self._measured(model_wrap, sigmas, options, clean[part], self._seeds[part]))
            except Exception as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
                size //= 2
            else:
                place += size
        self.gains = torch.cat(done)
        return latent_image

    def _measured(
        self, guider: Any, sigmas: Tensor, options: dict[str, Any], clean: Tensor, seeds: Sequence[int]
    ) -> Tensor:
        model = guider.inner_model
        total = torch.zeros(len(clean), device=clean.device)
        for level, sigma in enumerate(sigmas):
            self._stepped()
            noise = torch.stack([_noise(seed, level, clean.shape[1:]) for seed in seeds]).to(clean)
            of_each = sigma.to(clean).expand(len(clean))
            noisy = model.model_sampling.noise_scaling(of_each, noise, clean)
            conds = [guider.conds["negative"], guider.conds["positive"]]
            without, with_prompt = comfy.samplers.calc_cond_batch(model, conds, noisy, of_each, options)
            scale = scalings(model.model_sampling, of_each)
            total += denoising_errors(without.float(), clean, scale)
            total -= denoising_errors(with_prompt.float(), clean, scale)
        return (total / len(sigmas)).float().cpu()


def _noise(seed: int, level: int, shape: Sequence[int]) -> Tensor:
    """Noise [C, H, W] that is not the one the picture of this seed was made from."""
    generator = torch.Generator().manual_seed((seed * len(LEVELS) + level + 0x9E3779B9) % 2**63)
    return torch.randn(tuple(shape), generator=generator)

"""How well samples fit their prompts, judged by the generator without its LoRA."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .denoiser import Denoiser
from .losses import denoising_errors
from .scalings import scalings
from .sigmas import NoiseLevels

LEVELS = (0.2, 0.4, 0.6, 0.8)
"""Noise levels, as shares of the way from noise to picture; the ends say nothing about a prompt."""


@torch.no_grad()
def prompt_errors(
    denoiser: Denoiser, latents: Tensor, prompts: Sequence[int | None], levels: NoiseLevels, together: int
) -> Tensor:
    """Mean denoising error of each sample under each of `prompts`, [N, P] on the CPU.

    `latents` [N, …] in the model's scale. Every sample has its own noise, the same for all prompts: a diffusion
    classifier (Li et al. 2023, arXiv 2303.16203). `together`: how many go through the model at once.
    """
    device = denoiser.parameters[0].device
    rows = []
    for start in range(0, len(latents), together):
        clean = latents[start : start + together].to(device, copy=True)
        errors = torch.zeros(len(clean), len(prompts))
        for number, sigma in enumerate(levels.at(torch.tensor(LEVELS))):
            noise = torch.stack([_noise(start + row, number, clean.shape[1:]) for row in range(len(clean))])
            of_each = sigma.expand(len(clean)).to(device)
            noisy = denoiser.sampling.noise_scaling(of_each, noise.to(device), clean)
            scale = scalings(denoiser.sampling, of_each)
            for column, prompt in enumerate(prompts):
                predicted = denoiser.reference(noisy, of_each, prompt)
                errors[:, column] += denoising_errors(predicted, clean, scale).cpu() / len(LEVELS)
        rows.append(errors)
    return torch.cat(rows)


def best_fitting(
    denoiser: Denoiser, latents: Tensor, prompts: Sequence[int], levels: NoiseLevels, together: int = 8
) -> list[int]:
    """The one of `prompts` that each sample fits best."""
    if len(prompts) == 1:
        return [prompts[0]] * len(latents)
    errors = prompt_errors(denoiser, latents, prompts, levels, together)
    return [prompts[column] for column in errors.argmin(dim=1).tolist()]


def _noise(row: int, level: int, shape: Sequence[int]) -> Tensor:
    generator = torch.Generator().manual_seed(row * len(LEVELS) + level + 0x9E3779B9)
    return torch.randn(tuple(shape), generator=generator)

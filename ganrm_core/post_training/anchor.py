"""Data anchor: the denoising error on reference pictures, a small part of the loss of training with a reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .denoiser import Denoiser
from .losses import denoising_errors
from .micro_batch import MicroBatch
from .scalings import scalings
from .sigmas import NoiseLevels


@dataclass(frozen=True)
class References:
    """Latents [M, …] in the model's scale, and the number of each one's prompt."""

    latents: Tensor
    prompts: Sequence[int]


class Anchor:
    """Keeps a generator close to references: plain fine-tuning beside the reward (DDRL, Ye et al. 2025, arXiv 2512.04332)."""

    def __init__(
        self, denoiser: Denoiser, references: References, levels: NoiseLevels, weight: float
    ) -> None:
        self._denoiser, self._references = denoiser, references
        self._levels, self._weight = levels, weight

    def backward(self, count: int, together: MicroBatch, generator: torch.Generator) -> float:
        """Adds the gradients of the mean error of `count` random references, times the weight; returns that error."""
        references, seen = self._references, 0.0
        by_prompt: dict[int, list[int]] = {}
        for row in torch.randint(len(references.latents), (count,), generator=generator).tolist():
            by_prompt.setdefault(references.prompts[row], []).append(row)
        for prompt, rows in by_prompt.items():
            for start in range(0, len(rows), together.size):
                clean = references.latents[rows[start : start + together.size]].to(self._device)
                sigma = self._levels.draw(len(clean), generator).to(clean.device)
                noise = torch.randn(clean.shape, generator=generator).to(clean.device)
                noisy = self._denoiser.sampling.noise_scaling(sigma, noise, clean)
                denoised = self._denoiser.denoise(noisy, sigma, prompt)
                scale = scalings(self._denoiser.sampling, sigma)
                loss = denoising_errors(denoised, clean, scale).sum() / count
                (self._weight * loss).backward()  # type: ignore[no-untyped-call]
                seen += float(loss.detach())
        return seen

    @property
    def _device(self) -> torch.device:
        return self._denoiser.parameters[0].device

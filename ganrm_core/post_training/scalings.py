"""Scalings of a diffusion or flow model's noise, read from its sampling object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class ModelSampling(Protocol):
    """What is needed of ComfyUI's `model_sampling`."""

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent_image: Tensor) -> Tensor:
        """Noisy latents at `sigma` [B]; linear in `noise` and `latent_image`."""


@dataclass(frozen=True)
class Scalings:
    """x = signal·x₀ + noise·ε; each [B]."""

    signal: Tensor
    noise: Tensor

    @property
    def velocity(self) -> Tensor:
        """What one unit of the velocity changes in the denoised prediction x̂, [B].

        The velocity of x/√(signal² + noise²) on the circle (cos φ, sin φ) = (signal, noise)/√(signal² + noise²) is
        v = cos φ·ε − sin φ·x₀ (Salimans and Ho 2022, section 4), so that a given x makes v − v̂ = (x̂ − x₀)/sin φ.
        """
        return self.noise / (self.signal.square() + self.noise.square()).sqrt()


def scalings(sampling: ModelSampling, sigma: Tensor) -> Scalings:
    """The scalings at noise levels `sigma` [B], found by passing zeros and ones through the sampling object."""
    zeros = torch.zeros(len(sigma), 1, 1, 1, device=sigma.device, dtype=sigma.dtype)
    ones = torch.ones_like(zeros)
    # Core's noise_scaling may write into its noise argument, so each call gets a tensor of its own.
    signal = sampling.noise_scaling(sigma, zeros.clone(), ones)
    noise = sampling.noise_scaling(sigma, ones.clone(), zeros)
    return Scalings(signal.flatten(), noise.flatten())

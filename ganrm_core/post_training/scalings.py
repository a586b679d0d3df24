"""Scalings of a diffusion or flow model's parameterisation, read from its sampling object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class ModelSampling(Protocol):
    """What is needed of ComfyUI's `model_sampling`: linear maps between clean latents, noise and network output."""

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent_image: Tensor) -> Tensor:
        """Noisy latents at `sigma` [B]."""

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        """Denoised prediction from the network's output and the noisy latents."""


@dataclass(frozen=True)
class Scalings:
    """x = signal·x₀ + noise·ε, and x̂ = (a term in x) + output·F, with F the network's output; each [B].

    A squared error of x̂ divided by output² is the squared error of F: for an eps model that of the noise, for v and
    flow models that of the velocity, for EDM that of EDM's F (Karras et al. 2022, eq. 8).
    """

    signal: Tensor
    noise: Tensor
    output: Tensor


def scalings(sampling: ModelSampling, sigma: Tensor) -> Scalings:
    """The scalings at noise levels `sigma` [B], found by passing zeros and ones through the sampling object."""
    zeros = torch.zeros(len(sigma), 1, 1, 1, device=sigma.device, dtype=sigma.dtype)
    ones = torch.ones_like(zeros)
    # Core's noise_scaling may write into its noise argument, so each call gets a tensor of its own.
    signal = sampling.noise_scaling(sigma, zeros.clone(), ones)
    noise = sampling.noise_scaling(sigma, ones.clone(), zeros)
    with_output = sampling.calculate_denoised(sigma, ones, zeros)
    without = sampling.calculate_denoised(sigma, zeros, zeros)
    return Scalings(signal.flatten(), noise.flatten(), (with_output - without).flatten())

"""Stochastic sampling steps with a known Gaussian density, for policy gradients (Flow-CPS)."""

from __future__ import annotations

import math

from torch import Tensor

from .scalings import Scalings


def step_distribution(
    noisy: Tensor, denoised: Tensor, now: Scalings, then: Scalings, share: float
) -> tuple[Tensor, Tensor]:
    """Mean [B, …] and standard deviation [B] of the next noisy latents.

    Coefficients-preserving sampling (Flow-CPS, arXiv 2509.05952, eq. 14) for every kind of model: with x = αx̂ + s·n̂, the next
    x' = α'x̂ + √(s'² − k²)·n̂ + k·z, k = s'·sin(share·π/2). It has exactly the noise that level should have; at `share` 0 it is
    Euler's step. `share` in 0–1.
    """
    signal, noise = (_along(values, noisy) for values in (now.signal, now.noise))
    signal_then, noise_then = (_along(values, noisy) for values in (then.signal, then.noise))
    deviation = then.noise * math.sin(share * math.pi / 2)
    direction = (noisy - signal * denoised) / noise
    kept = noise_then * math.cos(share * math.pi / 2)
    return signal_then * denoised + kept * direction, deviation


def log_probability(sample: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Log-density of a step, averaged over the latent's values and without its constant, [B]: −mean((x' − μ)²)/2k²."""
    return -(sample - mean).square().flatten(1).mean(1) / (2 * deviation.square())


def guarded_log_ratio(sample: Tensor, mean: Tensor, old_mean: Tensor, deviation: Tensor) -> Tensor:
    """Log of the likelihood ratio of a step, new policy against old, without its bias, [B].

    k·(log p − log p_old) + mean((μ − μ_old)²)/2k: the first term alone is below 0 on average, and its scale depends on
    the noise level (GRPO-Guard, arXiv 2510.22319).
    """
    gained = log_probability(sample, mean, deviation) - log_probability(sample, old_mean, deviation)
    bias = (mean - old_mean).square().flatten(1).mean(1) / (2 * deviation)
    return deviation * gained + bias


def _along(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1)).to(like)

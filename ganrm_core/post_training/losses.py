"""Training losses as functions of the denoised prediction: one code for eps, v, EDM and flow models.

Notation: x₀ clean latents, x̂ the denoised prediction of the trained model, c the scaling of the network's output in x̂
(`Scalings.output`), e the squared error of the network's output.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .scalings import Scalings


def denoising_errors(denoised: Tensor, clean: Tensor, scale: Scalings) -> Tensor:
    """e = mean((x̂ − x₀)²)/c² of each sample, [B]: the model's own training loss.

    For an eps model mean((ε̂ − ε)²) (Ho et al. 2020, eq. 14), for a flow model mean((v̂ − v)²) (Liu et al. 2022, eq. 1).
    """
    return (denoised - clean).square().flatten(1).mean(1) / scale.output.square()


def kl_errors(denoised: Tensor, reference: Tensor, scale: Scalings) -> Tensor:
    """mean((x̂ − x̂ʳ)²)/c² of each sample, [B]: the KL divergence to the reference, up to a factor per noise level."""
    return denoising_errors(denoised, reference, scale)


def dpo_losses(chosen: Tensor, rejected: Tensor, margin: Tensor, beta: float) -> Tensor:
    """Diffusion-DPO, −log σ(−β/2·[(e_w − e_l) − (eʳ_w − eʳ_l)]), of each pair, [B] (Wallace et al. 2024, eq. 14).

    `chosen`, `rejected`: errors of the trained model on the better and the worse sample, at the same noise and noise
    level. `margin`: eʳ_w − eʳ_l of the reference model. `beta` holds the paper's factor T·ω.
    """
    return -F.logsigmoid(-beta / 2 * (chosen - rejected - margin))


def safeguard_factors(chosen: Tensor, rejected: Tensor, mu: float) -> Tensor:
    """Factor on the worse sample's gradient that keeps the better one's error from rising, [B], in 0–1.

    clip((1 − μ)·‖g_w‖²/⟨g_w, g_l⟩, 0, 1) where ⟨g_w, g_l⟩ > 0, else 1, with g the gradients of the errors with respect to
    the network's output, which are its residuals [B, …] up to a common factor. After SDPO (Safeguarded Diffusion Preference
    Optimization, arXiv 2511.03317), which takes one factor per batch; here each pair has its own.
    `mu` in 0–1: 0 lets the chosen error just not rise (to first order), 1 drops the worse sample wherever it conflicts.
    """
    inner = (chosen * rejected).flatten(1).sum(1)
    allowed = (1 - mu) * chosen.square().flatten(1).sum(1) / inner.clamp(min=torch.finfo(inner.dtype).tiny)
    return torch.where(inner > 0, allowed.clamp(0, 1), torch.ones_like(inner))


def with_gradient_scaled(values: Tensor, factors: Tensor) -> Tensor:
    """`values` unchanged, their gradients multiplied by `factors` (of the same shape, without a gradient)."""
    return factors * values + (1 - factors) * values.detach()

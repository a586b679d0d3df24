"""Training losses as functions of the denoised prediction: one code for eps, v, EDM and flow models.

Notation: x₀ clean latents, x̂ the denoised prediction of the trained model, e the squared error of its velocity.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .scalings import Scalings

_NFT_SCALE = 5.0


def denoising_errors(denoised: Tensor, clean: Tensor, scale: Scalings) -> Tensor:
    """e = mean((v̂ − v)²) of each sample, [B], with v the velocity (`Scalings.velocity`).

    Whatever the network predicts, it is weighed as v models weigh it in training (Salimans and Ho 2022, section 4): EDM's
    weights are the same for data of unit variance (Karras et al. 2022, table 1), rectified flow's at most twice as large.
    Weighing eps models by their own error would hardly count the high noise levels, at which the composition is decided.
    """
    return (denoised - clean).square().flatten(1).mean(1) / scale.velocity.square()


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


def nft_losses(denoised: Tensor, lagged: Tensor, clean: Tensor, good: Tensor, beta: float) -> Tensor:
    """DiffusionNFT's forward-process loss of each sample, [B] (Zheng et al. 2025, arXiv 2509.16117, eq. 5).

    (5/β)·[r·|x⁺ − x₀|²/w⁺ + (1 − r)·|x⁻ − x₀|²/w⁻] with x⁺ = x̂ᵒ + β·(x̂ − x̂ᵒ) and x⁻ = x̂ᵒ − β·(x̂ − x̂ᵒ), written for the
    denoised prediction: good samples pull the model towards themselves, bad ones push the difference to its lagged copy
    the other way. `lagged`: x̂ᵒ, the lagged copy's prediction. `good`: r, 0–1, [B]. w: mean absolute error without a
    gradient, as in the authors' code, which makes the noise levels count alike.
    """
    moved = beta * (denoised - lagged.detach())
    losses = [_self_weighted(lagged.detach() + sign * moved, clean) for sign in (1, -1)]
    return _NFT_SCALE / beta * (good * losses[0] + (1 - good) * losses[1])


def clipped_policy_losses(log_ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """PPO's clipped objective, −min(ρA, clamp(ρ, 1 ± clip)·A), [B] (Schulman et al. 2017, arXiv 1707.06347, eq. 7)."""
    ratio = log_ratio.exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def _self_weighted(prediction: Tensor, clean: Tensor) -> Tensor:
    """Squared error over its mean absolute error, [B]."""
    error = (prediction - clean).flatten(1)
    return error.square().mean(1) / error.detach().abs().mean(1).clamp(min=1e-5)


def with_gradient_scaled(values: Tensor, factors: Tensor) -> Tensor:
    """`values` unchanged, their gradients multiplied by `factors` (of the same shape, without a gradient)."""
    return factors * values + (1 - factors) * values.detach()

"""Where a fork of a half-sampled candidate starts: the picture predicted of its parent, under partly new noise."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ....ganrm_core.selection.steering import old_noise_weight
from .candidate import Candidate


def start_noise(
    candidate: Candidate,
    guider: Any,
    sigmas: Tensor,
    latent_image: Tensor | None,
    denoise_mask: Tensor | None,
) -> Tensor:
    """The noise [1, C, H, W] from which a sampler samples `candidate`: its own, or with it what a fork has of its parent.

    A sampler begins at signal · `latent_image` + sigma · noise. That latent stays the one given, as samplers take from it
    what the mask leaves as it was; so the noise also holds how far the picture has come from it. The other arguments as
    ComfyUI passes them to a sampler. The parent must have called the model.
    """
    parent = candidate.origin
    if parent is None:
        return candidate.noise
    assert parent.seen
    assert parent.predicted is not None
    (x, before), picture = parent.seen, parent.predicted
    given = torch.zeros_like(picture) if latent_image is None else latent_image
    if denoise_mask is not None:
        picture = picture * denoise_mask + given * (1 - denoise_mask)
    then = float(sigmas[candidate.start])
    signals = (_signal(guider, before, x.ndim), _signal(guider, then, x.ndim))
    noise = (x - signals[0] * picture) / before
    weight = old_noise_weight(signals, (before, then))
    mixed = weight * noise + math.sqrt(1 - weight**2) * candidate.noise.to(noise)
    return mixed + signals[1] / then * (picture - given)


def _signal(guider: Any, sigma: float, dimensions: int) -> float:
    """The weight of the picture in a latent at `sigma`: 1 for models that predict noise, 1 − sigma for flows."""
    noise, picture = torch.zeros((1,) * dimensions), torch.ones((1,) * dimensions)
    return float(guider.inner_model.model_sampling.noise_scaling(torch.tensor([sigma]), noise, picture))

"""Where a fork of a half-sampled candidate starts: the picture predicted of its parent, under partly new noise."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ....ganrm_core.selection.steering import old_noise_weight
from .candidate import Candidate


def forked(
    fork: Candidate, guider: Any, sigmas: Tensor, latent_image: Tensor | None, denoise_mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The latent and the noise, [1, C, H, W], from which a sampler starts the steps after `fork.start`, as in img2img.

    The other arguments as ComfyUI passes them to a sampler. The parent must have called the model.
    """
    assert fork.origin
    assert fork.origin.parent.seen
    assert fork.origin.parent.predicted is not None
    (x, before), picture = fork.origin.parent.seen, fork.origin.parent.predicted
    then = float(sigmas[fork.start])
    signals = (_signal(guider, before, x), _signal(guider, then, x))
    noise = (x - signals[0] * picture) / before
    weight = old_noise_weight(signals, (before, then))
    if denoise_mask is not None and latent_image is not None:
        # What is not painted anew is taken from the latent that the sampler is given.
        picture = picture * denoise_mask + latent_image * (1 - denoise_mask)
    return picture, weight * noise + math.sqrt(1 - weight**2) * fork.noise.to(noise)


def _signal(guider: Any, sigma: float, like: Tensor) -> float:
    """The weight of the picture in a latent at `sigma`: 1 for models that predict noise, 1 − sigma for flows."""
    shape = (1,) * like.ndim
    zero, one = torch.zeros(shape), torch.ones(shape)
    return float(guider.inner_model.model_sampling.noise_scaling(torch.tensor([sigma]), zero, one))

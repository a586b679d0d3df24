"""Per-candidate conditioning for models whose conditioning depends on the seed.

A few models (unCLIP, the ×4 upscaler, Hunyuan's refiner) add noise to their conditioning, drawn from the sampling
seed. ComfyUI processes conditioning once per sampling, but here all candidates share one sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from .candidate import Candidate

Conditioning = dict[str, list[dict[str, Any]]]


def conditioning_per_candidate(
    candidates: Sequence[Candidate],
    guider: Any,
    noise: Tensor,
    latent_image: Tensor | None,
    denoise_mask: Tensor | None,
) -> dict[int, Conditioning]:
    """Processed conditioning by candidate number; {} where it does not depend on the seed.

    `noise`, `latent_image` and `denoise_mask` as ComfyUI passes them to a sampler.
    """
    if len(candidates) < 2 or not hasattr(guider, "original_conds"):
        return {}

    def processed(candidate: Candidate) -> Conditioning:
        # The same steps as in CFGGuider.sample and inner_sample.
        conds = {name: [each.copy() for each in given] for name, given in guider.original_conds.items()}
        comfy.samplers.preprocess_conds_hooks(conds)
        comfy.samplers.filter_registered_hooks_on_conds(conds, guider.model_options)
        return comfy.samplers.process_conds(  # type: ignore[no-any-return]
            guider.inner_model,
            candidate.noise.to(noise),
            conds,
            noise.device,
            latent_image,
            denoise_mask,
            candidate.seed,
        )

    second = processed(candidates[1])
    if _same(guider.conds, second):
        return {}
    return {
        candidates[0].number: guider.conds,
        candidates[1].number: second,
        **{each.number: processed(each) for each in candidates[2:]},
    }


def _same(first: Conditioning, second: Conditioning) -> bool:
    """Whether both give the model the same conditioning tensors."""
    model_conds = [
        [each.get("model_conds", {}) for given in conds.values() for each in given]
        for conds in (first, second)
    ]
    return len(model_conds[0]) == len(model_conds[1]) and all(
        one.keys() == other.keys() and all(_equal(one[name].cond, other[name].cond) for name in one)
        for one, other in zip(*model_conds, strict=True)
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and (one is other or (not isinstance(one, Tensor) and bool(one == other)))

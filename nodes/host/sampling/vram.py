"""GPU memory estimates for sampling several candidates at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import comfy.model_management
import comfy.sampler_helpers

_TENSORS_PER_SAMPLER = 8  # latent-sized float32 tensors that a paused sampler may hold


def fitting_batch(guider: Any, shape: Sequence[int], together: int) -> int:
    """The largest number of candidates per model call, at most `together`, that fits into free memory.

    Uses the rule by which ComfyUI batches prompts. `shape`: of one latent batch, [B, C, H, W].
    """
    free = comfy.model_management.get_free_memory(guider.model_patcher.load_device)
    fits = (
        count for count in range(together, 1, -1) if _estimate(guider, [count, *shape[1:]])[1] * 1.5 < free
    )
    return next(fits, 1)


def reload_models(guider: Any, shape: Sequence[int], together: int, candidates: int) -> None:
    """Load the sampling models again: decoding and scoring may have evicted them from a small GPU."""
    models = [guider.model_patcher, *getattr(guider, "loaded_models", [])]
    most, least = _estimate(guider, [together, *shape[1:]])
    held = candidates * _TENSORS_PER_SAMPLER * 4 * math.prod(shape[1:])
    comfy.model_management.load_models_gpu(
        models, memory_required=most + held, minimum_memory_required=least + held
    )


def _estimate(guider: Any, shape: list[int]) -> tuple[float, float]:
    """Bytes per call with all prompts batched, and with one prompt at a time; ComfyUI's own estimate."""
    helpers, patcher, conds = comfy.sampler_helpers, guider.model_patcher, _conds(guider)
    most, least = helpers.estimate_memory(patcher, shape, conds)
    _, more = helpers.get_additional_models(conds, patcher.model_dtype())
    return most + more, least + more


def _conds(guider: Any) -> Any:
    """The processed conditioning while sampling, before it the given one."""
    return getattr(guider, "conds", None) or getattr(guider, "original_conds", {})

"""Room on the device while several candidates are on their way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import comfy.model_management
import comfy.sampler_helpers

_HELD = 8  # tensors the size of a latent that a paused sampler may hold, in float32


def fitting(guider: Any, shape: Sequence[int], together: int) -> int:
    """As many candidates per call as fit into free memory, by the rule ComfyUI batches prompts with."""
    free = comfy.model_management.get_free_memory(guider.model_patcher.load_device)
    fits = (
        count for count in range(together, 1, -1) if _estimate(guider, [count, *shape[1:]])[1] * 1.5 < free
    )
    return next(fits, 1)


def bring_back(guider: Any, shape: Sequence[int], together: int, candidates: int) -> None:
    """Load what samples again: looking may have pushed it off a small graphics card."""
    models = [guider.model_patcher, *getattr(guider, "loaded_models", [])]
    most, least = _estimate(guider, [together, *shape[1:]])
    held = candidates * _HELD * 4 * math.prod(shape[1:])
    comfy.model_management.load_models_gpu(
        models, memory_required=most + held, minimum_memory_required=least + held
    )


def _estimate(guider: Any, shape: list[int]) -> tuple[float, float]:
    """Bytes a call takes with all prompts together, and one by one; as ComfyUI reckons before it samples."""
    helpers, patcher, conds = comfy.sampler_helpers, guider.model_patcher, getattr(guider, "conds", {})
    most, least = helpers.estimate_memory(patcher, shape, conds)
    _, more = helpers.get_additional_models(conds, patcher.model_dtype())
    return most + more, least + more

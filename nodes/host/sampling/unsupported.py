"""Refuses model patches that keep state between steps: interleaved candidates would get each other's state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ....ganrm_core.utils.errors import DataError


def check_no_step_state(guider: Any) -> None:
    """Raise DataError for core's own patches of that kind (EasyCache, momentum guidance, keyframed hooks)."""
    options = getattr(guider, "model_options", {})
    if "easycache" in options.get("transformer_options", {}):
        raise _refusal(
            "EasyCache and LazyCache reuse what the model gave for the step before",
            "set draft: step cache here, ",
        )
    if any(map(_has_momentum, options.get("sampler_pre_cfg_function", []))):
        raise _refusal("Adaptive Projected Guidance with momentum averages over the steps before")
    if any(len(group.keyframes) > 1 for group in _keyframes(guider)):
        raise _refusal("Hooks with keyframes only move forward from step to step")


def check_same_mask(guider: Any) -> None:
    """Raise DataError for a mask that changes from step to step, counted from where a candidate starts."""
    if "denoise_mask_function" in getattr(guider, "model_options", {}):
        raise DataError(
            "Differential Diffusion frees more of the mask from step to step, and a search that goes on from half-made "
            "pictures would begin that again. Take it out, or set search: best of n."
        )


def _refusal(why: str, instead: str = "") -> DataError:
    return DataError(
        f"{why}. Here candidates take turns, so they would get each other's. Take that out for the Best-of-N Sampler, "
        f"{instead}or sample with KSampler and choose with Best of N."
    )


def _has_momentum(function: Any) -> bool:
    if not getattr(function, "__module__", "").endswith("nodes_apg"):
        return False
    held = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    return "momentum" in held and held["momentum"].cell_contents != 0


def _keyframes(guider: Any) -> Iterator[Any]:
    for given in getattr(guider, "original_conds", {}).values():
        for each in given:
            hooks = [each.get("hooks")]
            if each.get("control") is not None:
                hooks += each["control"].get_extra_hooks()
            for group in hooks:
                yield from (hook.hook_keyframe for hook in getattr(group, "hooks", []) or [])

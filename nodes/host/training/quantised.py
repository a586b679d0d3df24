"""Layers with quantised weights (newer ComfyUI) computed in the model's own precision while a LoRA is trained."""

from __future__ import annotations

from typing import Any

from torch import nn

from .forward_wrappers import Forward, Wrapper


def in_full_precision(model: nn.Module) -> list[Wrapper]:
    """Wrappers of the layers that would quantise their input too: gradients would be rounded like the input is."""
    return [(module, _exact(module)) for module in model.modules() if hasattr(module, "_full_precision_mm")]


def _exact(module: Any) -> Any:
    def around(original: Forward) -> Forward:
        def forward(*args: Any, **kwargs: Any) -> Any:
            before, module._full_precision_mm = module._full_precision_mm, True
            try:
                return original(*args, **kwargs)
            finally:
                module._full_precision_mm = before

        return forward

    return around

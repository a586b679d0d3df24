"""PyTorch's own attention while a model is trained, whatever ComfyUI was started with.

Flash and sage attention have no backward pass. Sub-quadratic and split attention choose by free memory how to divide
the work, so that a block computed again in the backward pass would not repeat what it did.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import comfy.ldm.modules.attention as attention

_NAMES = ("optimized_attention", "optimized_attention_masked")


def pytorch_attention(_function: Any, *args: Any, **kwargs: Any) -> Any:
    """For `transformer_options["optimized_attention_override"]`."""
    return attention.attention_pytorch(*args, **kwargs)


class PytorchAttention:
    """Also for the models that do not hand `transformer_options` on to their attention."""

    def __init__(self) -> None:
        self._before: list[tuple[ModuleType, str, Any]] = []

    def switch_on(self) -> None:
        """Let every module of ComfyUI's models that knows the chosen attention by name find PyTorch's under it."""
        chosen = attention.optimized_attention
        if self._before or chosen is attention.attention_pytorch:
            return
        for name, module in list(sys.modules.items()):
            if name.startswith("comfy.ldm."):
                for word in _NAMES:
                    if vars(module).get(word) is chosen:
                        self._before.append((module, word, chosen))
                        setattr(module, word, attention.attention_pytorch)

    def restore(self) -> None:
        before, self._before = self._before, []
        for module, word, chosen in before:
            setattr(module, word, chosen)

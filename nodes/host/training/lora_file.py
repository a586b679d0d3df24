"""A LoRA in core's own format (LORA_MODEL), and starting from one of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .lora_layers import LoraLayers

LoraDict = Mapping[str, Tensor]
"""`diffusion_model.….lora_up.weight`, `….lora_down.weight` and `….alpha`, as core's Save LoRA takes them."""


def lora_dict(layers: LoraLayers) -> dict[str, Tensor]:
    """The branches in core's format, float32 on the CPU; those that never ran and hold nothing are left out."""
    found: dict[str, Tensor] = {}
    for name, layer in layers.layers.items():
        if not layer.ran and not bool(layer.up.any()):
            continue
        found[f"{name}.lora_up.weight"] = layer.up.detach().cpu().clone().contiguous()
        found[f"{name}.lora_down.weight"] = layer.down.detach().cpu().clone().contiguous()
        found[f"{name}.alpha"] = torch.tensor(float(layer.alpha))
    return found

"""Which layers of a diffusion model get a LoRA, found by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from ....ganrm_core.post_training.config import Layers
from ....ganrm_core.utils.errors import DataError

PREFIX = "diffusion_model."
"""Of every name: a layer is called as its weight is in the model's state dict, without `.weight`."""

# Names of attention modules: attn1 (UNets), img_attn (Flux), self_attn, cross_attn (PixArt, Cosmos), attention (Lumina).
_ATTENTION = re.compile(r"(?:^|_)(?:attn|attention)\d*(?:_|$)")
# Projections that some models keep outside such a module.
_PROJECTION = re.compile(
    r"^(?:(?:to|add|c)_)?(?:q|k|v|qk|kv|qkv|query|key|value)(?:_proj|_linear)?$"
    r"|^W?(?:qkv|q|k|v|o)$|^w[12]?[qkvo]$|^to_(?:add_)?out$"
)
# Flux's single blocks: attention and feed-forward share two layers.
_SHARED = re.compile(r"(?:^|\.)single_blocks\.\d+\.linear[12]$")
_FEED_FORWARD = re.compile(r"(?:^|_)(?:mlp[XC]?|ff|ffn|feed_?forward)\d*(?:_|$)")
# Of timesteps, of prompts, of sizes: not part of a block.
_NO_PART_OF_A_BLOCK = re.compile(r"norm|modul|adaln|embed|timestep|(?:^|_)(?:time|label|vector|guidance)_")


def chosen_layers(model: nn.Module, layers: Layers) -> tuple[dict[str, Any], list[str]]:
    """Layers by name, and notes about settings that could not be followed. `model`: the diffusion model.

    Raises DataError for a model without any layer that can have a LoRA.
    """
    every = dict(_layers(model))
    linear = {name: layer for name, layer in every.items() if not is_convolution(layer)}
    if not every:
        raise DataError("This model has no layer that a LoRA could be trained for. Use an image model.")
    if layers == "all":
        return every, []
    if layers == "all linear" and linear:
        return linear, []
    mlp_too = layers == "attention and mlp"
    chosen = {
        name: layer for name, layer in linear.items() if is_attention(name) or (mlp_too and _is_mlp(name))
    }
    if any(map(is_attention, chosen)):
        return chosen, []
    found = linear or every
    kind = "linear layers" if linear else "layers"
    return found, [
        f"No attention layers were found by their names in this model, so all {len(found)} {kind} are trained."
    ]


def all_layers(model: nn.Module) -> dict[str, Any]:
    """Every layer that can have a LoRA, by name."""
    return dict(_layers(model))


def is_convolution(layer: Any) -> bool:
    return isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)


def _layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules():
        # ComfyUI's layers for mixed quantisation are called Linear without being one.
        linear = isinstance(module, nn.Linear) or (
            type(module).__name__ == "Linear" and hasattr(module, "in_features")
        )
        # With groups, a product of two matrices is no longer two convolutions in a row.
        if linear or (is_convolution(module) and module.groups == 1):
            yield PREFIX + name, module


def is_attention(name: str) -> bool:
    """Whether a layer of this name projects into or out of attention."""
    path = name.removeprefix(PREFIX)
    if _SHARED.search(path):
        return True
    if _NO_PART_OF_A_BLOCK.search(path):
        return False
    parts = [part for part in path.split(".") if not part.isdigit()]
    return any(map(_ATTENTION.search, parts[:-1])) or any(map(_PROJECTION.search, parts[-1:]))


def _is_mlp(name: str) -> bool:
    path = name.removeprefix(PREFIX)
    return not _NO_PART_OF_A_BLOCK.search(path) and any(map(_FEED_FORWARD.search, path.split(".")))

"""Converts OpenCLIP vision tensor names to those of `transformers`."""

from __future__ import annotations

import re

from torch import Tensor

from ..utils.errors import BackboneError

_FIXED = {
    "class_embedding": "vision_model.embeddings.class_embedding",
    "conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "ln_post.weight": "vision_model.post_layernorm.weight",
    "ln_post.bias": "vision_model.post_layernorm.bias",
}
_IN_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)$")


def to_transformers(tensors: dict[str, Tensor], label: str) -> dict[str, Tensor]:
    """Rename the tensors of an OpenCLIP vision transformer, given without their `visual.` prefix.

    Splits the fused query-key-value weights and transposes the projection. Raises BackboneError for tensors that
    CLIP in `transformers` does not have (layer scale, attention pooling, …).
    """
    renamed: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in tensors.items():
        block = _BLOCK.match(name)
        if name in _FIXED:
            renamed[_FIXED[name]] = tensor
        elif name == "proj":
            renamed["visual_projection.weight"] = tensor.t().contiguous()
        elif block and block[2] in ("attn.in_proj_weight", "attn.in_proj_bias"):
            kind = block[2].rpartition("_")[2]
            for part, chunk in zip("qkv", tensor.chunk(3), strict=True):
                renamed[f"vision_model.encoder.layers.{block[1]}.self_attn.{part}_proj.{kind}"] = (
                    chunk.contiguous()
                )
        elif block and block[2].rpartition(".")[0] in _IN_BLOCK:
            part, _, kind = block[2].rpartition(".")
            renamed[f"vision_model.encoder.layers.{block[1]}.{_IN_BLOCK[part]}.{kind}"] = tensor
        else:
            unknown.append(name)
    if unknown:
        raise BackboneError(
            f"{label} is an OpenCLIP model of a shape that cannot be read from a file alone: it has "
            f"{', '.join(sorted(unknown)[:4])}. Use open_clip:<model name>/<this file> instead."
        )
    return renamed

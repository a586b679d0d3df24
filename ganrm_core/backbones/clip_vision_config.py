"""Infers a `transformers` configuration (CLIP, SigLIP, DINOv2, DINOv3) from the shapes of a file's tensors."""

from __future__ import annotations

import math
import re
from typing import Any

from torch import Tensor

from ..utils.error_text import reason
from ..utils.errors import BackboneError
from .hf_vision_model import import_transformers

SETTINGS = ("num_attention_heads", "hidden_act", "layer_norm_eps", "input_size", "image_mean", "image_std")
"""Settings that tensors do not reveal; a file's header may give them."""

_FOR_CONFIG = SETTINGS[:3]
_HEAD_WIDTH = 64
# Published models whose heads are not 64 wide, by width.
_CLIP_HEADS = {1280: 16, 1664: 16}  # ViT-H and g, ViT-bigG
_SIGLIP_HEADS = {1152: 16, 1536: 16}  # so400m, giant
_DINOV3_HEADS = {4096: 32}  # 7B
# OpenAI's B and L use QuickGELU; wider models come from OpenCLIP and use GELU.
_WIDEST_QUICK_GELU = 1024
# so400m at 384: a grid of 27 patches of 14 pixels covers only 378.
_SIZES_WITH_REST = {(14, 27): 384}
_DINOV2_MLP_RATIO = 4
_DINOV3_SIZE = 224  # its positions are computed for any size; this is what the authors' preprocessing gives


def read_architecture(tensors: dict[str, Tensor], settings: dict[str, Any], label: str) -> Any:
    """The `transformers` configuration that fits `tensors` (in the naming of `transformers`).

    `settings` from the file's header override inferred values. Raises BackboneError where no known family fits.
    """
    try:
        if "embeddings.patch_embeddings.weight" in tensors:
            class_name, found = "DINOv3ViTConfig", _dinov3(tensors)
        elif "embeddings.cls_token" in tensors:
            class_name, found = _dinov2(tensors)
        elif "vision_model.embeddings.class_embedding" in tensors:
            class_name, found = "CLIPVisionConfig", _clip(tensors)
        else:
            class_name, found = "SiglipVisionConfig", _siglip(tensors)
    except (KeyError, IndexError, ValueError) as error:
        why = f"it has no {error.args[0]}" if isinstance(error, KeyError) else reason(error)
        raise BackboneError(
            f"{label} fits no CLIP, SigLIP or DINO vision model ({why}). It may be incomplete, or a "
            "variant that is not known here: choose another file."
        ) from error
    found |= {key: settings[key] for key in _FOR_CONFIG if key in settings}
    heads = found["num_attention_heads"]
    if not isinstance(heads, int) or heads < 1 or found["hidden_size"] % heads:
        raise BackboneError(
            f"{label} has blocks of width {found['hidden_size']}, for which no number of attention heads "
            "is known. Use a published CLIP, SigLIP or DINO model."
        )
    return _config(class_name, found, label)


def _clip(tensors: dict[str, Tensor]) -> dict[str, Any]:
    found = _common(tensors, class_tokens=1, known_heads=_CLIP_HEADS)
    found["hidden_act"] = "quick_gelu" if found["hidden_size"] <= _WIDEST_QUICK_GELU else "gelu"
    if "visual_projection.weight" in tensors:
        found["projection_dim"] = tensors["visual_projection.weight"].shape[0]
    return found


def _siglip(tensors: dict[str, Tensor]) -> dict[str, Any]:
    found = _common(tensors, class_tokens=0, known_heads=_SIGLIP_HEADS)
    return {
        **found,
        "vision_use_head": "vision_model.head.probe" in tensors,
        "hidden_act": "gelu_pytorch_tanh",
    }


def _common(tensors: dict[str, Tensor], class_tokens: int, known_heads: dict[int, int]) -> dict[str, Any]:
    patches = tensors["vision_model.embeddings.patch_embedding.weight"]
    if patches.ndim != 4:
        raise ValueError(f"its patch embedding has shape {tuple(patches.shape)}")
    positions = tensors["vision_model.embeddings.position_embedding.weight"].shape[0] - class_tokens
    width, patch = patches.shape[0], patches.shape[-1]
    return {
        "hidden_size": width,
        "patch_size": patch,
        "image_size": _image_size(positions, patch),
        "intermediate_size": tensors["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": _depth(tensors, r"vision_model\.encoder\.layers\.(\d+)\."),
        "num_attention_heads": known_heads.get(width, width // _HEAD_WIDTH),
    }


def _dinov2(tensors: dict[str, Tensor]) -> tuple[str, dict[str, Any]]:
    patches = tensors["embeddings.patch_embeddings.projection.weight"]
    width, patch = patches.shape[0], patches.shape[-1]
    swiglu = "encoder.layer.0.mlp.weights_in.weight" in tensors
    found = {
        "hidden_size": width,
        "patch_size": patch,
        "image_size": _image_size(tensors["embeddings.position_embeddings"].shape[1] - 1, patch),
        "num_hidden_layers": _depth(tensors, r"encoder\.layer\.(\d+)\."),
        "num_attention_heads": width // _HEAD_WIDTH,
        "use_swiglu_ffn": swiglu,
        "mlp_ratio": _DINOV2_MLP_RATIO
        if swiglu
        else tensors["encoder.layer.0.mlp.fc1.weight"].shape[0] // width,
    }
    if "embeddings.register_tokens" not in tensors:
        return "Dinov2Config", found
    return "Dinov2WithRegistersConfig", {
        **found,
        "num_register_tokens": tensors["embeddings.register_tokens"].shape[1],
    }


def _dinov3(tensors: dict[str, Tensor]) -> dict[str, Any]:
    patches = tensors["embeddings.patch_embeddings.weight"]
    width, block = patches.shape[0], "layer.0"
    gated = f"{block}.mlp.gate_proj.weight" in tensors
    biases = {"query_bias": "q_proj", "key_bias": "k_proj", "value_bias": "v_proj", "proj_bias": "o_proj"}
    return {
        "hidden_size": width,
        "patch_size": patches.shape[-1],
        "image_size": _DINOV3_SIZE,
        "intermediate_size": tensors[f"{block}.mlp.up_proj.weight"].shape[0],
        "num_hidden_layers": _depth(tensors, r"layer\.(\d+)\."),
        "num_attention_heads": _DINOV3_HEADS.get(width, width // _HEAD_WIDTH),
        "num_register_tokens": tensors["embeddings.register_tokens"].shape[1],
        "use_gated_mlp": gated,
        "hidden_act": "silu" if gated else "gelu",
        "mlp_bias": f"{block}.mlp.up_proj.bias" in tensors,
        **{name: f"{block}.attention.{layer}.bias" in tensors for name, layer in biases.items()},
    }


def _image_size(positions: int, patch: int) -> int:
    grid = math.isqrt(positions)
    if grid * grid != positions or not grid:
        raise ValueError(f"it has {positions} positions, which make no square")
    return _SIZES_WITH_REST.get((patch, grid), grid * patch)


def _depth(tensors: dict[str, Tensor], pattern: str) -> int:
    return 1 + max(int(match[1]) for name in tensors if (match := re.match(pattern, name)))


def _config(class_name: str, found: dict[str, Any], label: str) -> Any:
    transformers = import_transformers()
    if not hasattr(transformers, class_name):
        raise BackboneError(
            f"{label} needs {class_name}, which transformers {transformers.__version__} does not have. "
            "Install a newer one with: pip install --upgrade transformers"
        )
    try:
        return getattr(transformers, class_name)(**found)
    except Exception as error:
        raise BackboneError(f"{label} cannot be built as read from its tensors ({reason(error)}).") from error

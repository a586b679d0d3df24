"""Tiny vision encoders of `transformers` and OpenCLIP with random weights, and their own outputs as reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

DEPTH = 5
SHAPE = {"hidden_size": 128, "intermediate_size": 96, "num_hidden_layers": DEPTH, "num_attention_heads": 2}
VISION = {**SHAPE, "image_size": 32, "patch_size": 8}
DINOV2 = {key: value for key, value in VISION.items() if key != "intermediate_size"}
TEXT = {**SHAPE, "num_hidden_layers": 1, "vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1}
SIGLIP_TEXT = {**TEXT, "projection_size": 128}

OPEN_CLIP_VISION = {"image_size": 32, "layers": DEPTH, "width": 128, "head_width": 64, "patch_size": 8}
OPEN_CLIP_TEXT = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
OPEN_CLIP_CONFIG = {"embed_dim": 24, "vision_cfg": OPEN_CLIP_VISION, "text_cfg": OPEN_CLIP_TEXT}


def _registers(t: Any) -> Any:
    if not hasattr(t, "Dinov2WithRegistersConfig"):
        pytest.skip("transformers is too old for registers")
    config = t.Dinov2WithRegistersConfig(**DINOV2, num_register_tokens=3, use_swiglu_ffn=True)
    return t.Dinov2WithRegistersModel(config)


def _dinov3(t: Any, **options: Any) -> Any:
    if not hasattr(t, "DINOv3ViTConfig"):
        pytest.skip("transformers is too old for DINOv3")
    return t.DINOv3ViTModel(t.DINOv3ViTConfig(**VISION, num_register_tokens=3, **options))


FAMILIES: dict[str, Callable[[Any], Any]] = {
    "clip": lambda t: t.CLIPModel(t.CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=24)),
    "clip-vision": lambda t: t.CLIPVisionModelWithProjection(t.CLIPVisionConfig(**VISION, projection_dim=24)),
    "clip-unprojected": lambda t: t.CLIPVisionModel(t.CLIPVisionConfig(**VISION)),
    "siglip": lambda t: t.SiglipModel(t.SiglipConfig(vision_config=VISION, text_config=SIGLIP_TEXT)),
    "siglip-vision": lambda t: t.SiglipVisionModel(t.SiglipVisionConfig(**VISION)),
    "dinov2": lambda t: t.Dinov2Model(t.Dinov2Config(**DINOV2, mlp_ratio=2)),
    "dinov2-registers": _registers,
    "dinov3": _dinov3,
    "dinov3-gated": lambda t: _dinov3(t, use_gated_mlp=True, hidden_act="silu"),
    "vit": lambda t: t.ViTModel(t.ViTConfig(**VISION)),
    "vit-unpooled": lambda t: t.ViTForImageClassification(t.ViTConfig(**VISION)),
}
AS_FILE = [family for family in FAMILIES if not family.startswith("vit")]
"""Families that can be loaded from a single file."""


def random_model(family: str) -> Any:
    """A `transformers` model, equal at each call."""
    import transformers

    torch.manual_seed(7)
    return enlivened(FAMILIES[family](transformers))


def enlivened(model: Any) -> Any:
    """In eval mode, with larger weights: with initial ones any two models give similar outputs."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


def reference(family: str, pixels: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Hidden states and embedding as `transformers` computes them."""
    model = random_model(family)
    tower = getattr(model, "vit", model)
    tower = tower.vision_model if family in ("clip", "siglip") else tower
    output = tower(pixel_values=pixels, output_hidden_states=True)
    if family == "clip":
        embedding = model.visual_projection(output.pooler_output)
    elif family == "vit-unpooled":
        embedding = output.last_hidden_state.mean(dim=1)
    else:
        embedding = output.image_embeds if family == "clip-vision" else output.pooler_output
    return output.hidden_states, embedding


class Malice:
    """Pickles to code that creates the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))

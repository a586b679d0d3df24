"""What is guessed from a file's shapes, against ComfyUI's configurations of the published models."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganrm_core.backbones.clip_vision_config import read_architecture

pytest.importorskip("transformers")

# width, tokens, patch → heads, activation, size: what ComfyUI's own configurations for these files say
PUBLISHED = [
    ("CLIP B/32", "clip", 768, 50, 32, 12, "quick_gelu", 224),
    ("CLIP L/14", "clip", 1024, 257, 14, 16, "quick_gelu", 224),
    ("CLIP L/14 336", "clip", 1024, 577, 14, 16, "quick_gelu", 336),
    ("CLIP H/14", "clip", 1280, 257, 14, 16, "gelu", 224),
    ("CLIP bigG/14", "clip", 1664, 257, 14, 16, "gelu", 224),
    ("SigLIP B/16", "siglip", 768, 196, 16, 12, "gelu_pytorch_tanh", 224),
    ("SigLIP so400m 384", "siglip", 1152, 729, 14, 16, "gelu_pytorch_tanh", 384),
    ("SigLIP so400m 512", "siglip", 1152, 1024, 16, 16, "gelu_pytorch_tanh", 512),
    ("DINOv2 L", "dinov2", 1024, 1370, 14, 16, "gelu", 518),
    ("DINOv2 g", "dinov2", 1536, 1370, 14, 24, "gelu", 518),
]


@pytest.mark.parametrize(
    ("family", "width", "tokens", "patch", "heads", "act", "size"),
    [row[1:] for row in PUBLISHED],
    ids=[row[0] for row in PUBLISHED],
)
def test_published_models_are_known(
    family: str, width: int, tokens: int, patch: int, heads: int, act: str, size: int
) -> None:
    def empty(*shape: int) -> Tensor:
        return torch.empty(shape, device="meta")

    if family == "dinov2":
        tensors = {
            "embeddings.cls_token": empty(1, 1, width),
            "embeddings.position_embeddings": empty(1, tokens, width),
            "embeddings.patch_embeddings.projection.weight": empty(width, 3, patch, patch),
            "encoder.layer.0.mlp.fc1.weight": empty(4 * width, width),
        }
    else:
        tensors = {
            "vision_model.embeddings.patch_embedding.weight": empty(width, 3, patch, patch),
            "vision_model.embeddings.position_embedding.weight": empty(tokens, width),
            "vision_model.encoder.layers.0.mlp.fc1.weight": empty(4 * width, width),
        }
        if family == "clip":
            tensors["vision_model.embeddings.class_embedding"] = empty(width)
    config = read_architecture(tensors, {}, "file:x")
    assert (config.num_attention_heads, config.hidden_act, config.image_size) == (heads, act, size)

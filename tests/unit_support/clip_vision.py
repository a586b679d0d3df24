"""Tiny vision model with random weights, in the file format of ComfyUI's models/clip_vision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

VIT = {"image_size": 32, "patch_size": 8, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 1}


def write_clip_vision(path: Path, seed: int = 4) -> Path:
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    config = transformers.CLIPVisionConfig(**VIT, intermediate_size=96, projection_dim=24)
    network = enlivened(transformers.CLIPVisionModelWithProjection(config))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, str(path))
    return path


def enlivened(network: Any) -> Any:
    """First weights are too tame: every picture would look the same to the network."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network.eval()

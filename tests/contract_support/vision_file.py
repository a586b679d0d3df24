"""A tiny vision model in the file format of ComfyUI's models/clip_vision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def make_vision_file() -> Callable[..., Path]:
    """(path, seed=4) → the path of a new clip_vision file with random weights."""
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    size = {"image_size": 32, "patch_size": 8, "hidden_size": 64, "num_hidden_layers": 4}
    heads = {"num_attention_heads": 1, "intermediate_size": 96, "projection_dim": 24}
    config = transformers.CLIPVisionConfig(**size, **heads)

    def make(path: Path, seed: int = 4) -> Path:
        torch.manual_seed(seed)
        network = transformers.CLIPVisionModelWithProjection(config)
        with torch.no_grad():  # initial weights are too small: the features of all pictures would be alike
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, str(path))
        return path

    return make

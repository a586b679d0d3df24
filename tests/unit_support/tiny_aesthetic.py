"""Aesthetic predictors in tiny, with random weights, in their real file formats."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ganrm_core.rewards.known.aesthetic import LAION_V2, V2_5, Predictor
from unit_support.tiny_encoders import random_model

TINY_PREDICTORS = {
    "laion": (replace(LAION_V2, width=24, size=32), "clip-vision"),
    "v2.5": (replace(V2_5, width=128, size=32), "siglip-vision"),
}
"""The predictor for a small encoder, and the family of that."""

Layers = list[tuple[Tensor, Tensor]]


def write_predictor(folder: Path, predictor: Predictor, family: str) -> tuple[Path, Path, Any, Layers]:
    """Head and encoder; returns their files, the encoder, and weight and bias of each layer of the head."""
    model = random_model(family)
    encoder, head = folder / "encoder.safetensors", folder / "head.pth"
    header = json.dumps({"num_attention_heads": 2, "hidden_act": model.config.hidden_act})
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, encoder, {"ganrm_vision_config": header})
    torch.manual_seed(8)
    widths = (predictor.width, 1024, 128, 64, 16, 1)
    layers = [(torch.randn(out, into) / into**0.5, torch.randn(out)) for into, out in pairwise(widths)]
    state: OrderedDict[str, Tensor] = OrderedDict()
    for place, (weight, bias) in zip(predictor.places, layers, strict=True):
        state[f"{predictor.prefix}{place}.weight"], state[f"{predictor.prefix}{place}.bias"] = weight, bias
    torch.save(state, head)
    return head, encoder, model, layers

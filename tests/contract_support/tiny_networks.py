"""Tiny published networks in ComfyUI's models folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from unit_support.tiny_encoders import enlivened
from unit_support.tiny_judges import write_clip

_SHAPE = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}


def put_pickscore(models: Path, name: str = "PickScore_v1") -> Any:
    """PickScore's folder in models/ganrm_judges; returns the model."""
    return write_clip(models / "ganrm_judges" / name)


def put_clip_halves(models: Path) -> None:
    """A CLIP in two files, in models/clip_vision and models/text_encoders."""
    import transformers

    torch.manual_seed(6)
    vision = {**_SHAPE, "image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(vision_config=vision, text_config=_SHAPE, projection_dim=24)
    whole = models / "whole"
    enlivened(transformers.CLIPModel(config)).save_pretrained(whole)
    tensors = load_file(whole / "model.safetensors")
    for kind, file, prefixes in (
        ("clip_vision", "vision.safetensors", ("vision_model.", "visual_projection.")),
        ("text_encoders", "clip_l.safetensors", ("text_model.", "text_projection.")),
    ):
        (models / kind).mkdir(parents=True, exist_ok=True)
        save_file(_part(tensors, prefixes), models / kind / file)


def _part(tensors: dict[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefixes)}

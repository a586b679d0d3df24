"""Loads a backbone from one safetensors file of ComfyUI's models/clip_vision: `file:<path>`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..utils.error_text import reason
from ..utils.errors import BackboneError
from ..utils.safetensors_io import open_safetensors
from .base import sha256_of_files
from .clip_vision_config import SETTINGS, read_architecture
from .dinov2_names import with_older_names
from .hf_loader import default_input_size
from .hf_vision_model import (
    Preprocessing,
    TransformersVision,
    default_normalisation,
    import_transformers,
    three_numbers,
)
from .naflex_patches import fixed_size, is_naflex
from .open_clip_keys import to_transformers
from .weights_lookup import close_names, find_file, in_folders, walk_files

HEADER_KEY = "ganrm_vision_config"
"""Key in the file's header of a JSON object with `clip_vision_config.SETTINGS`."""

_VISION_PREFIXES = ("vision_model.", "visual_projection.")
_DINOV2_PREFIXES = ("embeddings.", "encoder.", "layernorm.")
_DINOV3_PREFIXES = ("embeddings.", "layer.", "norm.")
_CLIP_WITHOUT_PREFIX = ("embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm.", "head.")


def load(name: str, search_folders: Sequence[Path]) -> TransformersVision:
    """Load the vision model in the file `name`: a path, or a basename that is searched in `search_folders`.

    Width, depth, patch, input size and projection are read from the tensors. Number of heads and activation follow
    from the width as in ComfyUI (QuickGELU up to ViT-L, GELU above), unless the header key `ganrm_vision_config`
    gives them.
    """
    import_transformers()
    path = _find(name, search_folders)
    label = f"file:{path.name}"
    tensors, settings = _read(path, label)
    config = read_architecture(tensors, settings, label)
    mean, std = default_normalisation(config.model_type)
    return TransformersVision(
        config,
        tensors,
        label=label,
        family="file",
        weights_sha256=sha256_of_files([path]),
        preprocessing=Preprocessing(
            settings.get("input_size", default_input_size(config.model_type, config.image_size)),
            three_numbers(settings.get("image_mean", mean), f"{label}: image_mean"),
            three_numbers(settings.get("image_std", std), f"{label}: image_std"),
        ),
    )


def _find(name: str, search_folders: Sequence[Path]) -> Path:
    path = find_file(name, search_folders)
    if path is None:
        known = {file.name for file in walk_files(search_folders) if file.suffix == ".safetensors"}
        raise BackboneError(
            f"There is no file {name}{in_folders(search_folders)}. Put it into ComfyUI's models/clip_vision, or give "
            f"its whole path.{close_names(Path(name).name, known)}"
        )
    if path.suffix != ".safetensors":
        raise BackboneError(
            f"{path} is not a .safetensors file. Convert it, or use open_clip:<model name>/{path.name}."
        )
    return path


def _read(path: Path, label: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The vision tensors in the naming of `transformers`, and the header's settings."""
    try:
        with open_safetensors(path) as file:
            names = set(file.keys())
            wanted = _wanted(names, label)
            tensors = {new: file.get_tensor(old) for old, new in wanted.items()}
            header = (file.metadata() or {}).get(HEADER_KEY)
    except BackboneError:
        raise
    except Exception as error:
        raise BackboneError(
            f"{path} cannot be read ({reason(error)}). It is damaged or was not downloaded whole: "
            "download it again."
        ) from error
    if any(name.startswith("transformer.resblocks.") for name in tensors):
        tensors = to_transformers(tensors, label)
    if "encoder.layer.0.layer_scale1.lambda1" in tensors:
        tensors = with_older_names(tensors)
    if is_naflex(tensors):
        tensors = fixed_size(tensors, label)
    return tensors, _settings(header, label)


def _wanted(names: set[str], label: str) -> dict[str, str]:
    """Selects the vision tensors in any known naming: name in the file → name without its prefix."""

    def below(prefix: str, new_prefix: str = "") -> dict[str, str]:
        return {name: new_prefix + name[len(prefix) :] for name in names if name.startswith(prefix)}

    if "visual.transformer.resblocks.0.attn.in_proj_weight" in names:
        return below("visual.")
    if "transformer.resblocks.0.attn.in_proj_weight" in names and "conv1.weight" in names:
        return below("")
    if "vision_model.encoder.layers.0.layer_norm1.weight" in names:
        return {name: name for name in names if name.startswith(_VISION_PREFIXES)}
    if "encoder.layers.0.layer_norm1.weight" in names and "embeddings.patch_embedding.weight" in names:
        return {name: f"vision_model.{name}" for name in names if name.startswith(_CLIP_WITHOUT_PREFIX)}
    for prefix in ("", "dinov2.", "dinov2_with_registers."):
        if f"{prefix}encoder.layer.0.layer_scale1.lambda1" in names:
            return {old: new for old, new in below(prefix).items() if new.startswith(_DINOV2_PREFIXES)}
    for prefix in ("", "model."):  # newer versions of `transformers` may write a prefix before the blocks
        if f"{prefix}layer.0.attention.o_proj.weight" in names:
            blocks = below(f"{prefix}layer.", "layer.")
            return blocks | {name: name for name in names if name.startswith(_DINOV3_PREFIXES)}
    if any(name.startswith("visual.trunk.") for name in names):
        raise BackboneError(
            f"{label} is an OpenCLIP model with a timm vision tower, which cannot be read from a file alone. "
            "Use open_clip:<model name>/<this file> instead."
        )
    found = ", ".join(sorted(names)[:4]) or "nothing"
    raise BackboneError(
        f"{label} is no vision model that is known here: its {len(names)} tensors begin with {found}. "
        "Choose a CLIP, SigLIP, DINOv2 or DINOv3 vision model, as ComfyUI keeps them in models/clip_vision."
    )


def _settings(header: str | None, label: str) -> dict[str, Any]:
    if header is None:
        return {}
    try:
        settings = json.loads(header)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise BackboneError(f"{label}: {HEADER_KEY} in its header is not a JSON object. Write it again.")
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        raise BackboneError(
            f"{label}: {HEADER_KEY} in its header has unknown keys {unknown}. Known: {', '.join(SETTINGS)}."
        )
    size = settings.get("input_size", 224)
    if not isinstance(size, int) or not 0 < size <= 2048:
        raise BackboneError(
            f"{label}: input_size in its header is {size!r}, not a picture's side. Correct it."
        )
    return settings

"""Weights in the caches of OpenCLIP and huggingface_hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils.files import expand_home

if TYPE_CHECKING:
    pass


WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What OpenCLIP calls weights on the hub, the name to prefer first."""


def hub_files(about: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The repository of a pretrained tag and the names its weights may have there; "" if it has none."""
    repo, _, file = str(about.get("hf_hub") or "").rpartition("/")
    if not file:
        return repo, HUB_WEIGHTS
    return repo, tuple(dict.fromkeys((f"{Path(file).stem}.safetensors", file)))


def in_library_cache(about: Mapping[str, Any]) -> Path | None:
    """The weights of a pretrained tag where OpenCLIP itself would have put them."""
    if about.get("file"):
        return Path(about["file"])
    repo, names = hub_files(about)
    cached = in_hub_cache(repo, names) if repo else None
    if cached is None and about.get("url"):
        by_url = expand_home("~/.cache/clip") / str(about["url"]).rpartition("/")[2]
        cached = by_url if by_url.is_file() else None
    return cached


def in_hub_cache(repo: str, names: Sequence[str]) -> Path | None:
    """The first of `names` that the hub's local cache holds of `repo`."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        path = try_to_load_from_cache(repo, name)
        if isinstance(path, str):
            return Path(path)
    return None

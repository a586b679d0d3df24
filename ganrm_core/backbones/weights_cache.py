"""Looks up weights in the local caches of OpenCLIP and huggingface_hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..utils.files import expand_home

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""File names of OpenCLIP weights on the hub, preferred first."""


def hub_files(about: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Hub repository of a pretrained tag ("" if it has none), and possible file names of its weights."""
    repo, _, file = str(about.get("hf_hub") or "").rpartition("/")
    if not file:
        return repo, HUB_WEIGHTS
    return repo, tuple(dict.fromkeys((f"{Path(file).stem}.safetensors", file)))


def in_library_cache(about: Mapping[str, Any]) -> Path | None:
    """The weights of a pretrained tag in the place where OpenCLIP downloads them to."""
    if about.get("file"):
        return Path(about["file"])
    repo, names = hub_files(about)
    cached = in_hub_cache(repo, names) if repo else None
    if cached is None and about.get("url"):
        by_url = expand_home("~/.cache/clip") / str(about["url"]).rpartition("/")[2]
        cached = by_url if by_url.is_file() else None
    return cached


def in_hub_cache(repo: str, names: Sequence[str]) -> Path | None:
    """The first of `names` that the hub's local cache has of `repo`."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        path = try_to_load_from_cache(repo, name)
        if isinstance(path, str):
            return Path(path)
    return None

"""Shapes of the tensors in a safetensors file, read from its header alone."""

from __future__ import annotations

from pathlib import Path

from .safetensors_io import open_safetensors


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor by name; {} for a file that is no safetensors file or cannot be read."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with open_safetensors(path) as file:
            names = list(file.keys())
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except Exception:  # the library's own error types differ between versions
        return {}

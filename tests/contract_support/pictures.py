"""Random IMAGE tensors, and what ComfyUI's Save Image makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def noise(count: int = 1, size: tuple[int, int] = (8, 6), channels: int = 3, seed: int = 0) -> torch.Tensor:
    """[count, *size, channels] in 0–1."""
    return torch.rand(count, *size, channels, generator=torch.Generator().manual_seed(seed))


def as_core_saves(image: torch.Tensor) -> Pixels:
    # Core scales in the precision that comes in; NumPy has no bfloat16.
    values = (image.float() if image.dtype == torch.bfloat16 else image).numpy()
    return np.clip(255.0 * values, 0, 255).astype(np.uint8)


def pixels(path: Path) -> Pixels:
    with Image.open(path) as picture:
        return np.asarray(picture)


def fail_to_save(monkeypatch: pytest.MonkeyPatch, error: OSError, places: range = range(10_000)) -> None:
    """Let those of the pictures saved from now on whose number, counted from 0, is in `places` fail half-written."""
    save, numbers = Image.Image.save, iter(range(10_000))

    def saved(self: Image.Image, path: Path, **options: Any) -> None:
        if next(numbers) in places:
            Path(path).write_bytes(b"half")
            raise error
        save(self, path, **options)

    monkeypatch.setattr(Image.Image, "save", saved)

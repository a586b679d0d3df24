"""Reference pictures in the size of a training: as latents, and as the VAE gives them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import comfy.utils
import torch
from torch import Tensor

from ....ganrm_core.data.image_io import read_image, to_float
from ....ganrm_core.data.skipped_files import Skipped
from ....ganrm_core.utils.errors import DataError, ImageError
from .rollouts import decoded


def reference_pictures(
    paths: Sequence[Path], vae: Any, start: Tensor, skipped: list[Skipped]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Latents as a sampler node returns them, in the shape of `start` [1, …], and the picture [H, W, 3] decoded from them.

    A picture is resized to cover that size and cut in its middle. It passes the VAE as the generator's own pictures do: else
    whoever compares the two sees the VAE first. Files that cannot be read are left out and added to `skipped`. Raises
    DataError for a VAE that makes other latents.
    """
    height, width = decoded(vae, torch.zeros_like(start))[0].shape[:2]
    for path in paths:
        try:
            picture = to_float(read_image(path))[None]
        except ImageError as error:
            skipped.append(Skipped(path, str(error)))
            continue
        fitting = comfy.utils.common_upscale(picture, width, height, "lanczos", "center")
        latent = vae.encode(fitting.movedim(1, -1)[..., :3]).to("cpu", torch.float32)
        if latent.shape[1:] != start.shape[1:]:
            raise DataError(
                f"This VAE makes latents of {_size(latent)} from pictures of {width} × {height}, and the model's are of "
                f"{_size(start)}. Connect the VAE that belongs to the model."
            )
        yield latent, decoded(vae, latent)[0]


def _size(latent: Tensor) -> str:
    return " × ".join(map(str, latent.shape[1:]))

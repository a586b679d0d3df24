"""Conversion of IMAGE tensors to 8-bit images, and writing them to files named by content hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.selection.non_finite import NON_FINITE, has_non_finite
from ...ganrm_core.utils.errors import ImageError, NameTakenError, OutputError
from ...ganrm_core.utils.files import atomic_file, check_new_file, shown

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def as_saved(picture: Tensor, position: int, count: int) -> Image.Image:
    """`picture` [H, W, C] in 0–1 with 1, 3 or 4 channels, as 8-bit L, RGB or RGBA.

    Values are truncated, not rounded, as in ComfyUI's Save Image, so both write the same bytes. Raises ImageError,
    naming the image by its `position` of `count`, for NaN, infinity and other shapes.
    """
    where = f"Image {position + 1} of {count}"
    channels = picture.shape[-1] if picture.ndim == 3 else 0
    if channels not in _MODES or 0 in picture.shape:
        raise ImageError(
            f"{where} has the shape {tuple(picture.shape)}. A picture that can be saved is [height, width, "
            "channels] with 1, 3 or 4 channels."
        )
    if has_non_finite(picture):
        raise ImageError(
            f"{where} holds {NON_FINITE}: it was spoilt where it was made. For a VAE, decode in full precision "
            "(fp32); leave this image out."
        )
    # NumPy knows no bfloat16.
    values = (picture.float() if picture.dtype == torch.bfloat16 else picture).cpu().numpy()
    pixels = np.clip(255.0 * values, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def content_name(picture: Image.Image) -> str:
    """File name from the SHA-256 of mode, size and pixels: the same image has the same name everywhere."""
    digest = hashlib.sha256(f"{picture.mode} {picture.width} {picture.height} ".encode())
    digest.update(picture.tobytes())
    return f"{digest.hexdigest()[:32]}.png"


def keep_once(picture: Image.Image, folder: Path) -> tuple[Path, bool]:
    """Write `picture` as PNG into `folder`, atomically; return its path and whether it is new there.

    Creates the folder if missing. Raises OutputError if it cannot be written to.
    """
    path = folder / content_name(picture)
    if os.path.lexists(path):
        return path, False
    check_new_file(path, what="the picture", make_folders=True)
    try:
        write_picture(path, lambda temporary: picture.save(temporary, format="PNG", compress_level=4))
    except NameTakenError:  # another run wrote it meanwhile
        return path, False
    return path, True


def write_picture(path: Path, write: Callable[[Path], None], *, overwrite: bool = False) -> None:
    """Write atomically with `write(temporary)`. Raises OutputError, also for errors that name no file."""
    try:
        with atomic_file(path, overwrite=overwrite) as temporary:
            write(temporary)
    except OSError as error:  # such as EIO while pixels are written
        raise OutputError(
            f"Cannot write the picture to {shown(path)}: {error.strerror or error}. Check the disk, or choose a "
            "folder on another one."
        ) from error

"""Decoding of picture files and PIL images to uint8 sRGB tensors, any format, depth, colour space, orientation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..utils.device_memory import is_out_of_main_memory
from ..utils.errors import ImageError
from .colour_profiles import in_srgb
from .image_files import UnreadableImageError as UnreadableImageError
from .image_files import check_layout, identified, open_file, readable
from .sample_depth import SampleRange, bands, sample_range
from .tiff_layouts import with_scaled_palette

MAX_PIXELS = 16384 * 16384
"""The largest picture that is decoded (268,435,456 pixels, about 0.8 GB as a tensor).

Larger sizes are read from the header and refused before any memory is allocated. Independent of Pillow's own, global
limit; only for WebP and TIFF can that one, if lower, refuse a picture earlier.
"""

MID_GREY = 128
"""Background of transparent pixels (0–255)."""

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112

Pixels = np.ndarray[Any, Any]


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """Decode `path` to uint8 [3, H, W], sRGB, 0–255.

    The format is detected by content, not by name. EXIF orientation is applied, an embedded colour profile is
    converted to sRGB (a broken one is ignored), transparency is blended over mid-grey, 16-bit greys are scaled, an
    animation gives its first frame. Thread-safe: neither depends on global settings nor changes any. Raises
    `ImageError` for a file that is missing, unreadable, empty, no picture, damaged, truncated, of a kind that cannot
    be decoded correctly, larger than `MAX_PIXELS` or than memory.
    """
    with open_file(path) as source, fits_in_memory(path):
        with readable(path):
            file = identified(source, path)
            _check_size(file.image, path)
            picture = file.load()
        return _as_tensor(picture, path)


def from_pil(picture: Image.Image) -> Tensor:
    """As `read_image` for the saved picture: uint8 [3, H, W]. `picture` is decoded if it is not, else unchanged.

    Raises `ImageError` as `read_image` does.
    """
    name = str(getattr(picture, "filename", "") or "a PIL image")
    with fits_in_memory(name):
        with readable(name):
            check_layout(picture, name)
            _check_size(picture, name)
            picture.load()
        return _as_tensor(picture, name)


def to_float(image: Tensor) -> Tensor:
    """uint8 of any shape → float32 of the same shape, 0–1."""
    if image.dtype != torch.uint8:
        raise ImageError(f"Expected a uint8 image (0–255), got {image.dtype}. Pass the output of read_image.")
    return image.to(torch.float32).div_(255.0)  # in place: at 144 megapixels a copy takes 1.7 GB


def to_pil(image: Tensor) -> Image.Image:
    """uint8 [3, H, W] → a PIL picture."""
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


@contextmanager
def fits_in_memory(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn out-of-memory errors into UnreadableImageError naming `path`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_main_memory(error):
            raise
        raise UnreadableImageError(
            path, "there is not enough memory for it", "Save it in a smaller size, or close other programs"
        ) from error


def _check_size(picture: Image.Image, path: str | os.PathLike[str]) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(
            path,
            f"{width} × {height} pixels are more than the {MAX_PIXELS:,} that are decoded",
            "Save it in a smaller size",
        )


def _as_tensor(picture: Image.Image, path: str | os.PathLike[str]) -> Tensor:
    samples = sample_range(picture, path)
    upright = _upright(with_scaled_palette(picture))
    image = torch.empty((3, upright.height, upright.width), dtype=torch.uint8)
    for top, band in bands(upright):
        rgb = torch.from_numpy(np.array(_rgb(band, samples, path)))
        image[:, top : top + len(rgb)] = rgb.permute(2, 0, 1)
    return image


def _upright(picture: Image.Image) -> Image.Image:
    """The picture with its EXIF orientation applied.

    Not by `ImageOps.exif_transpose`: that copies upright pictures and fails on broken EXIF after a good orientation.
    """
    try:
        orientation = picture.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # broken EXIF must not cost the picture
        return picture
    operation = _TRANSPOSE.get(orientation) if isinstance(orientation, int) else None
    if operation is None:
        return picture
    turned = picture.transpose(operation)
    turned.info = picture.info
    return turned


def _rgb(picture: Image.Image, samples: SampleRange | None, path: str | os.PathLike[str]) -> Image.Image:
    """8-bit sRGB, transparency blended over mid-grey."""
    colour, alpha = _colour_and_alpha(picture, samples)
    try:
        rgb = in_srgb(colour, picture.info.get("icc_profile"))
    except (ValueError, OSError) as error:
        raise UnreadableImageError(
            path, f"its colour mode {picture.mode} is not known", "Save it as PNG or JPEG"
        ) from error
    if alpha is None or alpha.getextrema() == (255, 255):
        return rgb
    flat = Image.new("RGB", rgb.size, (MID_GREY,) * 3)
    flat.paste(rgb, mask=alpha)
    return flat


def _colour_and_alpha(
    picture: Image.Image, samples: SampleRange | None
) -> tuple[Image.Image, Image.Image | None]:
    """8-bit colour (still in the picture's own colour space) and its alpha channel, if any."""
    mode = picture.mode
    if samples is not None:
        values = np.asarray(picture)
        return samples.eight_bit(values), _alpha_of_key(values, picture.info)
    if mode == "PA" or ("transparency" in picture.info and mode in ("1", "L", "P", "RGB")):
        picture = picture.convert("RGBA")
    elif mode == "La":
        picture = picture.convert("LA")
    elif mode == "RGBa":
        picture = picture.convert("RGBA")
    elif mode == "P":
        picture = picture.convert("RGB")
    elif mode == "1":
        picture = picture.convert("L")
    if picture.mode in ("RGBA", "LA"):
        return picture.convert(picture.mode[:-1]), picture.getchannel("A")
    return picture, None


def _alpha_of_key(values: Pixels, info: dict[Any, Any]) -> Image.Image | None:
    """Alpha channel of a grey picture with one transparent value."""
    transparent = info.get("transparency")
    if not isinstance(transparent, int):
        return None
    return Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))

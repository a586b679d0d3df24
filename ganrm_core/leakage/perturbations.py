"""Content-preserving image perturbations: re-encoding, rescaling, shifting, framing, colour tags."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..data.borders import Widths
from ..data.colour_profiles import colour_management
from ..data.image_io import read_image, to_pil

Perturbation = Callable[[Tensor], Tensor]
"""uint8 [3, H, W] → uint8 [3, H', W']."""


def jpeg(image: Tensor, quality: int, subsampling: int = 2) -> Tensor:
    """JPEG round trip; `subsampling` as Pillow numbers it (0: 4:4:4, 2: 4:2:0)."""
    return _through_file(image, "JPEG", quality=quality, subsampling=max(0, subsampling))


def webp(image: Tensor, quality: int) -> Tensor:
    """Lossy WebP round trip."""
    return _through_file(image, "WEBP", quality=quality, method=2)


RESAMPLERS = (
    Image.Resampling.LANCZOS,
    Image.Resampling.BICUBIC,
    Image.Resampling.BILINEAR,
    Image.Resampling.BOX,
)
"""Downscaling filters of image programs, from the crispest to the softest."""


def scaled(image: Tensor, factor: float, resampler: Image.Resampling = RESAMPLERS[0]) -> Tensor:
    """Both sides resized by `factor`."""
    rows, columns = image.shape[-2:]
    size = (max(1, round(columns * factor)), max(1, round(rows * factor)))
    return _tensor(to_pil(image).resize(size, resampler))


def halved_and_back(image: Tensor) -> Tensor:
    """Half the size and back again, bicubic: the finest detail is lost."""
    small = to_pil(image).resize(
        (max(1, image.shape[-1] // 2), max(1, image.shape[-2] // 2)), Image.Resampling.BICUBIC
    )
    return _tensor(small.resize((image.shape[-1], image.shape[-2]), Image.Resampling.BICUBIC))


def shifted(image: Tensor) -> Tensor:
    """Shifted one pixel down and right, the edge repeated."""
    rows = torch.arange(image.shape[-2]).sub(1).clamp_min(0)
    columns = torch.arange(image.shape[-1]).sub(1).clamp_min(0)
    return image[:, rows][:, :, columns]


Colour = tuple[int, int, int]


def framed(image: Tensor, widths: Widths, colour: Colour = (0, 0, 0)) -> Tensor:
    """A frame drawn over the picture's edge."""
    top, right, bottom, left = widths
    height, width = image.shape[-2:]
    return mounted(image[:, top : height - bottom, left : width - right], widths, colour)


def mounted(image: Tensor, widths: Widths, colour: Colour = (0, 0, 0)) -> Tensor:
    """A frame put around the picture."""
    top, right, bottom, left = widths
    height, width = image.shape[-2:]
    whole = (
        torch.tensor(colour, dtype=torch.uint8)
        .view(3, 1, 1)
        .repeat(1, top + height + bottom, left + width + right)
    )
    whole[:, top : top + height, left : left + width] = image
    return whole


def tagged(image: Tensor) -> Tensor:
    """PNG round trip with an sRGB profile (where Pillow can write one) and a gamma chunk."""
    info = PngInfo()
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tagged.png"
        to_pil(image).save(path, compress_level=0, icc_profile=_srgb(), pnginfo=info)
        return read_image(path)


@lru_cache(maxsize=1)
def _srgb() -> bytes | None:
    cms = colour_management()
    return cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes() if cms else None


SAME_PICTURE: dict[str, Perturbation] = {
    "PNG": lambda image: image,
    "JPEG 90": lambda image: jpeg(image, 90),
    "JPEG 75": lambda image: jpeg(image, 75),
    "WebP 80": lambda image: webp(image, 80),
    "2 % larger": lambda image: scaled(image, 1.02),
    "2 % smaller": lambda image: scaled(image, 0.98),
    "shifted by a pixel": shifted,
    "half size and back": halved_and_back,
    "colour tags": tagged,
}
"""The perturbations of the invariance test, by their name in reports."""


def same_pixels(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and bool(torch.equal(first, second))


def _through_file(image: Tensor, file_format: str, **options: int) -> Tensor:
    file = io.BytesIO()
    to_pil(image).save(file, file_format, **options)
    file.seek(0)
    with Image.open(file) as picture:
        return _tensor(picture)


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()

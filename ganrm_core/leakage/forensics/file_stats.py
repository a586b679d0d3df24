"""Statistics of one picture file that say how it was made: format, quality, size, borders, spectrum, colour."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from torch import Tensor

from ...data.borders import frame_widths
from .image_headers import read_header
from .jpeg_history import jpeg_traces
from .pixel_stats import BANDS, centre_crop, frequency_bands, has_transparent_parts, luma, mean_colour

_COLOURS = 5


@dataclass(frozen=True)
class FileStats:
    """File statistics of one picture; plain values only.

    container: by content, not by name: "PNG", "JPEG", "WEBP"…
    jpeg_quality: nearest IJG quality, 1–100; jpeg_subsampling: as Pillow numbers it (0 4:4:4, 1 4:2:2,
    2 4:2:0, −1 other); webp_quantiser: 0 (finest) to 127; each None where the container has none.
    width, height: pixels, EXIF orientation applied. mode: Pillow's pixel format ("RGB", "RGBA", "L", "P", "I;16"),
    with ";16" where the file has 16 bits. alpha: "none", "opaque" or "transparent". colour_tag: "none", "sRGB" (a
    profile that changes nothing), "sRGB flag", "gamma", "cICP" or "other profile". border: widths in pixels of a
    frame or of letterbox bars: top, right, bottom, left. bands: log10 power of 12 rings of spatial frequency, low
    to high. jpeg_traces: 0 (no trace of JPEG compression) to 1. colour: mean red, green, blue, saturation,
    contrast, 0–1.
    """

    container: str
    lossless: bool
    jpeg_quality: int | None
    jpeg_subsampling: int | None
    webp_quantiser: int | None
    bytes_per_pixel: float
    width: int
    height: int
    mode: str
    alpha: str
    colour_tag: str
    border: tuple[int, int, int, int]
    bands: tuple[float, ...]
    jpeg_traces: float
    colour: tuple[float, ...]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FileStats:
        """Inverse of `dataclasses.asdict` and JSON, which turns tuples into lists.

        Raises TypeError or ValueError for anything else.
        """
        plain: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        facts = cls(**plain)
        if not all(_has_type(kind, getattr(facts, name)) for name, kind in _field_types().items()):
            raise ValueError("a picture's facts hold an entry of the wrong kind")
        if (len(facts.bands), len(facts.colour)) != (BANDS, _COLOURS):
            raise ValueError("a picture's facts are incomplete")
        return facts


@cache
def _field_types() -> dict[str, Any]:
    return get_type_hints(FileStats)


def _has_type(kind: Any, value: Any) -> bool:
    """Whether a plain value has an annotated type. A float is a finite number, integers included."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        inner = inner[:1] * len(value) if isinstance(value, tuple) and inner[-1] is ... else inner
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(_has_type, inner, value))
    if inner:
        return any(_has_type(each, value) for each in inner)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def file_stats(path: Path, image: Tensor) -> FileStats:
    """Measure one file; `image` is what `read_image` gives for it: uint8 [3, H, W].

    Only the header is read again. Whether an alpha channel is used is told from `image`, where transparent parts
    lie over mid-grey: faint transparency counts as opaque. Raises `ImageError` for a file that is missing,
    unreadable or no picture.
    """
    header = read_header(path)
    height, width = image.shape[1:]
    grey = luma(centre_crop(image))
    alpha = "none"
    if header.has_alpha:
        alpha = "transparent" if has_transparent_parts(image) else "opaque"
    top, right, bottom, left = frame_widths(image)
    return FileStats(
        container=header.container,
        lossless=header.lossless,
        jpeg_quality=header.jpeg_quality,
        jpeg_subsampling=header.jpeg_subsampling,
        webp_quantiser=header.webp_quantiser,
        bytes_per_pixel=header.size / (width * height),
        width=width,
        height=height,
        mode=header.mode,
        alpha=alpha,
        colour_tag=header.colour_tag,
        border=(top, right, bottom, left),  # a plain tuple, as it comes back from a cache
        bands=frequency_bands(grey),
        jpeg_traces=jpeg_traces(grey),
        colour=mean_colour(image),
    )

"""What can be said of one picture file without looking at what it shows."""

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
from .pixel_stats import BANDS, centre, frequency_bands, luma, mean_colour, shows_through

_COLOURS = 5


@dataclass(frozen=True)
class FileFacts:
    """Plain values only.

    container: what the bytes say, whatever the name ends in: "PNG", "JPEG", "WEBP"…
    jpeg_quality: nearest IJG quality, 1–100; jpeg_subsampling: as Pillow numbers it (0 4:4:4, 1 4:2:2,
    2 4:2:0, −1 other); webp_quantiser: 0 (finest) to 127; each None where the container has none.
    width, height: pixels, turned upright. mode: Pillow's name of the pixel format ("RGB", "RGBA", "L",
    "P", "I;16"), with ";16" where the file has 16 bits. alpha: "none", "opaque" or "transparent".
    colour_tag: "none", "sRGB" (a profile that changes nothing), "sRGB flag", "gamma", "cICP" or "other
    profile". border: widths in pixels of a frame or of letterbox bars: top, right, bottom, left. bands: log10
    power of 12 rings of spatial frequency, low to high. jpeg_traces: 0 (never was a JPEG, as far as can be seen) to 1.
    colour: mean red, green, blue, saturation, contrast, 0–1.
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
    def from_json(cls, values: Mapping[str, Any]) -> FileFacts:
        """Of what `dataclasses.asdict` gave, after its way through JSON, which turns tuples into lists.

        Raises TypeError or ValueError for anything else.
        """
        plain: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        facts = cls(**plain)
        if not all(_is_of(kind, getattr(facts, name)) for name, kind in _kinds().items()):
            raise ValueError("a picture's facts hold an entry of the wrong kind")
        if (len(facts.bands), len(facts.colour)) != (BANDS, _COLOURS):
            raise ValueError("a picture's facts are incomplete")
        return facts


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(FileFacts)


def _is_of(kind: Any, value: Any) -> bool:
    """Whether a plain value is of an annotated type. A float is a finite number, whole ones included."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        inner = inner[:1] * len(value) if isinstance(value, tuple) and inner[-1] is ... else inner
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(_is_of, inner, value))
    if inner:
        return any(_is_of(each, value) for each in inner)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def file_facts(path: Path, image: Tensor) -> FileFacts:
    """Look at one file; `image` is what `read_image` gave for it: uint8 [3, H, W].

    Only the header is read again. Whether an alpha channel is used is told from `image`, where
    transparent parts lie over mid-grey: faint transparency counts as opaque. Raises `ImageError` for
    a file that is missing, unreadable or no picture.
    """
    header = read_header(path)
    height, width = image.shape[1:]
    grey = luma(centre(image))
    alpha = "none"
    if header.has_alpha:
        alpha = "transparent" if shows_through(image) else "opaque"
    top, right, bottom, left = frame_widths(image)
    return FileFacts(
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

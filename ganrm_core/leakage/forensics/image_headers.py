"""Image header parsing: container, compression quality, colour tags and pixel format, without decoding."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from ...data.colour_profiles import profile_effect
from ...data.image_files import UnreadableImageError, identified, open_file
from ...data.png_chunks import chunks
from ...utils.errors import ImageError
from .webp_header import webp_quantiser

_LOSSLESS = frozenset(("PNG", "BMP", "DIB", "PPM", "QOI"))
_TIFF_LOSSY = frozenset(("jpeg", "tiff_jpeg", "webp"))

# Luminance quantisation table K.1 of ITU-T T.81, which IJG encoders scale by quality.
# fmt: off
_IJG_LUMINANCE = np.array((
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
))
# fmt: on


@dataclass(frozen=True)
class Header:
    """The fields of `FileStats` that come from a header, and whether the file has an alpha channel."""

    container: str
    lossless: bool
    jpeg_quality: int | None
    jpeg_subsampling: int | None
    webp_quantiser: int | None
    mode: str
    has_alpha: bool
    colour_tag: str
    size: int


def read_header(path: Path) -> Header:
    """Read the header of a picture file; no pixel is decoded.

    Raises `ImageError` for a file that is missing, unreadable or no picture.
    """
    with open_file(path) as file:
        try:
            return _header(file, identified(file, path).image)
        except ImageError:
            raise
        except Exception as error:  # header parsers raise anything: OSError, SyntaxError, struct.error…
            raise UnreadableImageError(
                path, "the file's header is damaged", "Save or download it again, or remove it"
            ) from error


def _header(file: BinaryIO, picture: Image.Image) -> Header:
    container = "JPEG" if picture.format == "MPO" else str(picture.format)
    info: dict[Any, Any] = picture.info
    mode, has_alpha = picture.mode, picture.mode in ("RGBA", "LA", "PA", "RGBa", "La")
    has_alpha = has_alpha or "transparency" in info
    lossless, quality, subsampling, quantiser = container in _LOSSLESS, None, None, None
    leading: dict[bytes, bytes] = {}
    if container == "JPEG":
        quality = jpeg_quality(picture)
        subsampling = JpegImagePlugin.get_sampling(picture)
    elif container == "WEBP":
        lossless, quantiser = webp_quantiser(file)
    elif container == "TIFF":
        lossless = str(info.get("compression", "raw")) not in _TIFF_LOSSY
    elif container == "PNG":
        leading = _png_chunks(file)
        if leading.get(b"IHDR", b"")[8:9] == b"\x10" and not mode.startswith("I"):
            mode += ";16"  # Pillow opens 16-bit colour as 8-bit without telling
    return Header(
        container=container,
        lossless=lossless,
        jpeg_quality=quality,
        jpeg_subsampling=subsampling,
        webp_quantiser=quantiser,
        mode=mode,
        has_alpha=has_alpha,
        colour_tag=_colour_tag(info.get("icc_profile"), picture.mode, leading),
        size=os.fstat(file.fileno()).st_size,
    )


def jpeg_quality(picture: Image.Image) -> int | None:
    """The IJG quality (1–100) whose luminance quantisation table is nearest to that of this JPEG.

    Other encoders have tables of their own: for them it is the quality that looks about the same.
    """
    tables: dict[int, list[int]] = getattr(picture, "quantization", {})
    if not tables or len(tables[min(tables)]) != 64:
        return None
    table = np.asarray(tables[min(tables)])
    return int(np.abs(np.log(_ijg_tables() / np.maximum(table, 1))).sum(axis=1).argmin()) + 1


def _ijg_tables() -> np.ndarray[Any, Any]:
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables: np.ndarray[Any, Any] = np.clip((_IJG_LUMINANCE * percent[:, None] + 50) // 100, 1, 255)
    return tables


def _png_chunks(file: BinaryIO) -> dict[bytes, bytes]:
    """Name → first 16 bytes of every chunk before the pixels."""
    found: dict[bytes, bytes] = {}
    for chunk in chunks(file):
        if chunk.name in (b"IDAT", b"IEND"):
            break
        file.seek(chunk.start)
        found[chunk.name] = file.read(min(chunk.length, 16))
    return found


def _colour_tag(profile: bytes | None, mode: str, chunks: dict[bytes, bytes]) -> str:
    """The colour tag by the precedence of the PNG specification, third edition."""
    if b"cICP" in chunks:
        return "cICP"
    if profile:
        # Grey and palette pictures carry the RGB profile of the program that saved them.
        same = profile_effect(profile, "CMYK" if mode == "CMYK" else "RGB") == "same"
        return "sRGB" if same else "other profile"
    if b"sRGB" in chunks:
        return "sRGB flag"
    return "gamma" if b"gAMA" in chunks else "none"

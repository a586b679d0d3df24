"""Star rating inside a picture file: its XMP packet, else its EXIF tags. No pixels are decoded."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from PIL import Image, ImageFile

from .image_files import identified, open_file, readable
from .png_chunks import first_chunk, xmp_text
from .xmp_rating import MetadataError, Rating, stars_of_number, stars_of_percent, xmp_rating

_XMP_TAG, _RATING_TAG, _PERCENT_TAG = 700, 0x4746, 0x4749
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def embedded_rating(path: str | os.PathLike[str]) -> Rating | None:
    """The rating in a PNG, JPEG, WebP, TIFF, AVIF or other picture file; None where it has none.

    Raises ImageError for a file that is missing or no picture, MetadataError for metadata that is refused.
    """
    with open_file(path) as file:
        with readable(path):
            image = identified(file, path).image
            packet, exif = _metadata(file, image)
        found = xmp_rating(packet) if packet else None
        return found or _exif_rating(exif)


def _metadata(file: BinaryIO, image: ImageFile.ImageFile) -> tuple[bytes | None, bytes | Mapping[int, Any]]:
    """The XMP packet, if any, and the EXIF data, or the tags of a TIFF."""
    if image.format == "PNG":
        # Pillow finds what follows the pixels only by decoding them.
        try:
            return xmp_text(file), first_chunk(file, b"eXIf") or b""
        except zlib.error as error:
            raise MetadataError(f"its XMP does not unpack ({error})") from error
    if image.format == "TIFF":
        tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
        return _as_bytes(tags.get(_XMP_TAG)), tags
    exif = image.info.get("exif")
    exif = exif if isinstance(exif, bytes) else b""
    if image.format in ("JPEG", "MPO"):
        return _jpeg_packet(image), exif
    return _as_bytes(image.info.get("xmp")), exif


def _jpeg_packet(image: ImageFile.ImageFile) -> bytes | None:
    """The standard packet. An extended one (over 64 KB) never holds the rating: writers move the largest properties there."""
    segments = getattr(image, "applist", [])
    return next(
        (data[len(_JPEG_XMP) :] for name, data in segments if name == "APP1" and data.startswith(_JPEG_XMP)),
        None,
    )


def _exif_rating(exif: bytes | Mapping[int, Any]) -> Rating | None:
    if isinstance(exif, bytes):
        tags = Image.Exif()
        try:
            tags.load(exif)
            stars, percent = tags.get(_RATING_TAG), tags.get(_PERCENT_TAG)
        except Exception as error:  # Pillow raises anything for damaged EXIF
            raise MetadataError("its EXIF is damaged") from error
    else:
        stars, percent = exif.get(_RATING_TAG), exif.get(_PERCENT_TAG)
    found = stars_of_number(stars) if isinstance(stars, int) else None
    if found is None and isinstance(percent, int):
        found = stars_of_percent(percent)
    return None if found is None else Rating(found)


def _as_bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (tuple, list)):
        return bytes(value)
    return value if isinstance(value, bytes) else None

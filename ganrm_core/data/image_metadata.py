"""Reading and writing of our metadata (score, model, index, seed, path) in PNG and WebP, beside ComfyUI's.

The key and its fields are documented in docs/picture-metadata.md.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..utils.errors import OutputError
from .image_files import PictureSource, identified, open_file, readable
from .png_chunks import texts

KEY = "ganrm"
XMP_KEY = "XML:com.adobe.xmp"

_PROMPT_TAG, _NEXT_TAG = 0x0110, 0x010F  # EXIF tags in which ComfyUI stores texts of a WebP
_ASCII = 2
_WEBP_SIDE = 16383


def metadata_json(
    *,
    score: float | None = None,
    model: str | None = None,
    index: int | None = None,
    seed: int | None = None,
    path: str | None = None,
) -> str:
    """JSON text stored under `KEY`. Values of None and a score that is not finite are left out."""
    known = {"score": score, "model": model, "index": index, "seed": seed, "path": path}
    if score is not None and not math.isfinite(score):
        del known["score"]
    return json.dumps({name: value for name, value in known.items() if value is not None}, allow_nan=False)


def write_png(picture: Image.Image, file: Path | BinaryIO, texts: Mapping[str, str], xmp: str = "") -> None:
    """Write `picture` with `texts` as tEXt chunks, in that order, pixels and channels unchanged.

    `xmp`: an XMP packet, which becomes an iTXt chunk behind them. One that `texts` hold already is kept in its place.
    """
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    if xmp and XMP_KEY not in texts:
        info.add_itxt(XMP_KEY, xmp)
    picture.save(file, format="PNG", pnginfo=info, compress_level=4)


def write_webp(
    picture: Image.Image, path: Path, texts: Mapping[str, str], quality: int, xmp: str = ""
) -> None:
    """Write `picture` with `texts` (printable ASCII) as EXIF entries "key:text", and an XMP packet, if any.

    `quality` is 1–100, and 100 is lossless. Grey becomes RGB, which is all WebP knows. Raises
    OutputError for more pixels than it holds.
    """
    if max(picture.size) > _WEBP_SIDE:
        raise OutputError(
            f"A picture of {picture.width} × {picture.height} pixels does not fit into a WebP file, which holds "
            f"{_WEBP_SIDE} each way. Save it as png."
        )
    colour = picture if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")
    encoded = io.BytesIO()
    colour.save(
        encoded,
        format="WEBP",
        quality=quality,
        lossless=quality >= 100,
        exact=quality >= 100,  # else colours under transparent pixels are thrown away
        exif=_exif(texts) if texts else b"",
        xmp=xmp.encode(),
    )
    path.write_bytes(_exif_first(encoded.getvalue()))


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The metadata under `KEY` in a PNG or WebP file; None where there is none of ours.

    Raises ImageError for a file that is missing or no picture.
    """
    with open_file(path) as file, readable(path):
        found = list(_texts(file, identified(file, path).image))
    for text in found:
        try:
            values = json.loads(text, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict):
            return values
    return None


def _texts(file: PictureSource, picture: Image.Image) -> Iterator[str]:
    if picture.format == "PNG":
        yield from texts(file, KEY)
    elif picture.format == "WEBP":
        for value in picture.getexif().values():
            if isinstance(value, str) and value.startswith(f"{KEY}:"):
                yield value[len(KEY) + 1 :]


def _exif(texts: Mapping[str, str]) -> bytes:
    """EXIF data with ASCII entries "key:text".

    Hand-written because Pillow gives some of the tags that ComfyUI uses another type.
    """
    tags: dict[int, bytes] = {}
    following = _NEXT_TAG
    for key, text in texts.items():
        tag = _PROMPT_TAG if key == "prompt" else following
        following -= tag == following
        tags[tag] = f"{key}:{text}".encode("ascii", "replace") + b"\0"
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    data_at = len(head) + 12 * len(tags) + 4
    entries, data = b"", b""
    for tag, value in sorted(tags.items()):
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", data_at + len(data))
        entries += struct.pack("<HHI", tag, _ASCII, len(value)) + place
        if len(value) > 4:
            data += value + b"\0" * (len(value) % 2)
    return head + entries + struct.pack("<I", 0) + data


def _exif_first(webp: bytes) -> bytes:
    """Move the EXIF chunk of a WebP before the pixels, which the format allows.

    ComfyUI's page up to 1.27 does not count the padding byte after chunks of odd length: behind pixels of odd length
    it would not find the workflow.
    """
    chunks = []
    place = 12
    while place < len(webp):
        (length,) = struct.unpack_from("<I", webp, place + 4)
        end = place + 8 + length + length % 2
        chunks.append(webp[place:end])
        place = end
    chunks.sort(key=lambda chunk: {b"VP8X": 0, b"EXIF": 1}.get(chunk[:4], 2))
    return webp[:12] + b"".join(chunks)

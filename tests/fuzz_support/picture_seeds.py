"""Small intact pictures in every format, mode and layout that Pillow writes."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin
from PIL import __version__ as pillow_version

WIDTH, HEIGHT = 37, 26

_MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "I;16", "I", "F", "CMYK", "YCbCr", "LAB")
_MODES_REFUSED = ("RGB", "P", "1")
_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group3", "group4", "zstd", "lzma")
_TIFF_MODES = {"group3": ("1",), "group4": ("1",), "jpeg": ("RGB", "L", "CMYK")}
_READ = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "QOI", "MPO")
# Before 13 Pillow opens it as RGB, in wrong colours.
_REFUSED = ("TIFF YCbCr",) if int(pillow_version.split(".")[0]) < 13 else ()
_ENDINGS = {"JPEG": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "MPO": ".jpg"}


def is_read(name: str) -> bool:
    """Whether `read_image` reads the seed called `name`; else it refuses it as a kind that is not read."""
    return name.split()[0] in _READ and not name.startswith(_REFUSED)


@cache
def picture_seeds() -> Mapping[str, bytes]:
    """Content by file name. The name says what is in it; the ending is the format's own."""
    Image.init()
    found: dict[str, bytes] = {}
    for kind in sorted(Image.SAVE):
        small = ("1",) if kind == "ICNS" else _MODES_REFUSED  # an ICNS of other modes takes megabytes
        for mode in _MODES if kind in _READ else small:
            _add(found, kind, mode)
    for what, kind, options in _variants():
        _add(found, kind, options.pop("mode", "RGB"), what, **options)
    return found


def _add(found: dict[str, bytes], kind: str, mode: str, what: str = "", **options: Any) -> None:
    """Leaves out what this Pillow, as it was built, does not write."""
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _picture(mode).save(buffer, kind, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError):
        return
    if buffer.getvalue():
        name = f"{kind} {mode.replace(';', '')} {what}".strip()
        found[name + _ENDINGS.get(kind, f".{kind.lower()}")] = buffer.getvalue()


def _variants() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is in it, format, and how it is saved; `mode` is that of the picture."""
    exif, profile = _exif(), swapped_profile()
    more = [_picture("RGB", seed) for seed in (1, 2)]
    moving = {"save_all": True, "append_images": more}
    yield "animated", "PNG", {**moving, "duration": 50}
    tagged = {"exif": exif, "icc_profile": profile}
    yield "all chunks", "PNG", {**tagged, "pnginfo": _texts(), "dpi": (72, 72), "gamma": 0.45}
    yield "transparent colour", "PNG", {"transparency": (1, 2, 3)}
    yield "transparent index", "PNG", {"mode": "P", "transparency": b"\0\x80\xff"}
    yield "4:4:4 with exif and profile", "JPEG", {**tagged, "subsampling": 0}
    yield "restart markers", "JPEG", {"restart_marker_blocks": 2, "comment": b"a comment"}
    yield "progressive", "JPEG", {"mode": "CMYK", "progressive": True, "icc_profile": profile}
    yield "several", "MPO", {"save_all": True, "append_images": more}
    yield "lossless", "WEBP", {"lossless": True, "exif": exif}
    yield "animated", "WEBP", {**moving, "lossless": True}
    yield "animated", "GIF", {**moving, "duration": 50, "loop": 0}
    yield "transparent", "GIF", {"mode": "P", "transparency": 3, "interlace": 1}
    for compression in _TIFF:
        for mode in _TIFF_MODES.get(compression, ("RGB", "RGBA", "L", "P", "CMYK", "I;16", "F")):
            yield compression, "TIFF", {"mode": mode, "compression": compression}
    yield "several", "TIFF", {"save_all": True, "append_images": more, "compression": "tiff_lzw"}
    yield "exif and profile", "TIFF", {**tagged, "description": "x" * 30}
    yield "many strips", "TIFF", {"strip_size": 200, "compression": "tiff_lzw"}
    yield "big", "TIFF", {"big_tiff": True}
    yield "exif and profile", "AVIF", {**tagged, "speed": 10}
    yield "animated", "AVIF", {**moving, "speed": 10}


def _picture(mode: str, seed: int = 0) -> Image.Image:
    """A ramp, a disc and some noise, with every byte value in it."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(seed).integers(0, 40, (HEIGHT, WIDTH, 4))
    pixels = np.stack([x * 6, y * 8, (x + y) * 3, 255 - x * 4], axis=-1) + noise
    pixels[(x - 18 - seed) ** 2 + (y - 13) ** 2 < 50] = (250, 30, 60, 128)
    colour = Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGBA")
    grey, opaque = np.asarray(colour.convert("L")), colour.convert("RGB")
    match mode:
        case "I;16":
            return Image.fromarray(grey.astype(np.uint16) * 257)
        case "F":
            return Image.fromarray(grey / np.float32(255))
        case "LAB":
            spaces = [ImageCms.createProfile(space) for space in ("sRGB", "LAB")]
            return ImageCms.applyTransform(opaque, ImageCms.buildTransform(*spaces, "RGB", "LAB"))
        case "LA" | "RGBA":
            return colour.convert(mode)
    return opaque.convert(mode)


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    exif[0x011A] = 72.0
    exif.get_ifd(0x8769)[0x9003] = "2024:01:02 03:04:05"
    return exif.tobytes()


def swapped_profile(padding: int = 0) -> bytes:
    """A valid RGB profile, longer by `padding`, with red and blue primaries exchanged: its effect is unmistakable."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")  # in the table of tags
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    data += bytes(padding)
    struct.pack_into(">I", data, 0, len(data))
    return bytes(data)


def _texts() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("ganrm", '{"score": 0.5, "model": "taste", "index": 1, "seed": 7}')
    info.add_text("prompt", "x" * 300, zip=True)
    info.add_itxt("workflow", "ü" * 40, zip=True)
    return info

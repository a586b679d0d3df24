"""Small intact pictures in every format, mode and layout that Pillow writes, and in some that it only reads."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

WIDTH, HEIGHT = 37, 26

_MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "I;16", "I", "F", "CMYK", "YCbCr", "LAB")
_MODES_REFUSED = ("RGB", "P", "1")
_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group3", "group4", "zstd", "lzma")
_TIFF_MODES = {"group3": ("1",), "group4": ("1",), "jpeg": ("RGB", "L", "CMYK")}
_READ = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "QOI", "MPO")
_ENDINGS = {"JPEG": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "MPO": ".jpg"}


def picture_seeds() -> dict[str, bytes]:
    """Content by file name. The name says what is in it; the ending is the format's own."""
    return dict(_seeds())


def is_read(name: str) -> bool:
    """Whether `read_image` reads the seed called `name`; else it refuses it as a format that it does not know."""
    return name.split()[0] in _READ


@lru_cache(maxsize=1)
def _seeds() -> tuple[tuple[str, bytes], ...]:
    Image.init()
    found: dict[str, bytes] = {}
    for kind in sorted(Image.SAVE):
        modes = (
            _MODES if kind in _READ else _MODES_REFUSED if kind != "ICNS" else ("1",)
        )  # others take megabytes
        for mode in modes:
            _add(found, kind, mode, lambda mode=mode: _picture(mode))
    for what, kind, options in _variants():
        mode = str(options.pop("mode", "RGB"))
        _add(found, kind, f"{mode} {what}", lambda mode=mode: _picture(mode), **options)
    found |= dict(_by_hand())
    return tuple(found.items())


def _add(
    found: dict[str, bytes], kind: str, what: str, picture: Callable[[], Image.Image], **options: Any
) -> None:
    """Leaves out what this Pillow, as it was built, does not write."""
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture().save(buffer, kind, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError):
        return
    if buffer.getvalue():
        found[f"{kind} {what.replace(';', '')}{_ENDINGS.get(kind, f'.{kind.lower()}')}"] = buffer.getvalue()


def _variants() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is in it, format, and how it is saved; `mode` is that of the picture."""
    exif, profile = _exif(), swapped_profile()
    more = [_picture("RGB", seed) for seed in (1, 2)]
    moving = {"save_all": True, "append_images": more}
    yield "animated", "PNG", {**moving, "duration": 50}
    yield (
        "all chunks",
        "PNG",
        {"pnginfo": _texts(), "exif": exif, "icc_profile": profile, "dpi": (72, 72), "gamma": 0.45},
    )
    yield "transparent colour", "PNG", {"transparency": (1, 2, 3)}
    yield "transparent index", "PNG", {"mode": "P", "transparency": b"\0\x80\xff"}
    yield "2 bits", "PNG", {"mode": "P", "bits": 2}
    yield "progressive", "JPEG", {"progressive": True, "quality": 90}
    yield "4:4:4 with exif and profile", "JPEG", {"subsampling": 0, "exif": exif, "icc_profile": profile}
    yield "restart markers", "JPEG", {"restart_marker_blocks": 2, "comment": b"a comment"}
    yield "progressive", "JPEG", {"mode": "L", "progressive": True}
    yield "progressive", "JPEG", {"mode": "CMYK", "progressive": True, "icc_profile": profile}
    yield "several", "MPO", {"save_all": True, "append_images": more}
    yield "lossless", "WEBP", {"lossless": True, "exif": exif}
    yield "lossless", "WEBP", {"mode": "RGBA", "lossless": True}
    yield "profile", "WEBP", {"mode": "RGBA", "exif": exif, "icc_profile": profile, "xmp": b"<x/>"}
    yield "animated", "WEBP", {**moving, "lossless": True}
    yield "animated lossy", "WEBP", {**moving, "mode": "RGBA"}
    yield "animated", "GIF", {**moving, "duration": 50, "loop": 0}
    yield "transparent", "GIF", {"mode": "P", "transparency": 3, "interlace": 1}
    yield "rows", "BMP", {"mode": "P", "dpi": (72, 72)}
    for compression in _TIFF:
        for mode in _TIFF_MODES.get(compression, ("RGB", "RGBA", "L", "P", "CMYK", "I;16", "F")):
            yield compression, "TIFF", {"mode": mode, "compression": compression}
    yield "several", "TIFF", {"save_all": True, "append_images": more, "compression": "tiff_lzw"}
    yield "exif and profile", "TIFF", {"exif": exif, "icc_profile": profile, "description": "x" * 30}
    yield "many strips", "TIFF", {"strip_size": 200, "compression": "tiff_lzw"}
    yield "big", "TIFF", {"big_tiff": True}
    yield "exif and profile", "AVIF", {"speed": 10, "exif": exif, "icc_profile": profile}
    yield "animated", "AVIF", {**moving, "speed": 10}
    yield "4:0:0", "AVIF", {"mode": "L", "speed": 10}
    yield "irreversible", "JPEG2000", {"irreversible": True, "quality_layers": [20]}
    yield "rle", "TGA", {"compression": "tga_rle"}
    yield "dxt5", "DDS", {"mode": "RGBA", "pixel_format": "DXT5"}


def _by_hand() -> Iterator[tuple[str, bytes]]:
    """Layouts that Pillow reads and does not write."""
    grey = np.asarray(_picture("L"))
    size = f"{WIDTH} {HEIGHT}"
    rows = "\n".join(" ".join(map(str, row)) for row in grey.tolist())
    yield "PPM plain grey.pgm", f"P2\n# a comment\n{size}\n255\n{rows}\n".encode()
    tripled = "\n".join(" ".join(f"{v} {v} {v}" for v in row) for row in grey.tolist())
    yield "PPM plain colour.ppm", f"P3 {size} 255\n{tripled}\n".encode()
    bits = "\n".join("".join("1" if v > 127 else "0" for v in row) for row in grey.tolist())
    yield "PPM plain bits.pbm", f"P1\n{size}\n{bits}\n".encode()
    yield "PPM 16 bits.pgm", f"P5 {size} 65535\n".encode() + (grey.astype(">u2") * 257).tobytes()
    yield (
        "PPM floats.pfm",
        f"Pf\n{size}\n-1.0\n".encode() + (grey[::-1] / np.float32(255)).astype("<f4").tobytes(),
    )
    run = (
        b"".join(b"\x05\x07" * (WIDTH // 5) + bytes((WIDTH % 5, 3)) + b"\0\0" for _ in range(HEIGHT))
        + b"\0\1"
    )
    colours = b"".join(bytes((v, 255 - v, v // 2, 0)) for v in range(256))
    offset = 14 + 40 + len(colours)
    head = struct.pack("<2sIHHI", b"BM", offset + len(run), 0, 0, offset)
    about = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(run), 2835, 2835, 256, 0)
    yield "BMP run-length.bmp", head + about + colours + run


def _picture(mode: str, seed: int = 0) -> Image.Image:
    """A ramp, a disc and some noise, with every byte value in it."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(seed).integers(0, 40, (HEIGHT, WIDTH, 4))
    pixels = np.stack([x * 6, y * 8, (x + y) * 3, 255 - x * 4], axis=-1) + noise
    pixels[(x - 18 - seed) ** 2 + (y - 13) ** 2 < 50] = (250, 30, 60, 128)
    colour = Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGBA")
    if mode == "I;16":
        return Image.fromarray(np.asarray(colour.convert("L")).astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(np.asarray(colour.convert("L")) / np.float32(255))
    if mode == "LAB":
        way = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        lab = ImageCms.applyTransform(colour.convert("RGB"), way)
        assert lab is not None
        return lab
    return (
        colour
        if mode == "RGBA"
        else colour.convert("RGB").convert(mode)
        if mode != "LA"
        else colour.convert("LA")
    )


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
    for offset in range(132, 132 + 12 * struct.unpack_from(">I", data, 128)[0], 12):
        name = bytes(data[offset : offset + 4])
        if name in (b"rXYZ", b"bXYZ"):
            data[offset : offset + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    data += bytes(padding)
    struct.pack_into(">I", data, 0, len(data))
    return bytes(data)


def _texts() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("ganrm", '{"score": 0.5, "model": "taste", "index": 1, "seed": 7}')
    info.add_text("prompt", "x" * 300, zip=True)
    info.add_itxt("workflow", "ü" * 40, zip=True)
    return info

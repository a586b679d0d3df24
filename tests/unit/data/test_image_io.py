from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.utils.errors import ImageError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def solid(mode: str, colour: object, size: tuple[int, int] = (4, 3)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of a kind that Pillow reads but cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*entry) for entry in chunks)


def palette_with_transparency() -> Image.Image:
    picture = solid("P", 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    return picture


def sixteen_bit(value: int) -> Image.Image:
    return Image.fromarray(np.full((3, 4), value, np.uint16))


def with_orientation(orientation: int) -> bytes:
    picture = Image.new("RGB", (4, 2), BLUE)
    picture.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture, "PNG", exif=exif)


def animation(kind: str) -> bytes:
    frames = [solid("RGB", colour, (16, 16)) for colour in (RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)


def swapped_profile() -> bytes:
    """A valid RGB profile whose red and blue primaries are exchanged: the effect is unmistakable."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for offset in range(132, 132 + 12 * struct.unpack_from(">I", data, 128)[0], 12):
        name = bytes(data[offset : offset + 4])
        if name in (b"rXYZ", b"bXYZ"):
            data[offset : offset + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(data)


def cyan_is_white() -> bytes:
    """A CMYK profile of the smallest kind (one 8-bit table) in which only cyan ink makes it lighter."""
    ramp = bytes(range(256))
    # 16 corners of the ink cube, cyan changing slowest, as L, a, b
    corners = b"".join(bytes([255 if corner & 8 else 0, 128, 128]) for corner in range(16))
    identity = struct.pack(">9I", *[0x10000 if place % 4 == 0 else 0 for place in range(9)])
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + corners + ramp * 3
    table += bytes(-len(table) % 4)
    head = bytearray(128)
    struct.pack_into(">I", head, 0, 128 + 16 + len(table))
    struct.pack_into(">I4s4s4s", head, 8, 0x02400000, b"prtr", b"CMYK", b"Lab ")
    struct.pack_into(">6H4s", head, 24, 2020, 1, 1, 0, 0, 0, b"acsp")
    struct.pack_into(">3I", head, 68, 0xF6D6, 0x10000, 0xD32D)  # the D50 white of every profile
    return bytes(head) + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# name → (file content, the colour of the top left pixel, tolerance)
CASES: dict[str, tuple[Callable[[], bytes], tuple[int, int, int], int]] = {
    "rgb png": (lambda: encoded(solid("RGB", (10, 20, 30)), "PNG"), (10, 20, 30), 0),
    "grey png": (lambda: encoded(solid("L", 77), "PNG"), (77, 77, 77), 0),
    "1-bit png": (lambda: encoded(solid("1", 1), "PNG"), (255, 255, 255), 0),
    "palette": (lambda: encoded(palette_with_transparency(), "PNG"), BLUE, 0),
    "palette, transparent": (
        lambda: encoded(palette_with_transparency(), "PNG", transparency=1),
        (128, 128, 128),
        0,
    ),
    "palette, half transparent": (
        lambda: encoded(palette_with_transparency(), "PNG", transparency=bytes([255, 128])),
        (64, 64, 192),
        1,
    ),
    "rgba, clear": (lambda: encoded(solid("RGBA", (9, 9, 9, 0)), "PNG"), (128, 128, 128), 0),
    "rgba, half": (lambda: encoded(solid("RGBA", (255, 0, 0, 51)), "PNG"), (153, 102, 102), 1),
    "rgba, opaque": (lambda: encoded(solid("RGBA", (1, 2, 3, 255)), "PNG"), (1, 2, 3), 0),
    "la": (lambda: encoded(solid("LA", (255, 51)), "PNG"), (153, 153, 153), 1),
    "rgb with a transparent colour": (
        lambda: encoded(solid("RGB", (5, 6, 7)), "PNG", transparency=(5, 6, 7)),
        (128, 128, 128),
        0,
    ),
    "rgba webp": (
        lambda: encoded(solid("RGBA", (255, 0, 0, 51)), "WEBP", lossless=True, exact=True),
        (153, 102, 102),
        1,
    ),
    "premultiplied tiff": (
        # the RGBA file with its "alpha is separate" tag changed to "alpha is multiplied in"
        lambda: encoded(solid("RGBA", (51, 0, 0, 51)), "TIFF").replace(
            struct.pack("<HHII", 338, 3, 1, 2), struct.pack("<HHII", 338, 3, 1, 1)
        ),
        (153, 102, 102),
        1,
    ),
    "16-bit grey png": (lambda: encoded(sixteen_bit(257 * 100), "PNG"), (100, 100, 100), 0),
    "16-bit grey png, low byte rounds": (lambda: encoded(sixteen_bit(257 * 100 + 200), "PNG"), (101,) * 3, 0),
    "16-bit grey tiff": (lambda: encoded(sixteen_bit(65535), "TIFF"), (255, 255, 255), 0),
    "16-bit grey tiff, Motorola": (
        lambda: encoded(Image.frombytes("I;16B", (1, 1), b"\x64\x64"), "TIFF"),
        (100, 100, 100),
        0,
    ),
    "16-bit grey png, transparent value": (
        lambda: png(1, 1, 16, 0, b"\x00\x64\x64", (b"tRNS", b"\x64\x64")),
        (128, 128, 128),
        0,
    ),
    "16-bit rgb png": (lambda: png(1, 1, 16, 2, b"\x00\xff\xff\x80\x80\x00\x00"), (255, 128, 0), 0),
    "16-bit rgba png": (lambda: png(1, 1, 16, 6, b"\x00" + b"\xff\xff\0\0\0\0\0\0"), (128, 128, 128), 0),
    "float tiff, 0 to 1": (lambda: encoded(solid("F", 0.4), "TIFF"), (102, 102, 102), 0),
    "float tiff, 0 to 255": (lambda: encoded(solid("F", 99.6), "TIFF"), (100, 100, 100), 0),
    "float tiff, 16-bit range": (lambda: encoded(solid("F", 25700.0), "TIFF"), (100, 100, 100), 0),
    "float tiff, below 0": (lambda: encoded(solid("F", -0.5), "TIFF"), (0, 0, 0), 0),
    "32-bit tiff, 8-bit range": (lambda: encoded(solid("I", 200), "TIFF"), (200, 200, 200), 0),
    "32-bit tiff, 16-bit range": (lambda: encoded(solid("I", 25700), "TIFF"), (100, 100, 100), 0),
    "cmyk tiff": (lambda: encoded(solid("CMYK", (0, 255, 255, 0)), "TIFF"), RED, 0),
    "cmyk jpeg (inverted)": (lambda: encoded(solid("CMYK", (0, 255, 255, 0), (16, 16)), "JPEG"), RED, 4),
    "ycbcr jpeg": (
        lambda: encoded(solid("RGB", (200, 100, 50), (16, 16)), "JPEG", quality=95),
        (200, 100, 50),
        4,
    ),
    "lab tiff": (lambda: encoded(solid("LAB", (255, 128, 128)), "TIFF"), (255, 255, 255), 2),
    "gif": (lambda: encoded(solid("RGB", GREEN), "GIF"), GREEN, 0),
    "bmp": (lambda: encoded(solid("RGB", (1, 2, 3)), "BMP"), (1, 2, 3), 0),
    "ppm": (lambda: encoded(solid("RGB", (1, 2, 3)), "PPM"), (1, 2, 3), 0),
    "animated gif": (lambda: animation("GIF"), RED, 0),
    "animated png": (lambda: animation("PNG"), RED, 0),
    "animated webp": (lambda: animation("WEBP"), RED, 0),
    "profile converts": (
        lambda: encoded(solid("RGB", RED), "PNG", icc_profile=swapped_profile()),
        BLUE,
        3,
    ),
    "profile converts, indexed": (
        lambda: encoded(palette_with_transparency(), "PNG", icc_profile=swapped_profile()),
        RED,
        3,
    ),
    "sRGB profile changes nothing": (
        lambda: encoded(solid("RGB", (13, 77, 200)), "PNG", icc_profile=srgb_profile()),
        (13, 77, 200),
        0,
    ),
    "grey with an RGB profile": (
        lambda: encoded(solid("L", 90), "PNG", icc_profile=swapped_profile()),
        (90, 90, 90),
        3,
    ),
    "cmyk with an RGB profile": (
        lambda: encoded(solid("CMYK", (0, 255, 255, 0)), "TIFF", icc_profile=srgb_profile()),
        RED,
        0,
    ),
    "broken profile": (
        lambda: encoded(solid("RGB", (9, 8, 7)), "PNG", icc_profile=b"no profile"),
        (9, 8, 7),
        0,
    ),
    "cut profile": (
        lambda: encoded(solid("RGB", (9, 8, 7)), "PNG", icc_profile=srgb_profile()[:200]),
        (9, 8, 7),
        0,
    ),
    "broken exif": (lambda: encoded(solid("RGB", (9, 8, 7)), "PNG", exif=b"Exif\0\0nonsense"), (9, 8, 7), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_picture_gives_the_right_colour(name: str, tmp_path: Path) -> None:
    make, expected, tolerance = CASES[name]
    path = tmp_path / "picture"
    path.write_bytes(make())
    image = read_image(path)
    assert image.dtype == torch.uint8
    assert image.ndim == 3
    assert image.shape[0] == 3
    assert image.is_contiguous()
    shift = (image[:, 0, 0].int() - torch.tensor(expected)).abs().max()
    assert shift <= tolerance, image[:, 0, 0]


@pytest.mark.skipif("AVIF" not in Image.registered_extensions().values(), reason="Pillow without AVIF")
def test_avif(tmp_path: Path) -> None:
    (tmp_path / "a.avif").write_bytes(encoded(solid("RGB", (200, 100, 50), (32, 32)), "AVIF", quality=95))
    assert (read_image(tmp_path / "a.avif")[:, 9, 9].int() - torch.tensor([200, 100, 50])).abs().max() <= 4


# where the red pixel of the stored picture's top left corner is to be seen
@pytest.mark.parametrize(
    ("orientation", "shape", "place"),
    [
        (1, (2, 4), (0, 0)),
        (2, (2, 4), (0, 3)),
        (3, (2, 4), (1, 3)),
        (4, (2, 4), (1, 0)),
        (5, (4, 2), (0, 0)),
        (6, (4, 2), (0, 1)),
        (7, (4, 2), (3, 1)),
        (8, (4, 2), (3, 0)),
        (9, (2, 4), (0, 0)),
    ],
)
def test_orientation(
    orientation: int, shape: tuple[int, int], place: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "turned.png"
    path.write_bytes(with_orientation(orientation))
    image = read_image(path)
    assert tuple(image.shape[1:]) == shape
    assert np.argwhere(image[0].numpy() == 255).tolist() == [list(place)]


def test_orientation_survives_a_profile_and_transparency(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("RGBA", (4, 2), (255, 0, 0, 255))
    picture.putpixel((0, 0), (0, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(encoded(picture, "PNG", exif=exif, icc_profile=swapped_profile()))
    image = read_image(tmp_path / "a.png")
    assert image[:, 0, 1].tolist() == [128, 128, 128]
    assert image[2, 1, 1] > 250


def test_cmyk_is_converted_by_its_own_profile(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(encoded(solid("CMYK", (255, 0, 0, 0)), "TIFF", icc_profile=cyan_is_white()))
    assert read_image(path)[:, 0, 0].min() >= 250
    path.write_bytes(encoded(solid("CMYK", (255, 0, 0, 0)), "TIFF"))
    assert read_image(path)[:, 0, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_thin_pictures(size: tuple[int, int], kind: str, tmp_path: Path) -> None:
    (tmp_path / "thin").write_bytes(encoded(solid("RGB", (9, 9, 9), size), kind))
    assert tuple(read_image(tmp_path / "thin").shape) == (3, size[1], size[0])


AWKWARD_NAMES = ["with space.png", 'it\'s "quoted".png', "two\nlines.png", "名前 é 🎨.png", "real jpeg.png"]


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_content_decides_and_any_name_works(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(solid("RGB", (9, 9, 9), (8, 8)), "JPEG"))
    assert read_image(path)[:, 0, 0].tolist() == [9, 9, 9]
    assert torch.equal(read_image(str(path)), read_image(path))


def test_threads_give_what_one_thread_gives(tmp_path: Path) -> None:
    paths = []
    for index, (make, _, _) in enumerate(CASES.values()):
        path = tmp_path / f"{index}"
        path.write_bytes(make())
        paths.append(path)
    alone = [read_image(path) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(read_image, paths * 4))
    assert all(torch.equal(a, b) for a, b in zip(alone * 4, together, strict=True))


def test_to_float() -> None:
    values = to_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert values.dtype == torch.float32
    assert torch.allclose(values, torch.tensor([0.0, 0.2, 1.0]))
    with pytest.raises(ImageError, match="uint8"):
        to_float(torch.zeros(3))

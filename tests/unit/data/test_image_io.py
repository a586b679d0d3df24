"""Decoding of every kind of picture to the right sRGB colours."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzz_support.picture_seeds import swapped_profile
from PIL import Image
from unit_support.image_files import encoded, png, solid, srgb_profile

from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.utils.errors import ImageError

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
CLEAR_RED = (255, 0, 0, 51)


def palette(**options: object) -> Callable[[], bytes]:
    picture = solid("P", 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    return partial(encoded, picture, "PNG", **options)


def sixteen_bit(value: int) -> Callable[[], bytes]:
    return partial(encoded, Image.fromarray(np.full((3, 4), value, np.uint16)), "PNG")


def animation(kind: str) -> Callable[[], bytes]:
    options = {"lossless": True} if kind == "WEBP" else {}
    more = [solid("RGB", BLUE, (16, 16))]
    return saved("RGB", RED, kind, save_all=True, append_images=more, duration=50, **options)


def saved(mode: str, colour: object, kind: str, **options: object) -> Callable[[], bytes]:
    return partial(encoded, solid(mode, colour, (16, 16)), kind, **options)


INKS = (0, 255, 255, 0)
# name → (file content, the colour of the top left pixel, tolerance)
CASES: dict[str, tuple[Callable[[], bytes], tuple[int, int, int], int]] = {
    "rgb png": (saved("RGB", (10, 20, 30), "PNG"), (10, 20, 30), 0),
    "grey png": (saved("L", 77, "PNG"), (77, 77, 77), 0),
    "palette": (palette(), BLUE, 0),
    "palette, transparent": (palette(transparency=1), GREY, 0),
    "palette, half": (palette(transparency=bytes([255, 128])), (64, 64, 192), 1),
    "rgba, clear": (saved("RGBA", (9, 9, 9, 0), "PNG"), GREY, 0),
    "rgba, half": (saved("RGBA", CLEAR_RED, "PNG"), (153, 102, 102), 1),
    "transparent colour": (saved("RGB", (5, 6, 7), "PNG", transparency=(5, 6, 7)), GREY, 0),
    "rgba webp": (saved("RGBA", CLEAR_RED, "WEBP", lossless=True, exact=True), (153, 102, 102), 1),
    "16-bit png": (sixteen_bit(257 * 100), (100, 100, 100), 0),
    "16-bit png, transparent value": (lambda: png(1, 1, 16, 0, b"\x00\x64\x64", (b"tRNS", b"\x64\x64")), GREY, 0),
    "16-bit rgb png": (lambda: png(1, 1, 16, 2, b"\x00\xff\xff\x80\x80\x00\x00"), (255, 128, 0), 0),
    "16-bit rgba png": (lambda: png(1, 1, 16, 6, b"\x00" + b"\xff\xff\0\0\0\0\0\0"), GREY, 0),
    "32-bit tiff, 16-bit range": (saved("I", 25700, "TIFF"), (100, 100, 100), 0),
    "cmyk tiff": (saved("CMYK", INKS, "TIFF"), RED, 0),
    "cmyk jpeg (inverted)": (saved("CMYK", INKS, "JPEG"), RED, 4),
    "ycbcr jpeg": (saved("RGB", (200, 100, 50), "JPEG", quality=95), (200, 100, 50), 4),
    **{f"animated {kind}": (animation(kind), RED, 0) for kind in ("GIF", "PNG", "WEBP")},
    "profile": (saved("RGB", RED, "PNG", icc_profile=swapped_profile()), BLUE, 3),
    "profile of a palette": (palette(icc_profile=swapped_profile()), RED, 3),
    "sRGB profile": (saved("RGB", (13, 77, 200), "PNG", icc_profile=srgb_profile()), (13, 77, 200), 0),
    "grey with an RGB profile": (saved("L", 90, "PNG", icc_profile=swapped_profile()), (90, 90, 90), 3),
    "cmyk with an RGB profile": (saved("CMYK", INKS, "TIFF", icc_profile=srgb_profile()), RED, 0),
    "broken profile": (saved("RGB", (9, 8, 7), "PNG", icc_profile=b"no profile"), (9, 8, 7), 0),
    "broken exif": (saved("RGB", (9, 8, 7), "PNG", exif=b"Exif\0\0nonsense"), (9, 8, 7), 0),
}  # fmt: skip
if "AVIF" in Image.registered_extensions().values():
    CASES["avif"] = (saved("RGB", (200, 100, 50), "AVIF", quality=95), (200, 100, 50), 4)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    for name, (make, _, _) in CASES.items():
        (folder / name).write_bytes(make())
    return {name: folder / name for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_picture_gives_the_right_colour(name: str, files: dict[str, Path]) -> None:
    _, expected, tolerance = CASES[name]
    image = read_image(str(files[name]))
    assert (image.dtype, image.ndim, image.shape[0], image.is_contiguous()) == (torch.uint8, 3, 3, True)
    assert (image[:, 0, 0].int() - torch.tensor(expected)).abs().max() <= tolerance, image[:, 0, 0]


def test_threads_give_what_one_thread_gives(files: dict[str, Path]) -> None:
    paths = list(files.values())
    alone = [read_image(path) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(read_image, paths * 2))
    assert all(torch.equal(a, b) for a, b in zip(alone * 2, together, strict=True))


# where the red pixel of the stored picture's top left corner is to be seen
@pytest.mark.parametrize(
    ("orientation", "shape", "place"),
    [
        (1, (2, 4), (0, 0)), (2, (2, 4), (0, 3)), (3, (2, 4), (1, 3)), (4, (2, 4), (1, 0)), (5, (4, 2), (0, 0)),
        (6, (4, 2), (0, 1)), (7, (4, 2), (3, 1)), (8, (4, 2), (3, 0)), (9, (2, 4), (0, 0)),
    ],
)  # fmt: skip
def test_orientation(
    orientation: int, shape: tuple[int, int], place: tuple[int, int], tmp_path: Path
) -> None:
    """Also with a profile, which makes the red pixel blue, and a transparent pixel."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = solid("RGBA", (0, 0, 0, 0), (4, 2))
    picture.putpixel((0, 0), (*RED, 255))
    (tmp_path / "a").write_bytes(encoded(picture, "PNG", exif=exif, icc_profile=swapped_profile()))
    image = read_image(tmp_path / "a")
    assert tuple(image.shape[1:]) == shape
    assert np.argwhere(image[2].numpy() > 250).tolist() == [list(place)]
    assert (image == 128).all(dim=0).sum() == 7


def test_to_float() -> None:
    values = to_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert values.dtype == torch.float32
    assert torch.allclose(values, torch.tensor([0.0, 0.2, 1.0]))
    with pytest.raises(ImageError, match="uint8"):
        to_float(torch.zeros(3))

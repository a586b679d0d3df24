"""What is measured of one file: header, borders, spectrum, traces of JPEG, colour."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from unit_support.image_files import encoded, png_chunk, srgb_profile

from ganrm_core.data.image_io import read_image
from ganrm_core.leakage.forensics.file_stats import FileStats, file_stats
from ganrm_core.leakage.forensics.jpeg_history import jpeg_traces
from ganrm_core.leakage.forensics.pixel_stats import luma, mean_colour
from ganrm_core.leakage.forensics.webp_header import webp_quantiser
from ganrm_core.utils.errors import ImageError

SIDE = 128


def photograph(number: int, side: int = SIDE) -> Image.Image:
    """Detail at every scale, as in a photograph, over a bright ground."""
    rng = np.random.default_rng(number)
    pixels = np.full((side, side, 3), 130.0)
    for cells, strength in ((4, 30), (16, 20), (64, 12), (side, 4)):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        pixels += (np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) - 128.0) * strength / 64
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return photograph(0)


def stats_of(picture: Image.Image, path: Path, **options: Any) -> FileStats:
    picture.save(path, **options)
    return file_stats(path, read_image(path))


@pytest.mark.parametrize("quality", [10, 49, 50, 75, 92])
def test_jpeg_quality_and_subsampling_whatever_the_name(
    picture: Image.Image, tmp_path: Path, quality: int
) -> None:
    stats = stats_of(picture, tmp_path / "a.png", format="JPEG", quality=quality, subsampling=quality % 3)
    assert (stats.container, stats.lossless) == ("JPEG", False)
    assert (stats.jpeg_quality, stats.jpeg_subsampling, stats.webp_quantiser) == (quality, quality % 3, None)


class TestWebP:
    def test_quantisers_run_from_fine_to_coarse(self, picture: Image.Image, tmp_path: Path) -> None:
        qualities = (100, 90, 80, 50, 0)
        found = [stats_of(picture, tmp_path / "a.webp", quality=q).webp_quantiser for q in qualities]
        # libwebp maps quality 100 to the finest and 0 to the coarsest index.
        assert (found[0], found[-1]) == (0, 127)
        assert all(a is not None and b is not None and a < b for a, b in pairwise(found))
        moving = {"save_all": True, "append_images": [ImageOps.mirror(picture)]}
        animated = stats_of(picture, tmp_path / "a.webp", quality=80, **moving)
        assert animated.webp_quantiser == pytest.approx(found[2], abs=4), "known by its first frame"

    def test_lossless_and_broken_off(self, picture: Image.Image, tmp_path: Path) -> None:
        stats = stats_of(picture, tmp_path / "a.webp", lossless=True)
        assert (stats.container, stats.lossless, stats.webp_quantiser) == ("WEBP", True, None)
        data = encoded(picture, "WEBP", quality=80)
        for length in range(12, 29):
            assert webp_quantiser(io.BytesIO(data[:length])) == (False, None)


def test_size_is_that_of_the_picture_turned_upright_and_no_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stats = stats_of(Image.new("RGB", (40, 20), "red"), tmp_path / "a.jpg", exif=exif)
    assert (stats.width, stats.height) == (20, 40)
    assert stats.bytes_per_pixel == (tmp_path / "a.jpg").stat().st_size / 800
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for name, message in (("a.png", "not there"), ("b.png", r"b\.png")):
        with pytest.raises(ImageError, match=message):
            file_stats(tmp_path / name, torch.zeros(3, 8, 8, dtype=torch.uint8))


def test_colour_tags(picture: Image.Image, tmp_path: Path) -> None:
    png = encoded(picture, "PNG")
    for kind, content, tag in (
        (b"gAMA", struct.pack(">I", 45455), "gamma"),
        (b"sRGB", b"\0", "sRGB flag"),
        (b"cICP", bytes((1, 13, 0, 1)), "cICP"),
        (b"tEXt", b"Title\0none", "none"),
    ):
        path = tmp_path / f"{tag}.png"
        path.write_bytes(png[:33] + png_chunk(kind, content) + png[33:])  # behind the header chunk
        assert file_stats(path, read_image(path)).colour_tag == tag
    for ending in ("png", "jpg", "webp"):
        for profile, tag in (
            (srgb_profile(), "sRGB"),
            (srgb_profile()[:200], "other profile"),
            (None, "none"),
        ):
            assert stats_of(picture, tmp_path / f"a.{ending}", icc_profile=profile).colour_tag == tag


def test_pixel_format_and_alpha(picture: Image.Image, tmp_path: Path) -> None:
    keyed = picture.convert("RGBA")
    keyed.paste((0, 0, 0, 0), (0, 0, SIDE // 2, SIDE // 2))
    deep = Image.fromarray((np.arange(64 * 64) * 16).astype(np.uint16).reshape(64, 64))
    for image, expected in (
        (picture, ("RGB", "none")),
        (picture.convert("RGBA"), ("RGBA", "opaque")),
        (keyed, ("RGBA", "transparent")),
        (picture.convert("L"), ("L", "none")),
        (picture.convert("P"), ("P", "none")),
        (deep, ("I;16", "none")),
    ):
        stats = stats_of(image, tmp_path / "a.png")
        assert (stats.mode, stats.alpha) == expected


def test_borders(picture: Image.Image, tmp_path: Path) -> None:
    for added, border in ((16, (16, 16, 16, 16)), ((1, 0, 2, 0), (0, 2, 0, 1)), (0, (0, 0, 0, 0))):
        assert stats_of(ImageOps.expand(picture, added, "black"), tmp_path / "a.png").border == border
    tiny = stats_of(Image.new("RGB", (1, 3), "white"), tmp_path / "a.png")
    assert (tiny.border, len(tiny.bands), tiny.jpeg_traces) == ((0, 0, 0, 0), 12, 0)


def test_spectrum(picture: Image.Image, tmp_path: Path) -> None:
    half = picture.resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC)
    back = stats_of(half.resize(picture.size, Image.Resampling.BICUBIC), tmp_path / "a.png").bands
    before = stats_of(picture, tmp_path / "b.png").bands
    assert abs(back[1] - before[1]) < 0.1
    assert all(after < whole - 0.4 for after, whole in zip(back[7:], before[7:], strict=True))
    noise = np.random.default_rng(1).normal(128, 20, (256, 256, 1)).repeat(3, axis=2)
    bands = stats_of(Image.fromarray(noise.round().astype(np.uint8)), tmp_path / "c.png").bands
    assert bands == pytest.approx([np.log10(400)] * 12, abs=0.15), "the variance of white noise in each band"


@pytest.mark.parametrize("quality", [40, 75, 90, 95])
def test_a_former_jpeg_is_found_out(quality: int) -> None:
    def grey(picture: Image.Image) -> torch.Tensor:
        return luma(torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1))

    never = photograph(3, side=256).crop((0, 0, 204, 251))
    former = grey(Image.open(io.BytesIO(encoded(never, "JPEG", quality=quality))))
    assert jpeg_traces(former) > 0.2 or quality > 80
    assert jpeg_traces(grey(never)) < 0.05


def test_mean_colour(tmp_path: Path) -> None:
    stats = stats_of(Image.new("RGB", (30, 20), (255, 51, 0)), tmp_path / "a.png")
    assert stats.colour == pytest.approx((1, 0.2, 0, 1, 0), abs=1e-5)
    large = torch.zeros(3, 511, 700, dtype=torch.uint8)
    large[:, ::2, ::2] = 255
    assert mean_colour(large) == (1, 1, 1, 0, 0), "of a large picture few pixels tell its colour"


def test_sixteen_bits_of_a_colour_png_are_seen(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + bytes(range(64)) * 6 for _ in range(64))  # 64 pixels of 3 × 16 bits
    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b""))
    path = tmp_path / "deep.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert file_stats(path, read_image(path)).mode == "RGB;16"


def test_facts_from_json(picture: Image.Image, tmp_path: Path) -> None:
    stats = stats_of(picture, tmp_path / "a.png")
    values = json.loads(json.dumps(asdict(stats)))
    assert FileStats.from_json(values) == stats
    for change, message in (({"width": "wide"}, "wrong kind"), ({"bands": [1.0]}, "incomplete")):
        with pytest.raises(ValueError, match=message):
            FileStats.from_json({**values, **change})

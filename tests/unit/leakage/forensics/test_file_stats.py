"""What is read of one file: header and look."""

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
from PIL import Image, ImageCms, ImageOps

from ganrm_core.data.image_io import read_image
from ganrm_core.leakage.forensics.file_stats import FileStats, file_stats
from ganrm_core.leakage.forensics.jpeg_history import jpeg_traces
from ganrm_core.leakage.forensics.pixel_stats import luma, mean_colour
from ganrm_core.utils.errors import ImageError

SIDE = 128


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return photograph(0)


def photograph(number: int, side: int = SIDE) -> Image.Image:
    """Detail at every scale, as in a photograph, over a bright ground."""
    rng = np.random.default_rng(number)
    pixels = np.full((side, side, 3), 130.0)
    for cells, strength in ((4, 30), (16, 20), (64, 12), (side, 4)):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        pixels += (np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) - 128.0) * strength / 64
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def facts_of(picture: Image.Image, path: Path, **options: Any) -> FileStats:
    picture.save(path, **options)
    return file_stats(path, read_image(path))


def traces_of_every_coefficient(grey: torch.Tensor) -> float:
    """What `jpeg_traces` counts in bins, from each coefficient by itself."""
    place = np.arange(8)
    waves = [np.cos((2 * place + 1) * k * np.pi / 16) / 2 * (0.5**0.5 if k == 0 else 1) for k in range(3)]
    rows, columns = (side // 8 for side in grey.shape)
    blocks = grey.numpy()[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).astype(np.float64)
    found = []
    for down, across in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1)):
        size = np.abs(np.einsum("aibj,i,j->ab", blocks, waves[down], waves[across])).ravel()
        fits = [0.0]
        for step in range(3, 25):
            counted = size[(size > step / 2) & (size < 8 * step)]
            if len(counted) >= 30:
                fits.append(np.cos(2 * np.pi * counted / step).mean() - 1.8 / len(counted) ** 0.5)
        found.append(max(fits))
    return float(np.mean(found))


def with_chunk(png: Path, kind: bytes, content: bytes) -> None:
    """Put a chunk behind the PNG's header chunk."""
    data = png.read_bytes()
    chunk = kind + content
    framed = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    png.write_bytes(data[:33] + framed + data[33:])


@pytest.mark.parametrize("quality", [10, 49, 50, 75, 92])
def test_jpeg_quality_and_subsampling(picture: Image.Image, tmp_path: Path, quality: int) -> None:
    facts = facts_of(picture, tmp_path / "a.jpg", quality=quality, subsampling=quality % 3)
    assert (facts.container, facts.lossless) == ("JPEG", False)
    assert facts.jpeg_quality == quality
    assert facts.jpeg_subsampling == quality % 3
    assert facts.webp_quantiser is None


def test_the_bytes_count_not_the_name(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.jpg")
    facts = file_stats((tmp_path / "a.jpg").rename(tmp_path / "a.png"), read_image(tmp_path / "a.png"))
    assert facts.container == "JPEG"


def test_webp_quantisers_run_from_fine_to_coarse(picture: Image.Image, tmp_path: Path) -> None:
    qualities = (100, 90, 80, 50, 0)
    found = [facts_of(picture, tmp_path / f"{q}.webp", quality=q).webp_quantiser for q in qualities]
    # libwebp maps quality 100 to the finest and 0 to the coarsest index.
    assert found[0] == 0
    assert found[-1] == 127
    assert all(a is not None and b is not None and a < b for a, b in pairwise(found))


def test_webp_without_segments_holds_libwebps_own_curve(picture: Image.Image, tmp_path: Path) -> None:
    # A plain grey picture has one segment, so that the index is 127 · (1 − ∛compression) itself.
    facts = facts_of(Image.new("RGB", (64, 64), "grey"), tmp_path / "a.webp", quality=50)
    assert facts.webp_quantiser == pytest.approx(127 * (1 - (0.5 * 2 / 3) ** (1 / 3)), abs=14)


def test_lossless_webp(picture: Image.Image, tmp_path: Path) -> None:
    facts = facts_of(picture, tmp_path / "a.webp", lossless=True)
    assert (facts.container, facts.lossless, facts.webp_quantiser) == ("WEBP", True, None)


def test_an_animated_webp_is_known_by_its_first_frame(picture: Image.Image, tmp_path: Path) -> None:
    still = facts_of(picture, tmp_path / "still.webp", quality=80)
    moving = facts_of(
        picture, tmp_path / "a.webp", quality=80, save_all=True, append_images=[ImageOps.mirror(picture)]
    )
    assert moving.webp_quantiser == pytest.approx(still.webp_quantiser, abs=4)


def test_a_webp_that_breaks_off_has_no_quantiser(picture: Image.Image, tmp_path: Path) -> None:
    from ganrm_core.leakage.forensics.webp_header import webp_quantiser

    path = tmp_path / "a.webp"
    picture.save(path, quality=80)
    data = path.read_bytes()
    for length in range(12, 29):
        assert webp_quantiser(io.BytesIO(data[:length])) == (False, None)


def test_size_in_pixels_is_that_of_the_picture_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    facts = facts_of(Image.new("RGB", (40, 20), "red"), path, exif=exif)
    assert (facts.width, facts.height) == (20, 40)
    assert facts.bytes_per_pixel == path.stat().st_size / 800


@pytest.mark.parametrize(
    ("kind", "content", "tag"),
    [
        (b"gAMA", struct.pack(">I", 45455), "gamma"),
        (b"sRGB", b"\0", "sRGB flag"),
        (b"cICP", bytes((1, 13, 0, 1)), "cICP"),
        (b"tEXt", b"Title\0none", "none"),
    ],
)
def test_png_colour_tags(picture: Image.Image, tmp_path: Path, kind: bytes, content: bytes, tag: str) -> None:
    path = tmp_path / "a.png"
    picture.save(path)
    with_chunk(path, kind, content)
    assert file_stats(path, read_image(path)).colour_tag == tag


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_colour_profiles(picture: Image.Image, tmp_path: Path, ending: str) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert facts_of(picture, tmp_path / f"a.{ending}", icc_profile=srgb).colour_tag == "sRGB"
    assert facts_of(picture, tmp_path / f"b.{ending}", icc_profile=srgb[:200]).colour_tag == "other profile"
    assert facts_of(picture, tmp_path / f"c.{ending}").colour_tag == "none"


def test_pixel_format_and_alpha(picture: Image.Image, tmp_path: Path) -> None:
    opaque, keyed = picture.convert("RGBA"), picture.convert("RGBA")
    keyed.paste((0, 0, 0, 0), (0, 0, SIDE // 2, SIDE // 2))
    found = [
        facts_of(image, tmp_path / f"{i}.png")
        for i, image in enumerate((picture, opaque, keyed, picture.convert("L"), picture.convert("P")))
    ]
    assert [(facts.mode, facts.alpha) for facts in found] == [
        ("RGB", "none"),
        ("RGBA", "opaque"),
        ("RGBA", "transparent"),
        ("L", "none"),
        ("P", "none"),
    ]
    deep = Image.fromarray((np.arange(64 * 64) * 16).astype(np.uint16).reshape(64, 64))
    assert facts_of(deep, tmp_path / "deep.png").mode == "I;16"


def test_a_missing_file_and_no_picture(picture: Image.Image, tmp_path: Path) -> None:
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ImageError, match="not there"):
        file_stats(tmp_path / "a.png", image)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(ImageError, match=r"b\.png"):
        file_stats(tmp_path / "b.png", image)


class TestBorders:
    @pytest.mark.parametrize("ending", ["png", "jpg"])
    def test_a_border_all_round(self, picture: Image.Image, tmp_path: Path, ending: str) -> None:
        framed = ImageOps.expand(picture, 16, "black")
        assert facts_of(framed, tmp_path / f"a.{ending}").border == (16, 16, 16, 16)

    def test_letterboxes_and_thin_lines(self, picture: Image.Image, tmp_path: Path) -> None:
        wide = ImageOps.expand(picture, (0, 20), "white")
        assert facts_of(wide, tmp_path / "a.png").border == (20, 0, 20, 0)
        thin = ImageOps.expand(picture, (1, 0, 2, 0), "black")
        assert facts_of(thin, tmp_path / "b.png").border == (0, 2, 0, 1)

    def test_no_border(self, picture: Image.Image, tmp_path: Path) -> None:
        assert facts_of(picture, tmp_path / "a.png").border == (0, 0, 0, 0)

    def test_a_plain_background_is_no_border(self, picture: Image.Image, tmp_path: Path) -> None:
        product = Image.new("RGB", (200, 200), "white")
        product.paste(picture.resize((80, 80)), (60, 20))
        assert facts_of(product, tmp_path / "a.png").border == (0, 0, 0, 0)
        assert facts_of(Image.new("RGB", (64, 64), "white"), tmp_path / "b.png").border == (0, 0, 0, 0)

    def test_tiny_pictures(self, tmp_path: Path) -> None:
        facts = facts_of(Image.new("RGB", (1, 3), "white"), tmp_path / "a.png")
        assert facts.border == (0, 0, 0, 0)
        assert len(facts.bands) == 12
        assert facts.jpeg_traces == 0


class TestLook:
    def test_half_size_and_back_empties_the_upper_bands(self, picture: Image.Image, tmp_path: Path) -> None:
        half = picture.resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC)
        back = facts_of(half.resize(picture.size, Image.Resampling.BICUBIC), tmp_path / "a.png").bands
        before = facts_of(picture, tmp_path / "b.png").bands
        assert abs(back[1] - before[1]) < 0.1
        assert all(after < whole - 0.4 for after, whole in zip(back[7:], before[7:], strict=True))

    def test_white_noise_has_its_variance_in_every_band(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(1).normal(128, 20, (256, 256, 1)).repeat(3, axis=2)
        bands = facts_of(Image.fromarray(noise.round().astype(np.uint8)), tmp_path / "a.png").bands
        assert bands == pytest.approx([np.log10(400)] * 12, abs=0.15)

    @pytest.mark.parametrize("quality", [60, 75, 85])
    def test_a_former_jpeg_is_found_out(self, tmp_path: Path, quality: int) -> None:
        picture = photograph(2, side=256)
        coded = io.BytesIO()
        picture.save(coded, "JPEG", quality=quality)
        former = facts_of(Image.open(coded).convert("RGB"), tmp_path / "a.png")
        assert former.jpeg_traces > 0.2
        assert facts_of(picture, tmp_path / "b.png").jpeg_traces < 0.05

    @pytest.mark.parametrize("quality", [40, 80, 90, 95])
    def test_traces_counted_in_bins_are_those_of_every_coefficient(self, quality: int) -> None:
        coded = io.BytesIO()
        photograph(3, side=256).crop((0, 0, 204, 251)).save(coded, "JPEG", quality=quality)
        grey = luma(torch.from_numpy(np.array(Image.open(coded))).permute(2, 0, 1))
        assert jpeg_traces(grey) == pytest.approx(traces_of_every_coefficient(grey), abs=0.02)

    def test_of_a_large_picture_few_pixels_tell_its_colour(self) -> None:
        picture = torch.zeros(3, 511, 700, dtype=torch.uint8)
        picture[:, ::2, ::2] = 255
        assert mean_colour(picture) == (1, 1, 1, 0, 0)

    def test_mean_colour(self, tmp_path: Path) -> None:
        facts = facts_of(Image.new("RGB", (30, 20), (255, 51, 0)), tmp_path / "a.png")
        assert facts.colour == pytest.approx((1, 0.2, 0, 1, 0), abs=1e-5)
        halves = Image.new("RGB", (64, 64), "black")
        halves.paste("white", (0, 0, 32, 64))
        assert facts_of(halves, tmp_path / "b.png").colour == pytest.approx((0.5, 0.5, 0.5, 0, 0.5), abs=1e-5)


@pytest.mark.parametrize(
    "entry",
    [
        {"border": None},
        {"border": [0, 0, 0]},
        {"border": [0, 0, [], 0]},
        {"bands": [1.0]},
        {"bands": [float("nan")] * 12},
        {"colour": ["red"] * 5},
        {"width": "48"},
        {"lossless": 1},
        {"jpeg_quality": 90.5},
        {"unknown": 1},
    ],
    ids=str,
)
def test_facts_of_another_kind_are_refused(
    picture: Image.Image, tmp_path: Path, entry: dict[str, Any]
) -> None:
    picture.save(tmp_path / "a.png")
    facts = file_stats(tmp_path / "a.png", read_image(tmp_path / "a.png"))
    plain = json.loads(json.dumps(asdict(facts)))
    assert FileStats.from_json(plain) == facts
    with pytest.raises((TypeError, ValueError)):
        FileStats.from_json({**plain, **entry})

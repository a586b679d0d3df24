"""Every TIFF layout against the samples written: read right, or refused by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from unit_support.tiff_files import (
    BLACK_IS_ZERO,
    CMYK,
    DEFLATE,
    LAB,
    NONE,
    PACKBITS,
    PALETTE,
    RGB,
    WHITE_IS_ZERO,
    YCBCR,
    Layout,
    directory,
    tiff,
)

from ganrm_core.data.image_io import UnreadableImageError, read_image

Samples = NDArray[Any]
HEIGHT, WIDTH = 19, 37
FLOAT, SIGNED = 3, 2
ASSOCIATED, SEPARATE = 1, 2

STORAGE: list[dict[str, Any]] = [
    {"compression": NONE},
    {"compression": NONE, "tile": 16},
    {"compression": DEFLATE},
    {"compression": DEFLATE, "predictor": 2, "tile": 16},
    {"compression": PACKBITS},
]


def random(count: int, white: int) -> Samples:
    kind = np.uint8 if white < 256 else np.uint16 if white < 65536 else np.uint32
    return np.random.default_rng(white + count).integers(0, white + 1, (HEIGHT, WIDTH, count)).astype(kind)


def shades(samples: Samples, white: float) -> Samples:
    return np.asarray(samples / white * 255)


def over_grey(colour: Samples, alpha: Samples, kind: int) -> Samples:
    """`colour` 0–255 with an opacity 0–1, over 128."""
    return (colour if kind == ASSOCIATED else colour * alpha) + 128 * (1 - alpha)


def is_read(path: Path, samples: Samples, layout: Layout, expected: Samples, tolerance: float) -> bool:
    """Whether a TIFF is read, and then right; it may only be refused by name."""
    path.write_bytes(tiff(samples, layout))
    try:
        image = read_image(path)
    except UnreadableImageError as error:
        assert "this kind of TIFF is not read (" in str(error), error  # noqa: PT017
        return False
    found = image.permute(1, 2, 0).numpy().astype(float)
    assert found.shape[:2] == expected.shape[:2], layout
    assert np.abs(found - expected).max() <= tolerance, layout
    return True


def variants(layout: Layout) -> Iterator[Layout]:
    """The layout in every order of bytes, bits and planes, and every way of storing it."""
    count = {RGB: 3, YCBCR: 3, LAB: 3, CMYK: 4}.get(layout.photometric, 1) + len(layout.extra)
    for storage, big_endian, planar, fill in itertools.product(
        STORAGE, (False, True), (False, True)[: 1 + (count > 1)], (1, 2)
    ):
        if storage.get("predictor") == 2 and layout.bits not in (8, 16, 32):
            continue
        yield replace(layout, **storage, big_endian=big_endian, planar=planar, fill_order=fill)


def usual(layout: Layout) -> bool:
    """The orders that any program writes: these must be read."""
    return not layout.big_endian and not layout.planar and layout.fill_order == 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
def test_grey(photometric: int, bits: int, tmp_path: Path) -> None:
    samples = random(1, 2**bits - 1)
    expected = shades(samples, 2**bits - 1)
    expected = 255 - expected if photometric == WHITE_IS_ZERO else expected
    for layout in variants(Layout(photometric, bits)):
        read = is_read(tmp_path / "a", samples, layout, expected, 0.51)
        assert read or not usual(layout) or (bits, photometric) == (12, WHITE_IS_ZERO), layout


@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_signed_grey_is_never_read_wrong(photometric: int, bits: int, tmp_path: Path) -> None:
    samples = random(1, 127 if bits == 8 else 32767).astype(f"i{bits // 8}")
    samples[0, 0] = 32767 if bits > 8 else 127
    for layout in variants(Layout(photometric, bits, SIGNED)):
        read = is_read(tmp_path / "a", samples, layout, shades(samples, 65535), 0.51)
        assert read == (usual(layout) and bits == 32 and photometric == BLACK_IS_ZERO) or layout.big_endian


@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
@pytest.mark.parametrize("bits", [16, 32, 64])
def test_floating_point_grey(photometric: int, bits: int, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).random((HEIGHT, WIDTH, 1)).astype(f"f{bits // 8}")
    expected = shades(samples, 1) if photometric == BLACK_IS_ZERO else 255 - shades(samples, 1)
    for layout in variants(Layout(photometric, bits, FLOAT)):
        if layout.predictor == 2:
            continue
        read = is_read(tmp_path / "a", samples, layout, expected, 0.51)
        assert read == (bits == 32 and usual(layout)) or layout.big_endian, layout
    if bits == 32:
        for big_endian in (False, True):
            layout = Layout(photometric, bits, FLOAT, big_endian, compression=DEFLATE, predictor=3)
            assert is_read(tmp_path / "a", samples, layout, expected, 0.51) != big_endian


@pytest.mark.parametrize("kind", [0, ASSOCIATED, SEPARATE])
@pytest.mark.parametrize("bits", [8, 16])
def test_grey_with_an_extra_sample(bits: int, kind: int, tmp_path: Path) -> None:
    white = 2**bits - 1
    samples = random(2, white)
    if kind == ASSOCIATED:
        samples.sort(axis=2)  # colour is never more than opacity
    expected = shades(samples[..., :1], white)
    if kind:
        expected = over_grey(expected, samples[..., 1:] / white, kind)
    for layout in variants(Layout(BLACK_IS_ZERO, bits, extra=[kind])):
        read = is_read(tmp_path / "a", samples, layout, expected, 2)
        assert read or not usual(layout) or bits == 16, layout


@pytest.mark.parametrize(
    "extra", [(), (0,), (ASSOCIATED,), (SEPARATE,), (0, 0), (SEPARATE, 0), (0, SEPARATE)]
)
@pytest.mark.parametrize("bits", [4, 8, 16, 32])
def test_rgb(bits: int, extra: tuple[int, ...], tmp_path: Path) -> None:
    white = 2**bits - 1
    samples = random(3 + len(extra), white)
    if ASSOCIATED in extra:
        samples[..., :3] = np.minimum(samples[..., :3], samples[..., 3:])
    expected = shades(samples[..., :3], white)
    if any(extra):
        place = 3 + next(index for index, kind in enumerate(extra) if kind)
        expected = over_grey(expected, samples[..., place : place + 1] / white, max(extra))
    for layout in variants(Layout(RGB, bits, extra=extra)):
        read = is_read(tmp_path / "a", samples, layout, expected, 3)  # Pillow drops the low byte of 16 bits
        assert read or not usual(layout) or bits in (4, 32) or len(extra) > (bits == 8), layout


@pytest.mark.parametrize(
    ("bits", "scale", "extra"),
    [(bits, scale, ()) for bits in (1, 2, 4, 8) for scale in (257, 1)]
    + [(8, 257, (kind,)) for kind in (0, ASSOCIATED, SEPARATE)],
)
def test_palettes_of_16_and_of_8_bits(bits: int, scale: int, extra: tuple[int, ...], tmp_path: Path) -> None:
    samples = random(1 + len(extra), 2**bits - 1)
    colours = np.random.default_rng(bits).integers(0, 256, (3, 2**bits))
    expected = colours.T[samples[..., 0]]
    if any(extra):
        expected = over_grey(expected, samples[..., 1:] / 255, extra[0])
    for layout in variants(Layout(PALETTE, bits, colours=(colours * scale).ravel().tolist(), extra=extra)):
        assert is_read(tmp_path / "a", samples, layout, expected, len(extra)) or extra or not usual(layout), (
            layout
        )


@pytest.mark.parametrize("extra", [(), (0,), (SEPARATE,), (0, 0)])
@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk(bits: int, extra: tuple[int, ...], tmp_path: Path) -> None:
    white = 2**bits - 1
    samples = random(4 + len(extra), white)
    inks = samples[..., :4] / white
    expected = 255 * (1 - inks[..., :3]) * (1 - inks[..., 3:])
    for layout in variants(Layout(CMYK, bits, extra=extra)):
        read = is_read(tmp_path / "a", samples, layout, expected, 2)
        assert not (read and SEPARATE in extra), layout
        assert read or not usual(layout) or extra, layout


def test_ycbcr(tmp_path: Path) -> None:
    samples = random(3, 255)
    luma, blue, red = (samples[..., channel].astype(float) for channel in range(3))
    red, blue = red - 128, blue - 128
    expected = np.stack(
        [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], -1
    )
    for layout in variants(Layout(YCBCR, 8, more=[(530, 3, [1, 1])])):
        is_read(tmp_path / "a", samples, layout, expected.clip(0, 255), 3)


@pytest.mark.parametrize("planar", [False, True])
def test_floating_point_rgb_is_named(planar: bool, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    (tmp_path / "a.tif").write_bytes(tiff(samples, Layout(RGB, 32, FLOAT, planar=planar)))
    with pytest.raises(
        UnreadableImageError, match=r'a\.tif".*32-bit floating-point RGB.*Save it with 8 or 16 bits'
    ):
        read_image(tmp_path / "a.tif")


def test_ycbcr_of_coarser_colour_is_not_taken_for_whole(tmp_path: Path) -> None:
    # 2 × 2 pixels share their colour: four brightnesses, blue, red. The file is written as six samples a block.
    blocks = tiff(random(6, 255), Layout(YCBCR, 8, rows_per_strip=HEIGHT))
    strip = HEIGHT * WIDTH * 6
    fields = [
        (256, 4, [2 * WIDTH]), (257, 4, [2 * HEIGHT]), (258, 3, [8] * 3), (259, 3, [1]), (262, 3, [YCBCR]),
        (273, 4, [8]), (277, 3, [3]), (278, 4, [2 * HEIGHT]), (279, 4, [strip]), (530, 3, [2, 2]),
    ]  # fmt: skip
    start = 8 + strip
    head = blocks[:4] + start.to_bytes(4, "little")
    (tmp_path / "a").write_bytes(head + blocks[8:start] + directory(fields, start, "<"))
    with pytest.raises(UnreadableImageError, match="8-bit YCbCr"):
        read_image(tmp_path / "a")


def test_lab(tmp_path: Path) -> None:
    """Lightness is unsigned; a (red to green) and b (yellow to blue) are signed. The colours: red, blue, grey."""
    samples = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    samples[..., 0] = 128  # L* 50.2
    samples[:, :12, 1], samples[:, 12:24, 2] = 60, 256 - 60
    expected = np.repeat([[206, 63, 122], [14, 123, 223], [119, 119, 119]], [12, 12, 13], axis=0)
    read = [
        is_read(tmp_path / "a", samples, layout, np.broadcast_to(expected, samples.shape), 12)
        for layout in variants(Layout(LAB, 8))
    ]
    assert any(read)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [NONE, DEFLATE])
def test_orientation(orientation: int, compression: int, tmp_path: Path) -> None:
    samples = random(1, 65535)
    layout = Layout(WHITE_IS_ZERO, 16, compression=compression, more=[(274, 3, [orientation])])
    stored = 255 - shades(samples, 65535)
    turned = {2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.transpose(1, 0, 2)}
    turned |= {6: np.rot90(stored, -1), 8: np.rot90(stored)}
    turned[7] = turned[3].transpose(1, 0, 2)
    assert is_read(tmp_path / "a", samples, layout, turned.get(orientation, stored), 0.51)

"""Every TIFF layout against the samples written: read right, or refused by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import __version__ as pillow_version
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
    tiff,
)

from ganrm_core.data.image_io import UnreadableImageError, read_image

Samples = NDArray[Any]
HEIGHT, WIDTH = 19, 37
FLOAT, SIGNED = 3, 2
ASSOCIATED, SEPARATE = 1, 2
PILLOW = int(pillow_version.split(".")[0])
COLOURS = {RGB: 3, YCBCR: 3, LAB: 3, CMYK: 4}
STORAGE: list[dict[str, Any]] = [
    {"compression": NONE},
    {"compression": NONE, "tile": 16},
    {"compression": DEFLATE},
    {"compression": DEFLATE, "predictor": 2, "tile": 16},
    {"compression": PACKBITS},
]


def random(layout: Layout) -> Samples:
    """Unsigned samples; colour that is multiplied by an opacity is never more than it."""
    count, white = COLOURS.get(layout.photometric, 1), 2**layout.bits - 1
    size = (HEIGHT, WIDTH, count + len(layout.extra))
    kind = np.uint8 if white < 256 else np.uint16 if white < 65536 else np.uint32
    samples = np.random.default_rng(white + size[2]).integers(0, white + 1, size).astype(kind)
    if ASSOCIATED in layout.extra:
        samples[..., :count] = np.minimum(samples[..., :count], samples[..., count:])
    return samples


def shown(colour: Samples, samples: Samples, layout: Layout) -> Samples:
    """`colour` 0–255 over mid-grey, by the first extra sample that is an opacity."""
    place = next((place for place, kind in enumerate(layout.extra) if kind), None)
    if place is None:
        return colour
    count = COLOURS.get(layout.photometric, 1) + place
    alpha = samples[..., count : count + 1] / (2**layout.bits - 1)
    return (colour if layout.extra[place] == ASSOCIATED else colour * alpha) + 128 * (1 - alpha)


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
    count = COLOURS.get(layout.photometric, 1) + len(layout.extra)
    for storage, big_endian, planar, fill in itertools.product(
        STORAGE, (False, True), (False, True)[: 1 + (count > 1)], (1, 2)
    ):
        differences = layout.bits in (8, 16, 32) and layout.sample_format != FLOAT
        if storage.get("predictor") == 2 and not differences:
            continue
        yield replace(layout, **storage, big_endian=big_endian, planar=planar, fill_order=fill)


@dataclass(frozen=True)
class Case:
    """`is_read`: in the orders that any program writes."""

    layout: Layout
    samples: Samples
    expected: Samples
    tolerance: float = 0.51
    is_read: bool = True


def grey_cases() -> Iterator[Case]:
    rng = np.random.default_rng(0)
    for photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        ground, sign = (0, 1.0) if photometric == BLACK_IS_ZERO else (255, -1.0)
        for bits in (1, 2, 4, 8, 12, 16):
            samples = random(layout := Layout(photometric, bits))
            expected = ground + sign * samples / (2**bits - 1) * 255
            yield Case(layout, samples, expected, is_read=(bits, photometric) != (12, WHITE_IS_ZERO))
        for bits, white in ((8, 127), (16, 32767), (32, 32767)):
            samples = rng.integers(0, white + 1, (HEIGHT, WIDTH, 1)).astype(f"i{bits // 8}")
            samples[0, 0] = white
            right = bits == 32 and photometric == BLACK_IS_ZERO
            yield Case(Layout(photometric, bits, SIGNED), samples, samples / 65535 * 255, is_read=right)
        for bits in (16, 32, 64):
            samples = rng.random((HEIGHT, WIDTH, 1)).astype(f"f{bits // 8}")
            layout = Layout(photometric, bits, FLOAT)
            yield Case(layout, samples, ground + sign * samples * 255, is_read=bits == 32)
    for bits, kind in itertools.product((8, 16), (0, ASSOCIATED, SEPARATE)):
        samples = random(layout := Layout(BLACK_IS_ZERO, bits, extra=[kind]))
        expected = shown(samples[..., :1] / (2**bits - 1) * 255, samples, layout)
        # Before 13 Pillow opened grey only with a second sample that is an opacity of its own.
        right = bits == 8 and (PILLOW >= 13 or kind == SEPARATE)
        yield Case(layout, samples, expected, 2, is_read=right)


def colour_cases() -> Iterator[Case]:
    extras = [(), (0,), (ASSOCIATED,), (SEPARATE,), (0, 0), (SEPARATE, 0), (0, SEPARATE)]
    for bits, extra in itertools.product((4, 8, 16, 32), extras):
        samples = random(layout := Layout(RGB, bits, extra=extra))
        expected = shown(samples[..., :3] / (2**bits - 1) * 255, samples, layout)
        right = bits in (8, 16) and len(extra) <= (bits == 8)
        yield Case(layout, samples, expected, 3, is_read=right)  # Pillow drops the low byte of 16 bits
    palettes = [(bits, scale, ()) for bits in (1, 2, 4, 8) for scale in (257, 1)]
    palettes += [(8, 257, (kind,)) for kind in (0, ASSOCIATED, SEPARATE)]
    for bits, scale, extra in palettes:
        colours = np.random.default_rng(bits).integers(0, 256, (3, 2**bits))
        layout = Layout(PALETTE, bits, colours=(colours * scale).ravel().tolist(), extra=extra)
        samples = random(layout)
        expected = shown(colours.T[samples[..., 0]], samples, layout)
        yield Case(layout, samples, expected, len(extra), is_read=not extra)
    for bits, extra in itertools.product((8, 16), [(), (0,), (SEPARATE,), (0, 0)]):
        samples = random(layout := Layout(CMYK, bits, extra=extra))
        inks = samples[..., :4] / (2**bits - 1)
        expected = 255 * (1 - inks[..., :3]) * (1 - inks[..., 3:])
        yield Case(layout, samples, expected, 2, is_read=not extra)
    samples = random(layout := Layout(YCBCR, 8, more=[(530, 3, [1, 1])]))
    luma, blue, red = np.moveaxis(samples.astype(float), -1, 0) - [[[0]], [[128]], [[128]]]
    channels = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
    yield Case(layout, samples, np.stack(channels, -1).clip(0, 255), 3, is_read=False)
    # L*a*b*: lightness is unsigned, a (red to green) and b (yellow to blue) are signed. Here red, blue and grey.
    samples = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    samples[..., 0] = 128  # L* 50.2
    samples[:, :12, 1], samples[:, 12:24, 2] = 60, 256 - 60
    colours = np.repeat([[206, 63, 122], [14, 123, 223], [119, 119, 119]], [12, 12, 13], axis=0)
    yield Case(Layout(LAB, 8), samples, np.broadcast_to(colours, samples.shape), 12)


CASES = [*grey_cases(), *colour_cases()]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_every_layout_is_read_right_or_refused(number: int, tmp_path: Path) -> None:
    case = CASES[number]
    for layout in variants(case.layout):
        read = is_read(tmp_path / "a", case.samples, layout, case.expected, case.tolerance)
        if case.is_read and not (layout.big_endian or layout.planar or layout.fill_order == 2):
            assert read, layout


@pytest.mark.parametrize("other", [False, True])
def test_floats_with_differences_between_bytes_and_floating_point_rgb(other: bool, tmp_path: Path) -> None:
    path, colour = tmp_path / "a.tif", np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    grey = colour[..., :1]
    layout = Layout(BLACK_IS_ZERO, 32, FLOAT, big_endian=other, compression=DEFLATE, predictor=3)
    assert is_read(path, grey, layout, grey * 255, 0.51) != other
    path.write_bytes(tiff(colour, Layout(RGB, 32, FLOAT, planar=other)))
    named = r'a\.tif".*32-bit floating-point RGB.*Save it with 8 or 16 bits'
    with pytest.raises(UnreadableImageError, match=named):
        read_image(path)
    plain = tiff(np.full((HEIGHT, WIDTH, 1), 77, np.uint8), Layout(BLACK_IS_ZERO, 8, 1))
    path.write_bytes(plain.replace(b"\x53\x01\x03", b"\x53\x01\x02"))  # the sample format is a text
    with pytest.raises(UnreadableImageError, match="damaged"):
        read_image(path)

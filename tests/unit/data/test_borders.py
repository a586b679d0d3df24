"""Frames and letterbox bars are found around pictures; the plain margins of a drawing are none."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps
from unit_support.image_files import encoded

from ganrm_core.data.borders import NO_FRAME, frame_widths
from ganrm_core.synthetic.drawings import KINDS, draw


def photograph() -> Image.Image:
    """Soft blobs and grain, 120 × 90."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((120, 90), Image.Resampling.BICUBIC))
    return Image.fromarray((soft + rng.normal(0, 6, (90, 120, 3))).clip(0, 255).astype(np.uint8))


def tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def widths_of(picture: Image.Image) -> tuple[int, int, int, int]:
    return frame_widths(tensor(picture))


@pytest.mark.parametrize("colour", ["black", "white", (120, 30, 40)])
@pytest.mark.parametrize(
    ("added", "found"),
    [
        (0, NO_FRAME),
        (1, (1, 1, 1, 1)),
        (12, (12, 12, 12, 12)),
        ((6, 6, 6, 22), (6, 6, 22, 6)),  # instant film
        ((0, 15), (15, 0, 15, 0)),  # letterbox
        ((21, 0), (0, 21, 0, 21)),
        ((12, 9), (9, 12, 9, 12)),  # the same share of both sides
    ],
)
def test_frames_and_bars(colour: str, added: int | tuple[int, ...], found: tuple[int, ...]) -> None:
    image = tensor(ImageOps.expand(photograph(), added, colour))
    assert frame_widths(image) == frame_widths(image.float() / 255) == found


def test_around_a_dark_picture_compressed_and_wider_than_is_looked_for() -> None:
    night = photograph()
    night.paste("black", (0, 0, 120, 30))
    assert widths_of(ImageOps.expand(night, 4, "black")) == (4, 4, 4, 4)
    coded = encoded(ImageOps.expand(photograph(), 10, "white"), "JPEG", quality=80)
    assert all(abs(width - 10) <= 1 for width in widths_of(Image.open(io.BytesIO(coded))))
    assert frame_widths(tensor(ImageOps.expand(photograph(), 12, "white")), 0.05) == NO_FRAME


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "icons"])
def test_plain_margins_are_no_frame(kind: str) -> None:
    found = [widths_of(draw(kind, seed, bool(seed % 2), side=96)) for seed in range(40)]
    assert sum(any(widths) for widths in found) <= 2  # a window may stand in the very middle of its desktop


SHAPES: dict[str, Callable[[ImageDraw.ImageDraw], object]] = {
    "disc": lambda canvas: canvas.ellipse((8, 8, 91, 91), "navy"),
    "rounded box": lambda canvas: canvas.rounded_rectangle((8, 8, 91, 91), 18, "navy"),
    "box off the middle": lambda canvas: canvas.rectangle((8, 12, 80, 90), "navy"),
    "one bar": lambda canvas: canvas.rectangle((0, 10, 99, 99), "navy"),
    "unequal bars": lambda canvas: canvas.rectangle((0, 8, 99, 70), "navy"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_that_come_near_a_frame(shape: str) -> None:
    picture = Image.new("RGB", (100, 100), "white")
    SHAPES[shape](ImageDraw.Draw(picture))
    assert widths_of(picture) == NO_FRAME

"""Nuisance families of the audit, and the columns that the classifier of each one sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...data.borders import NO_FRAME
from ...metrics.binary import FloatArray
from ..forensics.file_stats import FileStats
from .permutation_test import classes, numbers

COMPRESSION = "compression"
FILE_SIZE = "bytes per pixel"
SIZE = "size and shape"
SHARPNESS = "sharpness"
COLOUR_TAGS = "colour tags"
OVERALL_COLOUR = "overall colour"
PIXEL_FORMAT = "alpha and pixel format"
BORDERS = "borders"
NEAR_DUPLICATES = "near-duplicates"
CLASSIFIED = (
    COMPRESSION, FILE_SIZE, SIZE, SHARPNESS, COLOUR_TAGS, OVERALL_COLOUR, PIXEL_FORMAT, BORDERS,
)  # fmt: skip
"""The families tested by a classifier; near-duplicates are counted instead."""

Facts = Sequence[FileStats]

_TINY = 1e-6
_SHARED = 0.15  # share of the framed pictures that must have about the same frame width
_FEWEST = 3  # of them, at least
_NEARLY = 0.004  # tolerance of a width, as a share of the side
_CLEAN = 0.9  # share of a folder that must be without traces of JPEG


def columns_of(name: str, facts: Facts) -> list[FloatArray]:
    """Classifier columns [N] of the family `name`; none where all pictures are alike."""
    return _COLUMNS[name](facts)


def with_frames_of_few_widths(facts: Facts) -> list[FileStats]:
    """The same statistics without borders whose width few other pictures have: the margins of centred boxes.

    Widths are equal in pixels or as shares of the side. Letterbox bars are kept at any width: it follows from the
    picture's shape.
    """
    framed = [place for place, one in enumerate(facts) if min(one.border)]
    pixels = np.array([float(min(facts[place].border)) for place in framed])
    shares = pixels / [min(facts[place].height, facts[place].width) for place in framed]
    neighbours = np.maximum(_within(pixels, 1.0), _within(shares, _NEARLY))
    rare = {
        place
        for place, others in zip(framed, neighbours, strict=True)
        if others < max(_FEWEST, _SHARED * len(framed))
    }
    return [replace(one, border=NO_FRAME) if place in rare else one for place, one in enumerate(facts)]


def _within(values: FloatArray, distance: float) -> NDArray[np.int64]:
    """For each value, how many of the values (itself included) are within `distance`."""
    ranked = np.sort(values)
    count = np.searchsorted(ranked, values + distance, "right") - np.searchsorted(ranked, values - distance)
    return count.astype(np.float64)


def is_content(name: str, liked: Facts, ordinary: Facts) -> bool:
    """Whether the family only shows what the pictures show, not how they were made.

    So it is with bytes per pixel of lossless files without traces of JPEG.
    """
    return name == FILE_SIZE and all(
        all(one.lossless for one in facts) and np.mean([not one.jpeg_traces for one in facts]) >= _CLEAN
        for facts in (liked, ordinary)
    )


def _compression_columns(facts: Facts) -> list[FloatArray]:
    return [
        *classes([(one.container, one.lossless) for one in facts]),
        *classes([one.jpeg_quality for one in facts]),
        *classes([one.jpeg_subsampling for one in facts]),
        *classes([one.webp_quantiser for one in facts]),
        *numbers([one.jpeg_quality or 0 for one in facts]),
        *numbers([-1 if one.webp_quantiser is None else one.webp_quantiser for one in facts]),
        *numbers([one.jpeg_traces for one in facts]),
    ]


def _file_size_columns(facts: Facts) -> list[FloatArray]:
    return numbers(np.log2([one.bytes_per_pixel + _TINY for one in facts]))


def _size_columns(facts: Facts) -> list[FloatArray]:
    width, height = (np.array([getattr(one, side) for one in facts]) for side in ("width", "height"))
    steps = [
        columns
        for side in (width, height)
        for step in (2, 8, 64)
        for columns in classes((side % step == 0).tolist())
    ]
    return [
        *numbers(np.log2(width * height)),
        *numbers(np.log2(np.maximum(width, height))),
        *numbers(np.log2(width / height)),
        *classes([(one.width, one.height) for one in facts]),
        *classes(width.tolist()),
        *classes(height.tolist()),
        *steps,
    ]


def _sharpness_columns(facts: Facts) -> list[FloatArray]:
    bands = np.array([one.bands for one in facts])
    # Resampling leaves a kink in the spectrum, whatever the picture: hence the first and second differences.
    shapes = [bands, np.diff(bands), np.diff(bands, n=2)]
    return [column for shape in shapes for band in shape.T for column in numbers(band, bins=4)]


def _colour_tag_columns(facts: Facts) -> list[FloatArray]:
    return classes([one.colour_tag for one in facts])


def _overall_colour_columns(facts: Facts) -> list[FloatArray]:
    colour = np.array([one.colour for one in facts])
    red, green, blue, saturation, contrast = colour.T
    return [
        column
        for values in (red + green + blue, red - green, green - blue, saturation, contrast)
        for column in numbers(values, bins=4)
    ]


def _pixel_format_columns(facts: Facts) -> list[FloatArray]:
    return [*classes([one.mode for one in facts]), *classes([one.alpha for one in facts])]


def _border_columns(facts: Facts) -> list[FloatArray]:
    border = np.array([one.border for one in facts])
    sides = (border > 0).sum(axis=1)
    return [
        *classes(sides.tolist()),
        *(column for side in border.T for column in classes(side.tolist())),
        *numbers(np.log2(1 + border.max(axis=1))),
        *numbers(sides),
    ]


_COLUMNS: dict[str, Callable[[Facts], list[FloatArray]]] = {
    COMPRESSION: _compression_columns,
    FILE_SIZE: _file_size_columns,
    SIZE: _size_columns,
    SHARPNESS: _sharpness_columns,
    COLOUR_TAGS: _colour_tag_columns,
    OVERALL_COLOUR: _overall_colour_columns,
    PIXEL_FORMAT: _pixel_format_columns,
    BORDERS: _border_columns,
}

"""Detection of picture frames and letterbox bars: plain strips of one width, set off against the picture.

The plain margins of a drawing, an icon or a product shot are no frame: they end where a shape happens to end, at
another width on every side, and along a small part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

WIDEST = 0.25
"""The largest share of a side in which a frame is searched for."""

_NOISE = 8 / 255  # mean deviation of a line of one colour after a strong JPEG
_STEP = 10 / 255  # least difference between a picture and its frame
_DEPTH = 3  # lines inside the inner edge that may show it: compression smears the first
_SET_OFF = (
    0.5  # least share of the inner edge that shows it; elsewhere the picture may have the frame's colour
)
_EACH_BAR = 0.5  # the same for either letterbox bar
_AT_ONCE = 32  # lines compared at a time

Pixels = NDArray[Any]


class Widths(NamedTuple):
    """Widths of a frame in pixels; all 0 for none."""

    top: int
    right: int
    bottom: int
    left: int


NO_FRAME = Widths(0, 0, 0, 0)


def frame_widths(image: Tensor, most: float = WIDEST) -> Widths:
    """The frame of a picture [3, H, W], uint8 or float in 0–1, that takes at most `most` of each side.

    A frame has one colour and lies on all sides or on two opposite ones. Its widths are equal, or equal shares of the
    sides, or equal but for a wider bottom, as of instant film. It ends in a step along most of its inner edge.
    """
    pixels = image.numpy()  # cheaper than torch for so few pixels
    sideways = pixels.transpose(0, 2, 1)
    strips = tuple(_strip(side, most) for side in (pixels, sideways[:, ::-1], pixels[:, ::-1], sideways))
    found = (
        widths for widths in _candidates(strips, pixels.shape[1:]) if _is_set_off(pixels, strips, widths)
    )
    return next(found, NO_FRAME)


class _Strip(NamedTuple):
    """Lines of one colour at one side of a picture; the colour is [3, 1] in 0–1."""

    width: int
    colour: Pixels


def _strip(lines: Pixels, most: float) -> _Strip:
    """The plain strip of `lines` [3, N, L], the outermost first, within the share `most` of N."""
    limit = int(lines.shape[1] * most)
    outermost = _in_unit(lines[:, 0])
    middle = (outermost.shape[1] - 1) // 2
    colour = np.partition(outermost, middle, axis=1)[:, middle, np.newaxis]
    # Nearly every picture is rejected by its first line.
    if np.abs(outermost - colour).max(axis=0).mean() > _NOISE:
        return _Strip(0, colour)
    for start in range(0, limit, _AT_ONCE):
        away = np.abs(_in_unit(lines[:, start : min(start + _AT_ONCE, limit)]) - colour[:, np.newaxis]).max(
            axis=0
        )
        ends = np.flatnonzero(away.mean(axis=1) > _NOISE)
        if len(ends):
            return _Strip(start + int(ends[0]), colour)
    return _Strip(limit, colour)


def _in_unit(pixels: Pixels) -> Pixels:
    """uint8, or float in 0–1 → float32 in 0–1."""
    scale = 255 if pixels.dtype == np.uint8 else 1
    unit: Pixels = pixels.astype(np.float32) / np.float32(scale)
    return unit


def _candidates(strips: tuple[_Strip, ...], shape: tuple[int, ...]) -> Iterator[Widths]:
    """Possible frames made of the strips at the top, right, bottom and left, the likeliest first."""
    own = Widths(*(strip.width for strip in strips))
    if all(own) and all(_same_colour(strips[0], other) for other in strips[1:]):
        if _is_regular(own, shape):
            yield own
        # A black frame seems wider where the picture beside it is black, too.
        yield Widths(*[min(own)] * 4)
    for one, other in ((0, 2), (1, 3)):
        thinner = min(own[one], own[other])
        if thinner and _same_colour(strips[one], strips[other]):
            near = _nearly_equal(own[one], own[other])
            yield Widths(
                *((own[side] if near else thinner) if side in (one, other) else 0 for side in range(4))
            )


def _is_regular(own: Widths, shape: tuple[int, ...]) -> bool:
    height, width = shape
    opposite = _nearly_equal(own.top, own.bottom) and _nearly_equal(own.left, own.right)
    in_proportion = opposite and _nearly_equal(own.top * width / height, own.left)
    instant_film = (
        _nearly_equal(own.left, own.right) and _nearly_equal(own.top, own.left) and own.bottom >= own.top - 1
    )
    return in_proportion or instant_film


def _nearly_equal(one: float, other: float) -> bool:
    """Equal up to the rounding of a scaled picture."""
    return abs(one - other) <= max(1.0, 0.05 * min(one, other))


def _same_colour(one: _Strip, other: _Strip) -> bool:
    return bool(np.abs(one.colour - other.colour).max() <= _NOISE)


def _is_set_off(pixels: Pixels, strips: tuple[_Strip, ...], widths: Widths) -> bool:
    """Whether the picture inside differs from the frame along its edge."""
    height, width = pixels.shape[1:]
    inside = pixels[:, widths.top : height - widths.bottom, widths.left : width - widths.right]
    if 0 in inside.shape:
        return False
    sideways = inside.transpose(0, 2, 1)
    sides = (inside, sideways[:, ::-1], inside[:, ::-1], sideways)
    edges = [
        np.abs(_in_unit(side[:, :_DEPTH]) - strip.colour[:, np.newaxis]).max(axis=(0, 1)) > _STEP
        for side, strip, framed in zip(sides, strips, widths, strict=True)
        if framed
    ]
    bars = len(edges) == 2
    if bars and min(edge.mean() for edge in edges) < _EACH_BAR:
        return False
    # The background of a rounded card, or of a box between two margins, reaches into all the corners.
    has_corner = any(edge[0] or edge[-1] for edge in edges)
    return has_corner and float(np.concatenate(edges).mean()) >= _SET_OFF

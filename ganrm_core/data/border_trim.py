"""Border trimming before the resize to the backbone's input, in training and in scoring alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from .borders import NO_FRAME, Widths, frame_widths

_UNIFORM = 6 / 255
"""Tolerance of a border's colour: JPEG leaves traces."""
_FIRST = 4  # columns tested before all the others


@dataclass(frozen=True)
class BorderTrim:
    """Cuts off frames and plain borders that separated the two folders of a training.

    `frame`: the largest share of a side that is cut off as part of a frame or of letterbox bars; 0 is off. `trim`:
    the same for lines of one colour on any side, frame or not; only models of older versions have it.
    """

    trim: float = 0.0
    frame: float = 0.0

    def __call__(self, image: Tensor) -> Tensor:
        """[3, H, W] → [3, H', W'], float in 0–1, on the CPU; the same tensor where nothing is cut off."""
        top, right, bottom, left = self.cut_off(image)
        height, width = image.shape[-2:]
        return image[:, top : height - bottom, left : width - right] if top + right + bottom + left else image

    def cut_off(self, image: Tensor) -> Widths:
        """Rows and columns to cut off on each side of [3, H, W]."""
        if self.frame:
            return frame_widths(image, self.frame)
        return border_widths(image, self.trim) if self.trim else NO_FRAME

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BorderTrim:
        """Inverse of `to_json`; absent entries are 0. Raises TypeError or ValueError for anything else."""
        shares = {name: float(data.get(name) or 0.0) for name in ("trim", "frame")}
        for name, share in shares.items():
            if not 0 <= share < 0.5:
                raise ValueError(f"{name} {share}")
        return cls(**shares)


def border_widths(image: Tensor, most: float) -> Widths:
    """Widths of the plain borders of [3, H, W] in 0–1: rows and columns of one colour.

    Counted up to the share `most` of the side; 0 all round for a picture of one colour.
    """
    height, width = image.shape[-2:]
    rows, columns = int(height * most), int(width * most)
    widths = Widths(
        _uniform_lines(image[:, :rows].transpose(1, 2)),
        _uniform_lines(image[:, :, width - columns :].flip(2)),
        _uniform_lines(image[:, height - rows :].flip(1).transpose(1, 2)),
        _uniform_lines(image[:, :, :columns]),
    )
    if widths == (rows, columns, rows, columns) and _is_uniform(image):
        return NO_FRAME
    return widths


def _uniform_lines(edge: Tensor) -> int:
    """Number of leading columns of [3, L, n] that have the colour of the first one."""
    if 0 in edge.shape:
        return 0
    colour = edge[:, :, 0].median(dim=1).values.view(3, 1, 1)
    # Most pictures have no border: the first columns are enough to tell.
    for count in (min(_FIRST, edge.shape[-1]), edge.shape[-1]):
        # 2 % outliers are allowed: the corners belong to the neighbouring border.
        outliers = ((edge[:, :, :count] - colour).abs().amax(dim=0) > _UNIFORM).float().mean(dim=0)
        uneven = (outliers > 0.02).nonzero()
        if len(uneven):
            return int(uneven[0])
    return edge.shape[-1]


def _is_uniform(image: Tensor) -> bool:
    low, high = image.amin(dim=(1, 2)), image.amax(dim=(1, 2))
    return bool(((high - low) <= 2 * _UNIFORM).all())

"""Binary dilation of masks."""

from __future__ import annotations

from torch import Tensor


def dilated(mask: Tensor, pixels: int) -> Tensor:
    """A bool mask [H, W] grown by a square that reaches `pixels` far to every side.

    Rows and columns one after the other, each in steps twice as far as the last: the time hardly grows with
    `pixels`.
    """
    for axis, length in enumerate(mask.shape):
        reach, most = 0, min(pixels, length - 1)
        while reach < most:
            # No further, or it would have to build on what lies outside the mask.
            step = min(reach + 1, most - reach)
            mask = _spread(mask, step, axis)
            reach += step
    return mask


def _spread(mask: Tensor, step: int, axis: int) -> Tensor:
    """The mask, and itself moved by `step` pixels either way."""
    kept = mask.shape[axis] - step
    spread = mask.clone()
    spread.narrow(axis, step, kept).logical_or_(mask.narrow(axis, 0, kept))
    spread.narrow(axis, 0, kept).logical_or_(mask.narrow(axis, step, kept))
    return spread

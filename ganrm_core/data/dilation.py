"""Binary dilation of masks by a square structuring element."""

from __future__ import annotations

from torch import Tensor


def dilated(mask: Tensor, pixels: int) -> Tensor:
    """Dilate a bool mask [H, W] by a square that reaches `pixels` to every side.

    Separable, each axis in steps of doubling reach: the time hardly grows with `pixels`.
    """
    for axis, length in enumerate(mask.shape):
        reach, most = 0, min(pixels, length - 1)
        while reach < most:
            # No further, or it would build on pixels outside the mask.
            step = min(reach + 1, most - reach)
            mask = _or_shifted(mask, step, axis)
            reach += step
    return mask


def _or_shifted(mask: Tensor, step: int, axis: int) -> Tensor:
    """The mask or'ed with itself shifted by `step` pixels either way."""
    kept = mask.shape[axis] - step
    spread = mask.clone()
    spread.narrow(axis, step, kept).logical_or_(mask.narrow(axis, 0, kept))
    spread.narrow(axis, 0, kept).logical_or_(mask.narrow(axis, step, kept))
    return spread

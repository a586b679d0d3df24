"""Gradient scaling for float16 models: gradients as small as a mean loss gives round to zero in float16.

The usual scaler multiplies the loss (Micikevicius et al. 2018, section 3.2). Here the gradient is scaled where it
enters the network and scaled back where it reaches the LoRA's float32 tensors, so that losses need not know of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LARGEST = 2.0**-3  # of the gradient's entries after scaling; leaves room for sums over pixels below 65504


class GradientScale:
    """The scale of one prediction's gradients, chosen when its backward pass begins."""

    def __init__(self) -> None:
        self.factor = 1.0

    def scaled(self, output: Tensor) -> Tensor:
        """The network's output; gradients that enter it are scaled."""
        return _scaled(output, self)

    def unscaled(self, parameter: Tensor) -> Tensor:
        """A tensor of the LoRA; gradients that reach it are scaled back."""
        return _unscaled(parameter, self)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, scale: GradientScale) -> Tensor:
        ctx.scale = scale
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        largest = gradient.abs().amax()
        if bool(torch.isfinite(largest)) and float(largest) > 0:
            # A power of two changes no digits.
            ctx.scale.factor = 2.0 ** int(torch.log2(_LARGEST / largest.double()).floor())
        return gradient * ctx.scale.factor, None


class _Unscaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, scale: GradientScale) -> Tensor:
        ctx.scale = scale
        return parameter.view_as(parameter)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return gradient / ctx.scale.factor, None


def _scaled(output: Tensor, scale: GradientScale) -> Tensor:
    return _Scaled.apply(output, scale)  # type: ignore[no-any-return, no-untyped-call]


def _unscaled(parameter: Tensor, scale: GradientScale) -> Tensor:
    return _Unscaled.apply(parameter, scale)  # type: ignore[no-any-return, no-untyped-call]

"""Controlled image degradations: five faults that image generators make, calibrated to a known SSIM loss.

The raw amount of a fault means something else for every kind. `apply_fault` searches the amount at which the picture
has lost a given share of SSIM, so that a strength is comparable between kinds and pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from ..data.filters import gaussian_blur
from ..data.luma import luma
from ..utils.errors import DataError, ImageError
from .filters import activity, blotches, flatten_texture
from .ssim import SsimTo

MAX_LOSS = 0.25
"""SSIM lost at strength 1: clearly visible, and within reach of every kind on nearly every picture."""

FaultFunction = Callable[[float], Tensor]
"""amount 0–1 → the picture with that amount of the fault, [3, H, W] in 0–1; 0 leaves it unchanged."""


@dataclass(frozen=True)
class Faulty:
    """A degraded picture [3, H, W] in 0–1, and its SSIM loss: 1 − SSIM to the original, 0–1."""

    image: Tensor
    ssim_loss: float


class Original:
    """A picture to degrade repeatedly, with the filtered versions of it that faults need cached.

    `image`: [3, H, W] float in 0–1, at least 32 pixels each way; else ImageError.
    """

    def __init__(self, image: Tensor) -> None:
        if (
            image.ndim != 3
            or image.shape[0] != 3
            or not image.is_floating_point()
            or min(image.shape[-2:]) < 32
        ):
            raise ImageError(
                "A fault needs a float picture [3, H, W] of at least 32 × 32 pixels, "
                f"not {tuple(image.shape)} of {image.dtype}."
            )
        self.image = image

    def degraded(self, kind: str, strength: float, seed: int) -> Faulty:
        """The picture with a fault; arguments as for `apply_fault`."""
        if not 0 <= strength <= 1:
            raise DataError(f"A fault's strength lies between 0 and 1, not at {strength}.")
        fault = fault_function(self, kind, torch.Generator().manual_seed(seed))
        if strength == 0:
            return Faulty(self.image.clone(), 0.0)
        return _calibrated(fault, self._ssim, strength * MAX_LOSS)

    @cached_property
    def detail(self) -> Tensor:
        """Local activity around each pixel, [1, H, W]."""
        return activity(self.image, sigma=8)

    @cached_property
    def flattened(self) -> list[Tensor]:
        """The picture, then with texture of growing size removed."""
        return [self.image, *(flatten_texture(self.image, radius) for radius in (1, 2, 3, 5, 8, 13, 20))]

    @cached_property
    def blurred(self) -> list[Tensor]:
        """The picture, then with growing blur."""
        return [self.image, *(gaussian_blur(self.image, sigma) for sigma in (0.8, 1.3, 2.0, 3.2, 5.0, 8.0))]

    @cached_property
    def log_activity(self) -> Tensor:
        """Log of the activity over large neighbourhoods, [1, H, W]: where a warp costs most."""
        return activity(self.image, sigma=min(self.image.shape[-2:]) / 20).log()

    @cached_property
    def _ssim(self) -> SsimTo:
        return SsimTo(self.image)


def apply_fault(image: Tensor, kind: str, strength: float, seed: int) -> Faulty:
    """`image` degraded until it has lost strength × MAX_LOSS of SSIM.

    `image`: as `Original` takes it; `kind`: one of FAULTS; `strength`: 0–1. Deterministic. A picture that cannot lose
    that much (a logo on plain ground has no texture to smooth) gets the largest amount, and `ssim_loss` is what it
    lost. Raises DataError for an unknown kind or strength, ImageError for a tensor that is no such picture.
    """
    return Original(image).degraded(kind, strength, seed)


def fault_function(original: Original, kind: str, generator: torch.Generator) -> FaultFunction:
    """The uncalibrated fault on one picture; random patterns are drawn once for all amounts."""
    if kind not in _FAULT_FUNCTIONS:
        raise DataError(f"Unknown fault {kind!r}. Use one of: {', '.join(FAULTS)}.")
    return _FAULT_FUNCTIONS[kind](original, generator)


def noise(original: Original, generator: torch.Generator) -> FaultFunction:
    """Residual noise of too few sampling steps: coloured blotches of several sizes, mostly on detail."""
    image = original.image
    height, width = image.shape[-2:]
    pattern = torch.zeros_like(image)
    for cell, weight, colour in ((1.5, 0.45, 0.5), (3, 0.5, 0.7), (6, 0.5, 0.9), (12, 0.35, 1.2)):
        grey = blotches(1, height, width, cell, generator)
        pattern += weight * (grey + colour * blotches(3, height, width, cell, generator))
    # Samplers finish flat areas first, which are left with less noise.
    pattern *= (0.25 + 0.75 * original.detail).clamp(max=2)
    return lambda amount: (image + 0.4 * amount * pattern).clamp(0, 1)


def smooth(original: Original, generator: torch.Generator) -> FaultFunction:
    """Plastic skin: edge-preserving removal of texture."""
    del generator  # not random
    return lambda amount: _between(original.flattened, amount)


def burnt(original: Original, generator: torch.Generator) -> FaultFunction:
    """Too much guidance: contrast, colour and edges increased until highlights and shadows clip."""
    image = original.image
    warmth = 0.1 * (2 * torch.rand((), generator=generator) - 1)
    cast = torch.stack([warmth, torch.zeros(()), -warmth]).view(3, 1, 1)
    grey = luma(image)
    pivot = 0.7 * grey.mean() + 0.1
    edges = grey - gaussian_blur(grey, 2.5)
    colour = image - grey

    def degraded(amount: float) -> Tensor:
        contrasted = pivot + (1 + 16 * amount) * (grey - pivot) + 3 * amount * edges
        return (
            contrasted + (1 + 2 * amount / (amount + 0.08) + 6 * amount) * colour + amount * cast * grey
        ).clamp(0, 1)

    return degraded


def decoder(original: Original, generator: torch.Generator) -> FaultFunction:
    """Poor latent decoding: blur, and a faint grid of 8-pixel cells."""
    height, width = original.image.shape[-2:]
    cells = torch.randn((1, 3, -(-height // 8), -(-width // 8)), generator=generator)
    cells = interpolate(cells, scale_factor=8, mode="nearest").squeeze(0)[:, :height, :width]
    lines = ((torch.arange(height) % 8 == 0).view(-1, 1) | (torch.arange(width) % 8 == 0)).float()
    grid = (0.5 * (lines - lines.mean()) + 0.25 * cells) * (0.4 + 0.6 * original.detail).clamp(max=1.5)
    return lambda amount: (_between(original.blurred, amount) + 0.09 * amount * grid).clamp(0, 1)


def warp(original: Original, generator: torch.Generator) -> FaultFunction:
    """Melted anatomy: parts of the picture are distorted, first where there is most detail.

    A larger amount distorts more of the picture, not all of it more: a slight distortion everywhere costs much SSIM
    before it is visible.
    """
    image = original.image
    height, width = image.shape[-2:]
    short = min(height, width)
    field = blotches(2, height, width, short / 9, generator) * (short / 32)
    where = blotches(1, height, width, short / 5, generator) + 1.2 * original.log_activity
    ranks = where.flatten().argsort().argsort().view(1, height, width) / (height * width)
    rows = torch.linspace(-1, 1, height).view(-1, 1).expand(height, width)
    columns = torch.linspace(-1, 1, width).expand(height, width)

    def degraded(amount: float) -> Tensor:
        if amount == 0:
            return image.clone()
        reach = ((ranks - (1 - 1.3 * amount)) / 0.3).clamp(0, 1)
        shift = field * (reach * reach * (3 - 2 * reach)) * (0.5 + 1.5 * amount)
        x, y = columns + 2 * shift[0] / width, rows + 2 * shift[1] / height
        places = torch.stack([x, y], dim=-1).unsqueeze(0)
        bent = grid_sample(
            image.unsqueeze(0), places, mode="bicubic", padding_mode="reflection", align_corners=True
        )
        return bent.squeeze(0).clamp(0, 1)

    return degraded


_FAULT_FUNCTIONS: dict[str, Callable[[Original, torch.Generator], FaultFunction]] = {
    "noise": noise,
    "smooth": smooth,
    "burnt": burnt,
    "decoder": decoder,
    "warp": warp,
}
FAULTS = tuple(_FAULT_FUNCTIONS)

_CLOSE_ENOUGH = 0.002
_MOST_STEPS = 14


def _calibrated(fault: FaultFunction, original: SsimTo, target: float) -> Faulty:
    """The picture whose SSIM loss is `target`, by regula falsi with the Illinois rule, which needs few steps."""
    end = fault(1.0)
    best = Faulty(end, original.loss(end))
    if best.ssim_loss <= target:
        return best
    low, high = 0.0, 1.0
    below, above = -target, best.ssim_loss - target
    last = 0
    for _ in range(_MOST_STEPS):
        amount = low - below * (high - low) / (above - below)
        image = fault(amount)
        loss = original.loss(image)
        miss = loss - target
        if abs(miss) < abs(best.ssim_loss - target):
            best = Faulty(image, loss)
        if abs(miss) < _CLOSE_ENOUGH:
            break
        # Illinois rule: an end kept twice in a row counts half, or it would never move.
        if miss < 0:
            low, below, above = amount, miss, above / 2 if last < 0 else above
            last = -1
        else:
            high, above, below = amount, miss, below / 2 if last > 0 else below
            last = 1
    return best


def _between(levels: list[Tensor], amount: float) -> Tensor:
    """Linear interpolation along `levels` at `amount` (0–1) of their range."""
    place = amount * (len(levels) - 1)
    below = min(int(place), len(levels) - 2)
    return torch.lerp(levels[below], levels[below + 1], place - below)

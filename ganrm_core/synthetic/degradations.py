"""Five faults image generators really make, each with a dial, set so that equal strengths cost equally.

The dials' own amounts mean different things. `apply_fault` turns them until the picture has lost the
same share of structure, so that a strength is a known quality, comparable between kinds and pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from ..data.luma import luma
from ..utils.errors import DataError, ImageError
from .filters import activity, blotches, flatten_texture, gaussian_blur
from .ssim import SsimTo

MAX_LOSS = 0.25
"""SSIM lost at strength 1: ugly at a glance, and within reach of every kind on nearly every picture."""

Dial = Callable[[float], Tensor]
"""amount 0–1 → the picture with that much of the fault, [3, H, W] in 0–1; 0 leaves it alone."""


@dataclass(frozen=True)
class Faulty:
    """A spoilt picture [3, H, W] in 0–1, and what it lost: 1 − SSIM to the original, 0–1."""

    image: Tensor
    ssim_loss: float


class Original:
    """A picture to spoil again and again: what a fault needs to know of it is worked out once.

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

    def spoilt(self, kind: str, strength: float, seed: int) -> Faulty:
        """As `apply_fault`."""
        if not 0 <= strength <= 1:
            raise DataError(f"A fault's strength lies between 0 and 1, not at {strength}.")
        turn = fault_dial(self, kind, torch.Generator().manual_seed(seed))
        if strength == 0:
            return Faulty(self.image.clone(), 0.0)
        return _turn_until(turn, self._likeness, strength * MAX_LOSS)

    @cached_property
    def detail(self) -> Tensor:
        """How much goes on around each pixel, [1, H, W]."""
        return activity(self.image, sigma=8)

    @cached_property
    def flattened(self) -> list[Tensor]:
        """Itself, and with ever larger texture gone."""
        return [self.image, *(flatten_texture(self.image, radius) for radius in (1, 2, 3, 5, 8, 13, 20))]

    @cached_property
    def blurred(self) -> list[Tensor]:
        """Itself, and ever softer."""
        return [self.image, *(gaussian_blur(self.image, sigma) for sigma in (0.8, 1.3, 2.0, 3.2, 5.0, 8.0))]

    @cached_property
    def melts_first(self) -> Tensor:
        """Where there is most for a warp to spoil, [1, H, W]."""
        return activity(self.image, sigma=min(self.image.shape[-2:]) / 20).log()

    @cached_property
    def _likeness(self) -> SsimTo:
        return SsimTo(self.image)


def apply_fault(image: Tensor, kind: str, strength: float, seed: int) -> Faulty:
    """Spoil `image` until it has lost strength × MAX_LOSS of SSIM.

    `image`: as `Original` takes it; `strength`: 0–1.

    The same arguments give the same picture. Where a picture cannot lose that much (a logo on plain
    ground has no texture to smooth), the dial stays at its end and `ssim_loss` tells what was lost.
    Raises DataError for an unknown kind or strength, ImageError for a tensor that is no such picture.
    """
    return Original(image).spoilt(kind, strength, seed)


def fault_dial(original: Original, kind: str, generator: torch.Generator) -> Dial:
    """The raw dial of a fault on one picture: the pattern is drawn once, then only turned up."""
    if kind not in _DIALS:
        raise DataError(f"Unknown fault {kind!r}. Use one of: {', '.join(FAULTS)}.")
    return _DIALS[kind](original, generator)


def noise(original: Original, generator: torch.Generator) -> Dial:
    """What is left when sampling stops too early: coloured blotches of several sizes, most on detail."""
    image = original.image
    height, width = image.shape[-2:]
    pattern = torch.zeros_like(image)
    for cell, weight, colour in ((1.5, 0.45, 0.5), (3, 0.5, 0.7), (6, 0.5, 0.9), (12, 0.35, 1.2)):
        grey = blotches(1, height, width, cell, generator)
        pattern += weight * (grey + colour * blotches(3, height, width, cell, generator))
    # A sampler settles flat areas first: there is little left to remove.
    pattern *= (0.25 + 0.75 * original.detail).clamp(max=2)
    return lambda amount: (image + 0.4 * amount * pattern).clamp(0, 1)


def smooth(original: Original, generator: torch.Generator) -> Dial:
    """Plastic skin: edges stay, texture goes."""
    del generator  # nothing is left to chance
    return lambda amount: _between(original.flattened, amount)


def burnt(original: Original, generator: torch.Generator) -> Dial:
    """Guidance too high: contrast, colour and edges overdriven until highlights and shadows clip."""
    image = original.image
    warmth = 0.1 * (2 * torch.rand((), generator=generator) - 1)
    cast = torch.stack([warmth, torch.zeros(()), -warmth]).view(3, 1, 1)
    grey = luma(image)
    pivot = 0.7 * grey.mean() + 0.1
    edges = grey - gaussian_blur(grey, 2.5)
    colour = image - grey

    def turn(amount: float) -> Tensor:
        contrasted = pivot + (1 + 16 * amount) * (grey - pivot) + 3 * amount * edges
        return (
            contrasted + (1 + 2 * amount / (amount + 0.08) + 6 * amount) * colour + amount * cast * grey
        ).clamp(0, 1)

    return turn


def decoder(original: Original, generator: torch.Generator) -> Dial:
    """A weak latent decoder: soft everywhere, with a faint grid of its 8-pixel cells."""
    height, width = original.image.shape[-2:]
    cells = torch.randn((1, 3, -(-height // 8), -(-width // 8)), generator=generator)
    cells = interpolate(cells, scale_factor=8, mode="nearest").squeeze(0)[:, :height, :width]
    lines = ((torch.arange(height) % 8 == 0).view(-1, 1) | (torch.arange(width) % 8 == 0)).float()
    grid = (0.5 * (lines - lines.mean()) + 0.25 * cells) * (0.4 + 0.6 * original.detail).clamp(max=1.5)
    return lambda amount: (_between(original.blurred, amount) + 0.09 * amount * grid).clamp(0, 1)


def warp(original: Original, generator: torch.Generator) -> Dial:
    """Melted anatomy: parts of the picture are bent out of shape, first where there is most detail.

    Turning the dial up bends more of the picture, not the whole of it more: a field spread thin over
    everything costs much SSIM before anybody sees it.
    """
    image = original.image
    height, width = image.shape[-2:]
    short = min(height, width)
    field = blotches(2, height, width, short / 9, generator) * (short / 32)
    where = blotches(1, height, width, short / 5, generator) + 1.2 * original.melts_first
    ranks = where.flatten().argsort().argsort().view(1, height, width) / (height * width)
    rows = torch.linspace(-1, 1, height).view(-1, 1).expand(height, width)
    columns = torch.linspace(-1, 1, width).expand(height, width)

    def turn(amount: float) -> Tensor:
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

    return turn


_DIALS: dict[str, Callable[[Original, torch.Generator], Dial]] = {
    "noise": noise,
    "smooth": smooth,
    "burnt": burnt,
    "decoder": decoder,
    "warp": warp,
}
FAULTS = tuple(_DIALS)

_CLOSE_ENOUGH = 0.002
_MOST_STEPS = 14


def _turn_until(turn: Dial, original: SsimTo, target: float) -> Faulty:
    """Find the amount whose loss is `target`; regula falsi with the Illinois rule, which needs few turns."""
    end = turn(1.0)
    best = Faulty(end, original.loss(end))
    if best.ssim_loss <= target:
        return best
    low, high = 0.0, 1.0
    below, above = -target, best.ssim_loss - target
    last = 0
    for _ in range(_MOST_STEPS):
        amount = low - below * (high - low) / (above - below)
        image = turn(amount)
        loss = original.loss(image)
        miss = loss - target
        if abs(miss) < abs(best.ssim_loss - target):
            best = Faulty(image, loss)
        if abs(miss) < _CLOSE_ENOUGH:
            break
        # The end that stays put twice running counts half, or it would stay for ever.
        if miss < 0:
            low, below, above = amount, miss, above / 2 if last < 0 else above
            last = -1
        else:
            high, above, below = amount, miss, below / 2 if last > 0 else below
            last = 1
    return best


def _between(levels: list[Tensor], amount: float) -> Tensor:
    """The picture `amount` of the way along `levels`, blended from the two nearest."""
    place = amount * (len(levels) - 1)
    below = min(int(place), len(levels) - 2)
    return torch.lerp(levels[below], levels[below + 1], place - below)

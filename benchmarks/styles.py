"""Synthetic image styles with a strength: each takes float [3, H, W] in 0–1 and an amount in 0–1.

The full style is blended in by the amount, so that one number sets how faint it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ganrm_core.data.filters import gaussian_blur
from ganrm_core.data.luma import luma
from ganrm_core.synthetic.filters import blotches, flatten_texture

Style = Callable[[Tensor, float, torch.Generator], Tensor]


def teal_orange(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """The grade of cinema posters: teal shadows, orange lights."""
    del generator
    grey = luma(image)
    shadows, lights = (1 - grey).clamp(0, 1) ** 2, grey.clamp(0, 1) ** 1.5
    teal, orange = (torch.tensor(c).view(3, 1, 1) for c in ((-0.16, 0.06, 0.14), (0.16, 0.03, -0.18)))
    # Half the picture's own colour gives way; without that the tint drowns in it.
    graded = grey + 0.5 * (image - grey) + 2.6 * shadows * grey.sqrt() * teal + 1.8 * lights * orange
    return blend(image, graded, amount)


def inked(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """A comic print: few flat tones and black outlines."""
    del generator
    flat = flatten_texture(image, 3)
    grey = luma(flat)
    # Tones in lightness alone: banding each channel by itself would change the hues.
    tones = flat + (grey * 5).round() / 5 - grey
    lines = gaussian_blur(luma(image), 0.8) - gaussian_blur(luma(image), 1.8)
    return blend(image, tones * torch.sigmoid(160 * (lines + 0.028)), amount)


def halftone(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Newsprint: a dot screen of a random pitch and angle, bigger dots where it is darker."""
    height, width = image.shape[-2:]
    angle = float(torch.rand((), generator=generator)) * math.pi / 2
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    pitch = 2 * math.pi / (4 + 5 * float(torch.rand((), generator=generator)))
    along = pitch * (math.cos(angle) * columns + math.sin(angle) * rows)
    across = pitch * (math.cos(angle) * rows - math.sin(angle) * columns)
    screen = 0.5 + 0.25 * (along.cos() + across.cos())
    dots = torch.sigmoid(12 * (gaussian_blur(image, 1.5) - screen))
    return blend(image, dots, amount)


def film(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Old stock: grain in the mid-tones, dark corners, lifted and warm blacks."""
    height, width = image.shape[-2:]
    grey = luma(image)
    grain = blotches(1, height, width, 1.6, generator) + 0.4 * blotches(3, height, width, 2.2, generator)
    rows, columns = torch.linspace(-1, 1, height).view(-1, 1), torch.linspace(-1, 1, width)
    corners = 1 - 0.45 * ((rows**2 + columns**2) / 2) ** 1.5
    faded = (torch.tensor([0.09, 0.075, 0.06]).view(3, 1, 1) + 0.84 * image) * corners
    return blend(image, faded + 0.07 * grain * (grey * (1 - grey)).clamp_min(0.02).sqrt(), amount)


def watercolour(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Washes on rough paper: no texture but the paper's, pigment gathered at the edges, pale."""
    height, width = image.shape[-2:]
    wash = flatten_texture(image, 5)
    rim = (gaussian_blur(luma(wash), 3) - luma(wash)).clamp(0, 0.3)
    paper = 0.6 * blotches(1, height, width, 2.5, generator) + 0.4 * blotches(1, height, width, 30, generator)
    pale = 1 - 0.85 * (1 - wash)
    return blend(image, pale - 0.7 * rim + 0.035 * paper, amount)


STYLES: dict[str, Style] = {
    "teal_orange": teal_orange,
    "inked": inked,
    "halftone": halftone,
    "film": film,
    "watercolour": watercolour,
}


def blend(image: Tensor, styled: Tensor, amount: float) -> Tensor:
    """`styled` laid over `image`, kept in 0–1."""
    return torch.lerp(image, styled.clamp(0, 1), amount).clamp(0, 1)

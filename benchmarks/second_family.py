"""Second family of benchmark tasks: styles and degradations that the recipe was not tuned on.

Used by `fewshot.py --family second` to check that gains on the first family generalise. Strengths were set as
in the first family, by a linear probe on the pooled embedding. Each
takes float [3, H, W] in 0–1 and an amount of 0–1, as those of `styles.py` do.
"""

from __future__ import annotations

import math

import torch
from styles import Style, blend
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, grid_sample, interpolate

from ganrm_core.data.filters import gaussian_blur
from ganrm_core.data.luma import luma
from ganrm_core.synthetic.filters import blotches


def duotone(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """A two-ink print: midnight blue in the shadows, cream in the lights, next to nothing of the own colours."""
    del generator
    ink, paper = (torch.tensor(c).view(3, 1, 1) for c in ((0.10, 0.12, 0.30), (0.98, 0.93, 0.80)))
    grey = luma(image)
    return blend(image, ink + grey * (paper - ink) + 0.15 * (image - grey), amount)


def bloom(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """A soft-focus lens: lights spill over their edges."""
    del generator
    lights = image * ((luma(image) - 0.35) / 0.4).clamp(0, 1)
    spill = 0.5 * gaussian_blur(lights, 2) + 0.5 * gaussian_blur(lights, 6) + 0.5 * gaussian_blur(lights, 16)
    return blend(image, 1 - (1 - image) * (1 - spill.clamp(0, 1)), amount)


def pencil(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Graphite: outlines by colour dodge, and one direction of hatching where it is dark."""
    height, width = image.shape[-2:]
    grey = luma(image)
    outline = (grey / gaussian_blur(grey, 2.5).clamp_min(0.02)).clamp(0, 1) ** 2
    angle = math.pi * (0.15 + 0.2 * float(torch.rand((), generator=generator)))
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    along = (math.cos(angle) * columns + math.sin(angle) * rows) * (2 * math.pi / 5)
    wobble = 1.5 * blotches(1, height, width, 12, generator)
    hatching = 0.5 + 0.5 * (along + wobble).sin()
    drawn = outline - 0.5 * (0.6 - grey).clamp(0, 0.6) * hatching
    return blend(image, drawn.expand_as(image), amount)


def mosaic(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Small stones of one colour each, 6 to 10 pixels wide, with dark joints."""
    height, width = image.shape[-2:]
    pitch = 6 + int(torch.randint(5, (), generator=generator))
    cells = (max(1, height // pitch), max(1, width // pitch))
    stones = interpolate(adaptive_avg_pool2d(image, cells).unsqueeze(0), (height, width), mode="nearest")[0]
    shade = 1 + 0.06 * torch.randn((1, 1, *cells), generator=generator)
    shade = interpolate(shade, (height, width), mode="nearest")[0]
    joints = (_cell_edges(height, cells[0]).view(-1, 1) | _cell_edges(width, cells[1])).float()
    return blend(image, stones * shade * (1 - 0.55 * joints), amount)


def bleach(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Bleach bypass: silver left in the film, so hard contrast and half of the colour."""
    del generator
    grey = luma(image)
    hard = torch.where(grey < 0.5, 2 * image * grey, 1 - 2 * (1 - image) * (1 - grey))
    return blend(image, luma(hard) + 0.45 * (hard - luma(hard)), amount)


def halo(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Sharpened until every edge has a bright and a dark rim."""
    del generator
    return blend(image, image + 3 * (luma(image) - gaussian_blur(luma(image), 2.2)), amount)


def ghost(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Two drafts of one picture that did not agree: contours doubled, here more, there less."""
    height, width = image.shape[-2:]
    angle = 2 * math.pi * float(torch.rand((), generator=generator))
    reach = 5 + 6 * float(torch.rand((), generator=generator))
    field = torch.tensor([reach * math.cos(angle), reach * math.sin(angle)]).view(2, 1, 1)
    second = _moved(image, field.expand(2, height, width))
    share = (0.5 + 0.25 * blotches(1, height, width, min(height, width) / 4, generator)).clamp(0, 1)
    return blend(image, torch.lerp(image, second, share), amount)


def banding(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Gradients broken into steps, as by too few bits in a latent: five levels a channel."""
    offsets = torch.rand((3, 1, 1), generator=generator) / 5
    stepped = ((gaussian_blur(image, 1) + offsets) * 5).round() / 5 - offsets
    return blend(image, stepped + image - gaussian_blur(image, 1), amount)


def fringe(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Red and blue slide apart towards the corners, by up to 4 pixels."""
    height, width = image.shape[-2:]
    turn = 0.8 + 0.4 * float(torch.rand((), generator=generator))
    rows = torch.linspace(-1, 1, height).view(-1, 1).expand(height, width)
    columns = torch.linspace(-1, 1, width).expand(height, width)
    field = 4 * turn * torch.stack([columns, rows])
    apart = torch.cat([_moved(image[:1], field), image[1:2], _moved(image[2:], -field)])
    return blend(image, apart, amount)


def seams(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """An upscaler that works tile by tile: tiles differ in light, tint and place by a little."""
    height, width = image.shape[-2:]
    tile = 48 + int(torch.randint(49, (), generator=generator))
    top, left = (int(torch.randint(tile, (), generator=generator)) for _ in range(2))
    cells = (-(-(height + top) // tile), -(-(width + left) // tile))

    def by_tile(channels: int) -> Tensor:
        values = torch.randn((1, channels, *cells), generator=generator)
        whole = interpolate(values, scale_factor=tile, mode="nearest")[0]
        return whole[:, top : top + height, left : left + width]

    tiled = _moved(image, 2 * by_tile(2)) * (1 + 0.12 * by_tile(1)) + 0.03 * by_tile(3)
    return blend(image, tiled, amount)


SECOND_STYLES: dict[str, Style] = {
    "duotone": duotone,
    "bloom": bloom,
    "pencil": pencil,
    "mosaic": mosaic,
    "bleach": bleach,
}
SECOND_FAULTS: dict[str, Style] = {
    "halo": halo,
    "ghost": ghost,
    "banding": banding,
    "fringe": fringe,
    "seams": seams,
}


def _moved(image: Tensor, field: Tensor) -> Tensor:
    """[C, H, W] sampled `field` [2, H, W] (columns, rows) pixels further on."""
    height, width = image.shape[-2:]
    rows = torch.linspace(-1, 1, height).view(-1, 1).expand(height, width)
    columns = torch.linspace(-1, 1, width).expand(height, width)
    places = torch.stack([columns + 2 * field[0] / width, rows + 2 * field[1] / height], dim=-1)
    moved = grid_sample(
        image.unsqueeze(0),
        places.unsqueeze(0),
        mode="bicubic",
        padding_mode="reflection",
        align_corners=True,
    )
    return moved.squeeze(0)


def _cell_edges(length: int, cells: int) -> Tensor:
    """True [length] for the first pixel of every cell."""
    cell = torch.arange(length) * cells // length
    return torch.cat([torch.ones(1, dtype=torch.bool), cell[1:] != cell[:-1]])

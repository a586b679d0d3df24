"""Few-shot benchmark tasks: a liked condition against an ordinary one on unseen images.

In style tasks liked images have a faint style; in fault tasks ordinary images have a faint degradation. One frozen
strength per task: `tune_tasks.py` set it so that a linear probe on 50 images per class reaches an AUC of about .75 (.68
for burnt, near the end of its range), which leaves room above and below. The second family is tuned alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from second_family import SECOND_FAULTS, SECOND_STYLES
from styles import STYLES
from torch import Tensor

from ganrm_core.data.filters import gaussian_blur
from ganrm_core.data.luma import luma
from ganrm_core.data.near_duplicates import group_near_duplicates, signature
from ganrm_core.data.transforms import resize
from ganrm_core.synthetic.degradations import FAULTS, apply_fault
from ganrm_core.synthetic.sample_images import Picture, demo_pictures, load_picture

OUTPUT_SIZE = 256
CANDIDATES = 8
"""Candidates of a group that share a picture."""

STRENGTHS: dict[str, float] = {
    "teal_orange": 0.7,
    "inked": 0.5,
    "halftone": 0.048,
    "film": 0.53,
    "watercolour": 0.35,
    "noise": 0.24,
    "smooth": 0.3,
    "burnt": 0.8,
    "decoder": 0.55,
    "warp": 0.7,
}
"""Style: amount blended in. Fault: strength of `apply_fault`. Both vary by ± 25 % from picture to picture."""
SECOND_STRENGTHS: dict[str, float] = {
    "duotone": 0.637,
    "bloom": 0.963,
    "pencil": 0.152,
    "mosaic": 0.129,
    "bleach": 0.963,
    "halo": 0.471,
    "ghost": 0.3,
    "banding": 0.74,
    "fringe": 0.74,
    "seams": 0.637,
}
"""Amounts blended in, of the family that `default` was never tuned on; they vary alike.

`ghost` is fainter than the rest: the probe gets .54 from 50 pictures, and .66 where the dial ends.
"""
FAMILIES = {"first": STRENGTHS, "second": SECOND_STRENGTHS}
_OVERLAYS = {**STYLES, **SECOND_STYLES, **SECOND_FAULTS}


@dataclass(frozen=True)
class Task:
    """`kind` is "style" or "fault"; both conditions take float [3, H, W] and give [3, 256, 256], 0–1.

    Both vary alike in light, gamma, colour, softness, grain and crop, pass the same resampling and are
    rounded to 8 bits.
    """

    name: str
    kind: str
    strength: float

    def liked(self, image: Tensor, rng: torch.Generator) -> Tensor:
        return finish(self._changed(image, rng) if self.kind == "style" else image, rng)

    def ordinary(self, image: Tensor, rng: torch.Generator) -> Tensor:
        return finish(self._changed(image, rng) if self.kind == "fault" else image, rng)

    @property
    def version(self) -> str:
        """What features are made from, for naming their file."""
        return repr(self)

    def pool_size(self, pool: Sequence[Tensor]) -> int:
        return len(pool)

    def pictures(self, pool: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Every picture of the pool (uint8 [3, H, W]) in the liked and in the ordinary condition."""
        for index, image in enumerate(pool):
            pixels = image.float() / 255
            liked, ordinary = (torch.Generator().manual_seed(2 * index + is_liked) for is_liked in (1, 0))
            yield self.liked(pixels, liked), self.ordinary(pixels, ordinary)

    def split(self, size: int, per_class: int, seed: int) -> Split:
        return content_disjoint_split(size, per_class, seed)

    def group(self, pool: Sequence[Tensor], index: int) -> tuple[list[Tensor], list[float]]:
        """One picture of the pool as candidates [3, 256, 256] in 0–1 at growing strengths, and their qualities."""
        image = pool[index].float() / 255
        made, qualities = [], []
        strongest = min(1.0, 2 * self.strength)
        for place in range(CANDIDATES):
            rng = torch.Generator().manual_seed(1_000_000 + CANDIDATES * index + place)
            amount = strongest * (place + 0.5) / (CANDIDATES - 0.5)
            if self.kind == "style":
                changed, quality = STYLES[self.name](image, amount, rng), amount
            else:
                faulty = apply_fault(image, self.name, amount, int(torch.randint(2**31, (), generator=rng)))
                changed, quality = faulty.image, -faulty.ssim_loss
            made.append(finish(changed, rng))
            qualities.append(quality)
        return made, qualities

    def group_subjects(self, groups: int) -> int:
        """How many pictures, from the first on, are in groups and may not be learned from."""
        return groups

    def _changed(self, image: Tensor, rng: torch.Generator) -> Tensor:
        amount = min(1.0, self.strength * _uniform(0.75, 1.25, rng))
        if self.name in _OVERLAYS:
            return _OVERLAYS[self.name](image, amount, rng)
        seed = int(torch.randint(2**31, (), generator=rng))
        return apply_fault(image, self.name, amount, seed).image


def tasks(family: str = "first") -> list[Task]:
    """All tasks of a family at their frozen strengths."""
    return [
        Task(name, "fault" if name in FAULTS or name in SECOND_FAULTS else "style", strength)
        for name, strength in FAMILIES[family].items()
    ]


@dataclass(frozen=True)
class Split:
    """Places in a pool; no picture is in two of the four lists."""

    train_liked: list[int]
    train_ordinary: list[int]
    test_liked: list[int]
    test_ordinary: list[int]


def content_disjoint_split(pool_size: int, per_class: int, seed: int, most_test: int | None = None) -> Split:
    """`per_class` pictures for each class to train on, the rest, halved, to test on.

    `most_test` caps the test pictures per class.
    """
    if pool_size < 2 * per_class + 2:
        raise ValueError(f"{pool_size} pictures cannot give two classes of {per_class} and a test set.")
    order = torch.randperm(pool_size, generator=torch.Generator().manual_seed(seed)).tolist()
    train, rest = order[: 2 * per_class], order[2 * per_class :]
    half = min(len(rest) // 2, most_test or len(rest))
    return Split(train[:per_class], train[per_class:], rest[:half], rest[half : 2 * half])


def load_pool(most: int | None = None, seed: int = 0) -> tuple[list[Picture], list[Tensor]]:
    """Distinct demo pictures in a random but fixed order, and their pixels (uint8 [3, 320, 320]).

    Of near-duplicates only the first is taken, so that unlike pictures mean unlike contents; those with
    hardly any texture are left out, since they can carry neither a style nor a fault.
    """
    found = demo_pictures()
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed)).tolist()
    pictures = [found[place] for place in order]
    images = [load_picture(picture.path) for picture in pictures]
    groups = group_near_duplicates(np.stack([signature(image) for image in images]))
    first = set(np.unique(groups, return_index=True)[1].tolist())
    kept = [i for i in range(len(images)) if i in first and not _is_plain(images[i].float() / 255)][:most]
    return [pictures[i] for i in kept], [images[i] for i in kept]


def finish(image: Tensor, rng: torch.Generator) -> Tensor:
    """What pictures of either class go through: benign variation, one resampling, 8 bits."""
    image = _tinted(image, _uniform(-0.14, 0.14, rng), _uniform(0.85, 1.15, rng))
    image = image.clamp(0, 1) ** math.exp(_uniform(-0.15, 0.15, rng)) * _uniform(0.94, 1.06, rng)
    # Softness and grain of both classes vary, or a trace of either would give the other away.
    image = gaussian_blur(image, _uniform(0.3, 0.7, rng))
    image = resize(_cropped(image, rng).contiguous(), OUTPUT_SIZE)
    image = image + _uniform(0.0, 0.03, rng) * torch.randn(image.shape, generator=rng)
    return image.clamp(0, 1).mul(255).round().div(255)


def _tinted(image: Tensor, angle: float, saturation: float) -> Tensor:
    """Turn the hue by `angle` radians and scale the colour, in YIQ."""
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    cosine, sine = saturation * math.cos(angle), saturation * math.sin(angle)
    turn = torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    return torch.einsum("ij,jhw->ihw", torch.linalg.inv(to_yiq) @ turn @ to_yiq, image)


def _cropped(image: Tensor, rng: torch.Generator) -> Tensor:
    height, width = image.shape[-2:]
    share = _uniform(0.9, 1.0, rng)
    rows, columns = round(height * share), round(width * share)
    top = int(torch.randint(height - rows + 1, (), generator=rng))
    left = int(torch.randint(width - columns + 1, (), generator=rng))
    return image[:, top : top + rows, left : left + columns]


def _uniform(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _is_plain(image: Tensor) -> bool:
    """True where more than 85 % of the neighbouring pixels differ by less than one 8-bit step."""
    steps = luma(image).diff(dim=-1).abs()
    return float((steps < 1 / 255).float().mean()) > 0.85

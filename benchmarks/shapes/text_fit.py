"""Tiny SigLIP of the shapes: an image and a text encoder, trained on drawings and captions of kind, colour and size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from ganrm_core.rewards.picture_transform import PictureTransform
from ganrm_core.rewards.prompt_fit.image_text_pair import ImageTextPair

from .drawing import KINDS, SIDE, Shape, any_shape

COLOURS = ("red", "yellow", "green", "cyan", "blue", "magenta")
SIZES = {"small": (0.0, 7.0), "large": (8.0, 99.0)}
WORDS = ("", "a", "shape", *KINDS, *COLOURS, *SIZES)
_LONGEST, _WIDTH = 4, 32
_DRAWINGS, _STEPS, _BATCH = 12_000, 1500, 96
_NAMED = 0.8
"""Share of the captions that name the kind; each of colour and size is named in one half."""


@dataclass(frozen=True)
class Caption:
    """Such as "a large red circle"; "" for what is left open."""

    kind: str
    colour: str
    size: str

    @property
    def text(self) -> str:
        return " ".join(filter(None, ("a", self.size, self.colour, self.kind or "shape")))

    def is_true_of(self, shape: Shape) -> bool:
        low, high = SIZES.get(self.size, (0.0, 99.0))
        return (
            self.kind in ("", shape.kind)
            and self.colour in ("", colour_of(shape))
            and low <= shape.radius <= high
        )


def colour_of(shape: Shape) -> str:
    return COLOURS[round(shape.hue * len(COLOURS)) % len(COLOURS)]


def any_caption(shape: Shape, rng: np.random.Generator) -> Caption:
    """A true caption that leaves some of it open."""
    sizes = [name for name, (low, high) in SIZES.items() if low <= shape.radius <= high]
    named = rng.uniform(size=3) < (_NAMED, 0.5, 0.5)
    size = sizes[0] if sizes and named[2] else ""
    return Caption(shape.kind if named[0] else "", colour_of(shape) if named[1] else "", size)


class ShapePair(ImageTextPair):
    """Trained with SigLIP's sigmoid loss (Zhai et al. 2023) on which captions of a batch are true of which pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = PictureTransform(SIDE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "squash")
        self.files = ()
        self.tokens: Callable[[str], Tensor] = token_ids
        layers: list[nn.Module] = []
        for into, out in ((3, 24), (24, 48), (48, 96)):
            layers += [nn.Conv2d(into, out, 3, 2, 1), nn.GELU()]
        self.image = nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * (SIDE // 8) ** 2, _WIDTH))
        self.words = nn.Embedding(len(WORDS), 64, padding_idx=0)
        self.text = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, _WIDTH))
        self.log_scale, self.shift = nn.Parameter(torch.tensor(2.3)), nn.Parameter(torch.tensor(-3.0))

    def encode_image(self, pixels: Tensor) -> Tensor:
        embedding: Tensor = self.image(pixels)
        return embedding

    def encode_text(self, tokens: Tensor) -> Tensor:
        embedding: Tensor = self.text(self.words(tokens).sum(1))
        return embedding

    def logits(self, pixels: Tensor, tokens: Tensor) -> Tensor:
        """[pictures, captions]: log-odds that a caption is true of a picture."""
        images, texts = (
            normalize(self.encode_image(pixels), dim=-1),
            normalize(self.encode_text(tokens), dim=-1),
        )
        return self.log_scale.exp() * images @ texts.T + self.shift


def token_ids(prompt: str) -> Tensor:
    """[1, L]. Raises ValueError for a word that no caption holds."""
    ids = [WORDS.index(word) for word in prompt.split()]
    return torch.tensor([ids + [0] * (_LONGEST - len(ids))])


def trained_pair(seed: int = 0) -> ShapePair:
    """Train on drawings, never on the generator's pictures; a few minutes on one core."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    shapes = [any_shape(rng) for _ in range(_DRAWINGS)]
    pictures = torch.from_numpy(np.stack([shape.picture() for shape in shapes])).movedim(-1, 1)
    pair = ShapePair()
    optimiser = torch.optim.AdamW(pair.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=_STEPS)
    began = time.monotonic()
    for step in range(_STEPS):
        rows = rng.integers(0, _DRAWINGS, _BATCH)
        captions = [any_caption(shapes[row], rng) for row in rows]
        true = torch.tensor([[float(each.is_true_of(shapes[row])) for each in captions] for row in rows])
        tokens = torch.cat([token_ids(each.text) for each in captions])
        loss = F.binary_cross_entropy_with_logits(pair.logits(_worn(pictures[rows]), tokens), true)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            print(
                f"pair: step {step + 1}, loss {float(loss.detach()):.3f}, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    pair.scale, pair.bias = float(pair.log_scale.detach().exp()), float(pair.shift.detach())
    return pair.eval()


def kinds_told(pair: ShapePair, pictures: NDArray[np.float32], kinds: list[str]) -> float:
    """Share of pictures [N, H, W, 3] for which the caption of the true kind fits best."""
    tokens = torch.cat([token_ids(f"a {kind}") for kind in KINDS])
    pixels = torch.stack([pair.transform(torch.from_numpy(each).movedim(-1, 0)) for each in pictures])
    with torch.no_grad():
        told = pair.logits(pixels, tokens).argmax(1).tolist()
    return float(np.mean([KINDS[place] == kind for place, kind in zip(told, kinds, strict=True)]))


def _worn(pictures: Tensor) -> Tensor:
    """Normalised, half of them blurred, all with a little noise: generated pictures are no drawings."""
    blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    mixed = torch.where(torch.rand(len(pictures), 1, 1, 1) < 0.5, blurred, pictures)
    return ((mixed + 0.02 * torch.randn_like(mixed)).clamp(0, 1) - 0.5) / 0.5

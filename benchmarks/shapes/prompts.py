"""Prompts of the shape generator, and the fixed vectors that stand for them in place of a text encoder's output."""

from __future__ import annotations

import torch
from torch import Tensor

from .drawing import KINDS, Kind

CONTEXT, POOLED = 64, 64
"""Widths of the token vector and of the pooled vector."""
FREE = "a shape"
"""Prompt that leaves the kind open; the generator's empty condition."""
PROMPTS = tuple(f"a {kind}" for kind in KINDS)


def prompt_vectors(prompt: str) -> tuple[Tensor, Tensor]:
    """Context [1, 1, CONTEXT] and pooled vector [1, POOLED] of one of PROMPTS, or zeros for FREE.

    Fixed random vectors of unit variance, the same in every run. Raises ValueError for another prompt.
    """
    if prompt == FREE:
        return torch.zeros(1, 1, CONTEXT), torch.zeros(1, POOLED)
    drawn = torch.randn(len(PROMPTS), CONTEXT + POOLED, generator=torch.Generator().manual_seed(0))
    row = drawn[PROMPTS.index(prompt)]
    return row[:CONTEXT].view(1, 1, CONTEXT), row[CONTEXT:].view(1, POOLED)


def kind_of(prompt: str) -> Kind | None:
    """The kind of shape that `prompt` asks for; None for FREE."""
    return None if prompt == FREE else KINDS[PROMPTS.index(prompt)]

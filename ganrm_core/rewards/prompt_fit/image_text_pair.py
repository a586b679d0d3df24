"""Interface of an image encoder and a text encoder that were trained together (CLIP, SigLIP)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..picture_transform import PictureTransform

CLIP_LOGIT_SCALE = 100.0
"""exp(logit_scale) at which CLIP's training is capped, and where OpenAI's and LAION's models ended."""


class ImageTextPair(nn.Module, ABC):
    """Both encoders, and how pictures and prompts are prepared for them.

    `files` are those of the weights. `scale` is exp(logit_scale) of the contrastive loss. `bias` is that of SigLIP's
    loss, for which sigmoid(scale · cos + bias) is the probability that picture and text belong together; None for CLIP.
    `tokens` gives a prompt's token ids [1, L], of fixed length, on the CPU.
    """

    transform: PictureTransform
    files: tuple[Path, ...]
    scale: float = CLIP_LOGIT_SCALE
    bias: float | None = None
    tokens: Callable[[str], Tensor]

    @abstractmethod
    def encode_image(self, pixels: Tensor) -> Tensor:
        """Prepared pictures [B, 3, S, S] → projected embeddings [B, D]."""

    @abstractmethod
    def encode_text(self, tokens: Tensor) -> Tensor:
        """Token ids [B, L] → projected embeddings [B, D]."""

    def text_embedding(self, prompt: str) -> Tensor:
        """Unit vector [1, D] of a prompt."""
        device = next(self.parameters()).device
        return normalize(self.encode_text(self.tokens(prompt).to(device)), dim=-1)

    def cosine(self, pixels: Tensor, text: Tensor) -> Tensor:
        """Cosine similarity [B] of prepared pictures and unit vectors [B, D] of their prompts."""
        return torch.sum(normalize(self.encode_image(pixels), dim=-1) * text, dim=-1)

"""SigLIP's tokenizer, read from its spiece.model by sentencepiece alone.

`transformers` would need protobuf for it, which not every ComfyUI has.
"""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...utils.error_text import reason
from ...utils.errors import BackboneError
from ...utils.files import shown
from ...utils.optional_imports import cannot_import

VOCABULARY = "spiece.model"
_END = 1
"""Ends a prompt and fills the rest of its row."""


class SiglipTokens:
    """As in SigLIP's training: lower case, no ASCII punctuation, single spaces; then the pieces, an end, and ends."""

    def __init__(self, path: Path, length: int) -> None:
        self._pieces = _processor(path)
        self._length = length

    def __call__(self, prompt: str) -> Tensor:
        """Token ids [1, length]."""
        plain = prompt.lower().translate(str.maketrans("", "", string.punctuation))
        ids = self._pieces.encode(re.sub(r"\s+", " ", plain).strip())[: self._length - 1]
        return torch.tensor([[*ids, *[_END] * (self._length - len(ids))]])


def _processor(path: Path) -> Any:
    try:
        from sentencepiece import SentencePieceProcessor
    except Exception as error:
        raise BackboneError(
            cannot_import("SigLIP's tokenizer", "sentencepiece", error, "sentencepiece")
        ) from error
    try:
        return SentencePieceProcessor(model_proto=path.read_bytes())
    except Exception as error:
        raise BackboneError(f"{shown(path)} is damaged ({reason(error)}). Download it again.") from error

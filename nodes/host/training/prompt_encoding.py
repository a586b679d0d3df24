"""Text encoding of prompt lists, exactly as core's CLIP Text Encode does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....ganrm_core.utils.errors import DataError
from ....ganrm_core.utils.progress import Progress, ProgressCallback, no_progress
from .prompt_set import Conditioning, PromptSet

STAGE = "Encoding prompts"


def encoded(
    clip: Any, texts: Sequence[str], negative: str, progress: ProgressCallback = no_progress
) -> PromptSet:
    """The prompts and the negative one as conditionings. `progress` may raise to cancel."""
    if clip is None:
        raise DataError(
            "This model file holds no text encoder, so prompts cannot be encoded. Connect one from Load CLIP."
        )
    found: list[Conditioning] = []
    for number, text in enumerate((*texts, negative)):
        progress(Progress(STAGE, number, len(texts) + 1))
        found.append(clip.encode_from_tokens_scheduled(clip.tokenize(text)))
    return PromptSet(tuple(texts), tuple(found[:-1]), negative, found[-1])


def in_pieces(clip: Any, texts: Sequence[str]) -> list[int]:
    """Positions of the prompts that are longer than one piece of a text encoder (75 tokens of CLIP).

    Core cuts nothing off: it encodes the pieces one by one and joins them (`SDTokenizer.tokenize_with_weights`,
    `ClipTokenWeightEncoder`). T5 and language models take long prompts as one piece.
    """
    return [
        position for position, text in enumerate(texts) if any(n > 1 for n in _pieces(clip, text).values())
    ]


def cut_off(clip: Any, texts: Sequence[str]) -> list[int]:
    """Positions of the prompts whose end core drops: its CLIP-L and CLIP-G have different numbers of pieces.

    This takes an embedding that only one of them has; core then keeps the shorter length (`SDXLClipModel`, `SD3ClipModel`).
    """
    found = []
    for position, text in enumerate(texts):
        pieces = _pieces(clip, text)
        if "l" in pieces and "g" in pieces and pieces["l"] != pieces["g"]:
            found.append(position)
    return found


def _pieces(clip: Any, text: str) -> dict[str, int]:
    tokens = clip.tokenize(text)
    if not isinstance(tokens, Mapping):
        return {}
    return {name: len(batches) for name, batches in tokens.items() if isinstance(batches, list)}

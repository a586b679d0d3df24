"""Spoilt candidates: pictures whose pixels, or whose score, are NaN or infinite.

Half precision overflows, most often in a VAE, and one such picture must not cost the others their scores. It is
known by its logit, `SPOILT` (−inf), with a score and an uncertainty of 0: it ranks last, and `select_best` never
keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..rewards.base import Scores
from ..utils.errors import DataError, ImageError
from .close_calls import SPOILT, listed

WHY = "NaN or infinite values"


def is_spoilt(picture: Any) -> bool:
    """Whether a tensor or array of floating point holds NaN or infinity; False for whatever else it may be."""
    if isinstance(picture, np.ndarray):
        return picture.dtype.kind == "f" and not np.isfinite(picture).all()
    if not isinstance(picture, Tensor) or not picture.is_floating_point() or not picture.numel():
        return False
    # NaN makes both NaN: one pass, and no mask as large as the picture.
    return not all(math.isfinite(value) for value in torch.aminmax(picture.detach()))


def stand_in(picture: Any) -> Any:
    """Black in the shape of `picture`, to be scored in its place: so the numbers of all others stay what they are."""
    return np.zeros_like(picture) if isinstance(picture, np.ndarray) else torch.zeros_like(picture)


def marked(scores: Scores, spoilt: Collection[int]) -> Scores:
    """`scores` with those at `spoilt`, and those that are not finite, as those of spoilt candidates."""
    lost = ~(torch.isfinite(scores.logit) & torch.isfinite(scores.score) & torch.isfinite(scores.uncertainty))
    lost[list(spoilt)] = True
    return Scores(
        scores.logit.masked_fill(lost, SPOILT),
        scores.score.masked_fill(lost, 0.0),
        scores.uncertainty.masked_fill(lost, 0.0),
    )


def check_some_are_left(spoilt: Collection[int], count: int, what: str = "pictures") -> None:
    """Raise ImageError where all `count` are spoilt: then something is wrong with how they are made."""
    if count and len(spoilt) == count:
        all_of_them = f"All {count} {what} hold" if count > 1 else f"The only one of the {what} holds"
        raise ImageError(
            f"{all_of_them} {WHY}: spoilt where they were made. The usual cause is a VAE in half precision (fp16): "
            "decode in full precision (in ComfyUI, start it with --fp32-vae), and make them again."
        )


def check_some_are_judged(logits: Sequence[float]) -> None:
    """Raise DataError where every candidate's logit is `SPOILT` though their pixels are not: the judge is to blame."""
    if logits and all(logit == SPOILT for logit in logits):
        raise DataError(
            f"None of the {len(logits)} candidates was given a finite score. The model or scorer is damaged: score "
            "with another one, or make it anew."
        )


def spoilt_in_words(positions: Sequence[int]) -> str:
    """Such as "2 and 5 are spoilt (NaN or infinite values)", counted from 1; "" where none is."""
    if not positions:
        return ""
    names = [str(position + 1) for position in positions]
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'} spoilt ({WHY})"

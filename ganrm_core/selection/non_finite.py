"""Invalid candidates: pictures whose pixels or scores are NaN or infinite.

Half precision overflows, most often in a VAE, and one such picture must not cost the others their scores. An
invalid candidate has the logit `INVALID_LOGIT` and the score and uncertainty 0; it ranks last and is never kept.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..rewards.base import Scores
from ..utils.errors import DataError, ImageError
from .close_calls import join_names

INVALID_LOGIT = -math.inf
NON_FINITE = "NaN or infinite values"


def has_non_finite(picture: Any) -> bool:
    """Whether a floating-point tensor or array holds NaN or infinity; False for any other value."""
    if isinstance(picture, np.ndarray):
        return picture.dtype.kind == "f" and not np.isfinite(picture).all()
    if not isinstance(picture, Tensor) or not picture.is_floating_point() or not picture.numel():
        return False
    # NaN makes both extremes NaN: one pass, and no mask as large as the picture.
    return not all(math.isfinite(value) for value in torch.aminmax(picture.detach()))


def find_invalid(pictures: Iterable[Any]) -> set[int]:
    """The positions of pictures (or clips) with NaN or infinite pixels."""
    return {position for position, picture in enumerate(pictures) if has_non_finite(picture)}


def black_like(picture: Any) -> Any:
    """A black tensor or array in the shape of `picture`."""
    return np.zeros_like(picture) if isinstance(picture, np.ndarray) else torch.zeros_like(picture)


def replace_invalid(pictures: Iterable[Any], invalid: Collection[int]) -> list[Any]:
    """Black pictures at the positions `invalid`: the batches stay the same, and so do the others' last digits."""
    return [black_like(each) if position in invalid else each for position, each in enumerate(pictures)]


def mark_invalid(scores: Scores, invalid: Collection[int]) -> Scores:
    """Mark the scores at `invalid`, and those that are not finite, as invalid."""
    lost = ~(torch.isfinite(scores.logit) & torch.isfinite(scores.score) & torch.isfinite(scores.uncertainty))
    lost[list(invalid)] = True
    return Scores(
        scores.logit.masked_fill(lost, INVALID_LOGIT),
        scores.score.masked_fill(lost, 0.0),
        scores.uncertainty.masked_fill(lost, 0.0),
        scores.remarks,
    )


def check_some_finite(invalid: Collection[int], count: int, what: str = "pictures") -> None:
    """Raise ImageError where all `count` pictures are invalid: then the cause is how they are made."""
    if count and len(invalid) == count:
        all_of_them = f"All {count} {what} hold" if count > 1 else f"The only one of the {what} holds"
        raise ImageError(
            f"{all_of_them} {NON_FINITE}: spoilt where they were made. The usual cause is a VAE in half precision "
            "(fp16): decode in full precision (in ComfyUI, start it with --fp32-vae), and make them again."
        )


def check_some_scored(logits: Sequence[float], remarks: Sequence[str] = ()) -> None:
    """Raise DataError where every logit is `INVALID_LOGIT`. Call it where some pixels are finite: the model is broken.

    `remarks` are those of the scorer, which may say why.
    """
    if logits and all(logit == INVALID_LOGIT for logit in logits):
        said = next((f" It says: {remark.rstrip('.')}." for remark in remarks if remark), "")
        raise DataError(
            f"None of the {len(logits)} candidates was given a finite score.{said} The model or scorer is damaged: score "
            "with another one, or make it anew."
        )


def invalid_text(positions: Sequence[int]) -> str:
    """Such as "2 and 5 are spoilt (NaN or infinite values)", counted from 1; "" where none is."""
    if not positions:
        return ""
    names = [str(position + 1) for position in positions]
    return f"{join_names(names)} {'is' if len(names) == 1 else 'are'} spoilt ({NON_FINITE})"

"""Scores of clips: the mean over evenly spaced frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Scores

_MOST_FRAMES = 8


def sample_frames(clip: Tensor) -> list[Tensor]:
    """At most eight evenly spaced frames of a clip [T, H, W, C], the first and the last among them."""
    count = min(_MOST_FRAMES, len(clip))
    return [clip[round(i * (len(clip) - 1) / max(count - 1, 1))] for i in range(count)]


def mean_over_frames(scores: Scores, frames: Sequence[int]) -> Scores:
    """The scores of frames → one entry per clip. `frames`: how many of the entries belong to each clip, in order."""
    return Scores(
        *(
            torch.stack([part.mean() for part in values.split(list(frames))])
            for values in (scores.logit, scores.score, scores.uncertainty)
        )
    )

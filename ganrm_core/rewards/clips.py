"""Scores video clips: the mean reward over at most 8 evenly spaced frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from ..utils.progress import ProgressCallback, no_progress
from .base import Reward, Scores

MAX_FRAMES = 8


def sample_frames(clip: Tensor) -> list[Tensor]:
    """At most `MAX_FRAMES` frames of a clip [T, H, W, C], evenly spaced, first and last included."""
    count = min(MAX_FRAMES, len(clip))
    return [clip[round(i * (len(clip) - 1) / max(count - 1, 1))] for i in range(count)]


def score_clips(
    reward: Reward,
    clips: Sequence[Sequence[Tensor]],
    progress: ProgressCallback = no_progress,
    prompts: Sequence[str] | None = None,
) -> Scores:
    """One entry per clip, given as its frames [H, W, C]: the mean of logit, score and uncertainty over them, all remarks.

    `prompts`: one per clip. All frames go to `reward` in one call. Raises ImageError as `Reward.score` does.
    """
    of_frames = None
    if prompts is not None:
        of_frames = [prompt for prompt, clip in zip(prompts, clips, strict=True) for _ in clip]
    scores = reward.score([frame for clip in clips for frame in clip], of_frames, progress)
    lengths = [len(clip) for clip in clips]

    def means(values: Tensor) -> Tensor:
        return torch.stack([frames.mean() for frames in values.split(lengths)])

    remarks = iter(scores.remarks)
    said = ["\n".join(filter(None, islice(remarks, length))) for length in lengths] if scores.remarks else []
    return Scores(means(scores.logit), means(scores.score), means(scores.uncertainty), tuple(said))

"""A reward whose scores are known: the brighter the picture, the better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from ganrm_core.data.image_io import to_float
from ganrm_core.data.image_tensors import as_images
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.data.streaming import stream_images
from ganrm_core.rewards.base import Images, Scores
from ganrm_core.utils.progress import ProgressCallback, no_progress


class Brightness:
    """The logit is the mean of all pixels; `prompts` keeps those of the last call."""

    name = "brightness"
    thresholds: Mapping[str, float] = {}
    needs_prompt = False
    prompts: Sequence[str] | None = None

    def score(
        self, images: Images, prompts: Sequence[str] | None = None, progress: ProgressCallback = no_progress
    ) -> Scores:
        self.prompts = prompts
        logit = torch.stack([image.mean() for image in as_images(images)])
        return Scores(logit, torch.sigmoid(logit * 8 - 4), torch.zeros_like(logit))

    def score_files(self, paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[tuple[Path, Scores]]:
        for place, image in stream_images(paths, skipped=skipped):
            yield paths[place], self.score([to_float(image)])


def grey(*levels: float) -> torch.Tensor:
    """One picture [5, 6, 3] per level."""
    return torch.tensor(levels).reshape(-1, 1, 1, 1).repeat(1, 5, 6, 3)

"""A reward whose scores are known: the brighter the picture, the better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from ganrm_core.data.image_io import to_float
from ganrm_core.data.image_tensors import as_images
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.data.streaming import stream_images
from ganrm_core.rewards.base import Images, Scores, checked_prompts, each_of, opened
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


class AsAsked:
    """Needs prompts: the logit is how bright a picture is whose prompt holds "bright", else how dark it is."""

    name = "as asked"
    thresholds: Mapping[str, float] = {}
    needs_prompt = True

    def score(
        self, images: Images, prompts: Sequence[str] | None = None, progress: ProgressCallback = no_progress
    ) -> Scores:
        levels = torch.stack([opened(each).mean() for each in each_of(images)])
        asked = checked_prompts(self.name, prompts, len(levels))
        logit = torch.where(torch.tensor(["bright" in prompt for prompt in asked]), levels, 1 - levels)
        return Scores(logit, torch.sigmoid(logit * 8 - 4), torch.zeros_like(logit))

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        asked = checked_prompts(self.name, prompts, len(paths))
        for place, image in stream_images(paths, skipped=skipped):
            yield paths[place], self.score([to_float(image)], [asked[place]])


def grey(*levels: float) -> torch.Tensor:
    """One picture [5, 6, 3] per level."""
    return torch.tensor(levels).reshape(-1, 1, 1, 1).repeat(1, 5, 6, 3)

"""A reward whose scores are known: the brighter the picture, the better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image


class Bright:
    """Follows `ganrm_core.rewards.base.Reward`: the logit is the mean of all pixels, the score its half."""

    def __init__(self, pack: Any, thresholds: Mapping[str, float] | None = None) -> None:
        self._pack = pack
        self.thresholds: Mapping[str, float] = thresholds or {}
        self.name = "brightness"
        self.uncertainty: Callable[[torch.Tensor], torch.Tensor] = torch.zeros_like
        """Of each logit."""
        self.seen: list[tuple[int, ...]] = []
        """The shapes of what was scored."""

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        assert prompts is None
        step = self._pack.module("ganrm_core.utils.progress").Progress
        pictures = self._pack.module("ganrm_core.data.image_tensors").as_images(images)
        self.seen += [tuple(image.shape) for image in images]
        for done in range(len(pictures)):
            progress(step("scoring", done, len(pictures)))
        return self._scores([float(picture.mean()) for picture in pictures])

    def score_files(self, paths: Sequence[Path], skipped: list[Any]) -> Iterator[tuple[Path, Any]]:
        skipped_file = self._pack.module("ganrm_core.data.skipped_files").Skipped
        for path in paths:
            try:
                with Image.open(path) as picture:
                    value = np.asarray(picture.convert("RGB")).mean()
            except OSError:
                skipped.append(skipped_file(path, "it is no picture"))
                continue
            yield path, self._scores([float(value) / 255])

    def _scores(self, logits: list[float]) -> Any:
        logit = torch.tensor(logits)
        return self._pack.module("ganrm_core.rewards.base").Scores(logit, logit / 2, self.uncertainty(logit))


class AsAsked:
    """Needs prompts: the logit is how bright a picture is whose prompt holds "bright", else how dark it is.

    `asked`: the prompts of every call.
    """

    name = "as asked"
    needs_prompt = True
    thresholds: Mapping[str, float] = {}

    def __init__(self, pack: Any) -> None:
        self._pack = pack
        self.asked: list[list[str]] = []

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        base, step = (self._pack.module(f"ganrm_core.{name}") for name in ("rewards.base", "utils.progress"))
        levels = torch.stack([base.opened(each).mean() for each in base.each_of(images)])
        asked = base.checked_prompts(self.name, prompts, len(levels))
        self.asked.append(asked)
        progress(step.Progress("scoring", len(levels), len(levels)))
        logit = torch.where(torch.tensor(["bright" in prompt for prompt in asked]), levels, 1 - levels)
        return base.Scores(logit, logit / 2, torch.zeros_like(logit))

    def score_files(
        self, paths: Sequence[Path], skipped: list[Any], prompts: Any = None
    ) -> Iterator[tuple[Path, Any]]:
        asked = self._pack.module("ganrm_core.rewards.base").checked_prompts(self.name, prompts, len(paths))
        for path, prompt in zip(paths, asked, strict=True):
            yield path, self.score([path], [prompt])

"""A reward that judges by the prompt alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch


class _Length:
    """The score is a hundredth of the prompt's length."""

    name = "length of the prompt"
    needs_prompt = True
    thresholds: Mapping[str, float] = {}

    def score(self, images: Any, prompts: Any = None, progress: Any = None) -> Any:
        # As the pack's own code finds it, under whatever name the host loaded the pack.
        base = next(
            module for name, module in sys.modules.items() if name.endswith("ganrm_core.rewards.base")
        )
        asked = base.checked_prompts(self.name, prompts, len(images))
        logit = torch.tensor([float(len(prompt)) for prompt in asked])
        return base.Scores(logit, logit / 100, torch.zeros_like(logit))

    def score_files(
        self,
        paths: Sequence[Path],
        skipped: list[Any],
        prompts: Any = None,
    ) -> Iterator[tuple[Path, Any]]:
        for path, prompt in zip(paths, prompts, strict=True):
            yield path, self.score([path], [prompt])


class ProbeReward:
    """A reward that needs prompts."""

    RETURN_TYPES = ("GANRM_REWARD",)
    FUNCTION = "make"
    CATEGORY = "probe"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {}}

    def make(self) -> tuple[Any]:
        return (_Length(),)

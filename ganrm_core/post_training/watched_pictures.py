"""Evaluation samples of a training: pictures of fixed prompts and seeds, sampled anew and scored at intervals."""

from __future__ import annotations

from collections.abc import Sequence

from .denoiser import Denoiser
from .prompt_fit import prompt_errors
from .sigmas import NoiseLevels
from .studio import Judged, Studio

_TOGETHER = 8


class WatchedPictures:
    """`groups`: prompt and seeds of each."""

    def __init__(
        self,
        denoiser: Denoiser,
        studio: Studio,
        levels: NoiseLevels,
        groups: Sequence[tuple[int, Sequence[int]]],
    ) -> None:
        self.groups = groups
        self._denoiser, self._studio, self._levels = denoiser, studio, levels

    def judged(self) -> tuple[list[Judged], float]:
        """What the model as it is makes of each group, and by how much less its error is with the prompt than without."""
        found = [self._judged(prompt, seeds) for prompt, seeds in self.groups]
        return [each for each, _ in found], sum(gain for _, gain in found) / len(found)

    def _judged(self, prompt: int, seeds: Sequence[int]) -> tuple[Judged, float]:
        latents = self._studio.sample(prompt, seeds)
        errors = prompt_errors(self._denoiser, latents, [None, prompt], self._levels, _TOGETHER)
        judged = self._studio.judge(prompt, latents, watched=True)
        return judged, float((errors[:, 0] - errors[:, 1]).mean())

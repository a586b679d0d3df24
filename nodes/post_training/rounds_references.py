"""Reference pictures of a training in rounds: as latents to keep close to, and as the taste sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...ganrm_core.data.skipped_files import Skipped, describe_skipped
from ...ganrm_core.post_training.anchor import References
from ...ganrm_core.post_training.prompt_fit import best_fitting
from ...ganrm_core.post_training.rounds import Plan
from ...ganrm_core.post_training.sigmas import NoiseLevels
from ...ganrm_core.post_training.studio import Judged
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..host.training.references import reference_pictures
from ..sockets import Dataset
from .cancellable import CancellableDenoiser
from .rounds_job import RoundsJob
from .rounds_store import KeptRounds
from .rounds_studio import HostStudio

if TYPE_CHECKING:
    from ..host.training.denoiser import HostDenoiser

READING, MAKING = "reading references", "making ordinary pictures"
"""Stages of the work."""
LEAST = 10
_MOST = 400
_HELD_OUT = 5  # every fifth reference is watched and not learned from
_MOST_HELD_OUT = 64
_ORDINARY_PICTURES = (64, 200)
_CANDIDATE_PROMPTS = 4
GROUP_UNITS = 1000
"""Of progress of `MAKING`, a group."""
_TOGETHER = 8  # pictures read at once


@dataclass(frozen=True)
class TrainingPictures:
    """References: those learned from and those watched, and how they and ordinary pictures are judged.

    `ordinary` is None where the reward is not refitted, and where it takes the first round's pictures.
    """

    learned: References
    liked: Judged
    watched: References
    watched_liked: Judged
    ordinary: Judged | None

    def features(self) -> tuple[Tensor, Tensor]:
        """Of liked and ordinary pictures, [N, D] each."""
        liked = self.liked.features
        return liked, liked[:0] if self.ordinary is None else self.ordinary.features


class ReferenceReader:
    """Reads the references of a job; files that cannot be read are added to `skipped`."""

    def __init__(
        self,
        job: RoundsJob,
        denoiser: HostDenoiser,
        studio: HostStudio,
        skipped: list[Skipped],
        progress: ProgressCallback,
    ) -> None:
        self._job, self._denoiser, self._studio = job, denoiser, studio
        self._skipped, self._progress = skipped, progress
        self._shape = studio.shape

    def read(self, plan: Plan, levels: NoiseLevels, kept: KeptRounds | None) -> TrainingPictures:
        """`kept`: the training that is gone on from. Raises DataError for too few that can be read."""
        latents, judged = self._read(self._job.references, READING)
        if len(latents) < LEAST:
            raise DataError(
                f"Only {len(latents)} of the liked pictures can be read. {describe_skipped(self._skipped)} Take "
                f"{LEAST} or more."
            )
        candidates = range(0, len(self._job.prompts), -(-len(self._job.prompts) // _CANDIDATE_PROMPTS))
        prompts = best_fitting(CancellableDenoiser(self._denoiser), latents, candidates, levels)
        watched = [row for row in range(len(latents)) if row % _HELD_OUT == 0][:_MOST_HELD_OUT]
        learned = [row for row in range(len(latents)) if row not in watched]
        return TrainingPictures(
            References(latents[learned], [prompts[row] for row in learned]),
            judged.some(learned),
            References(latents[watched], [prompts[row] for row in watched]),
            judged.some(watched),
            self._ordinary(plan, kept, len(learned)),
        )

    def _read(self, dataset: Dataset, stage: str) -> tuple[Tensor, Judged]:
        """Latents in the model's scale, on the CPU, and what the taste says of pictures as the VAE gives them back."""
        paths: Sequence[Path] = dataset.paths
        if len(paths) > _MOST:
            paths = [paths[place * len(paths) // _MOST] for place in range(_MOST)]
        latents, judged, waiting = [], [], []
        with torch.no_grad():
            start = torch.zeros(self._shape)
            for latent, picture in reference_pictures(paths, self._job.vae, start, self._skipped):
                latents.append(self._denoiser.to_model_scale(latent).cpu())
                waiting.append(picture)
                if len(waiting) == _TOGETHER:
                    judged.append(self._studio.judge_pictures(0, torch.stack(waiting)))
                    waiting = []
                self._progress(Progress(stage, len(latents), len(paths)))
            if waiting:
                judged.append(self._studio.judge_pictures(0, torch.stack(waiting)))
        if not latents:
            raise DataError(
                f"None of the pictures of {dataset.name} can be read. {describe_skipped(self._skipped)}"
            )
        return torch.cat(latents), Judged.joined(judged)

    def _ordinary(self, plan: Plan, kept: KeptRounds | None, liked: int) -> Judged | None:
        """Ordinary pictures: those given, else what the generator makes before training. None where none are needed."""
        training = self._job.training
        if not training.refresh:
            return None
        if self._job.ordinary is not None:
            return self._read(self._job.ordinary, READING)[1]
        if training.patches:
            return None  # those of the first round
        if kept is not None:
            return Judged(torch.zeros(len(kept.ordinary)), kept.ordinary)
        least, most = _ORDINARY_PICTURES
        groups = plan.ordinary_groups(min(most, max(least, liked)))
        studio, total = self._studio, GROUP_UNITS * len(groups)
        studio.report = lambda sampled: self._progress(Progress(MAKING, int(GROUP_UNITS * sampled), total))
        return Judged.joined([studio.judge(prompt, studio.sample(prompt, seeds)) for prompt, seeds in groups])

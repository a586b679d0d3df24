"""Stages of Train LoRA on Groups: previews, steps of training, and between them looks of the watch."""

from __future__ import annotations

from itertools import pairwise

from ...ganrm_core.post_training.group_watch import look_steps, watched_groups
from ...ganrm_core.post_training.prompt_fit import LEVELS
from ...ganrm_core.utils.progress import Progress
from ...ganrm_core.utils.time_left import Phase
from .lora_job import Job

BEFORE, WATCHING, TRAINING, AFTER = "sampling before", "watching", "training", "sampling after"
_CALL_S = 0.1  # only proportions matter
_BACKWARD = 3.0  # calls that a prediction with its gradient is worth

_LOOKED, _TRAINED = Progress(WATCHING, 1, 1), Progress(TRAINING, 1, 1)


class TrainingStages:
    """`preview_calls`: evaluations of the model for the previews, 0 without any."""

    def __init__(self, job: Job, preview_calls: int) -> None:
        self._job, self._preview_calls = job, preview_calls
        looks = look_steps(job.training.steps) if job.reward else (job.training.steps,)
        self._parts = list(pairwise((0, *looks)))

    def phases(self) -> list[Phase]:
        """Weighed by calls of the model; each look comes before a part of the training, the last one at its end."""
        job, sampling = self._job, self._job.groups.groups.sampling
        guided = job.training.method == "best" and sampling.cfg != 1.0
        predictions = job.training.batch * (2 if guided or job.training.method == "pairs" else 1)
        preview = self._preview_calls * _CALL_S
        found = [Phase(BEFORE, preview, "backbone")]
        look = [Phase(WATCHING, self._look_calls() * _CALL_S, "backbone")] if job.reward else []
        for start, end in self._parts:
            found += [*look, Phase(TRAINING, (end - start) * predictions * _BACKWARD * _CALL_S, "backbone")]
        return [*found, *look, Phase(AFTER, preview, "backbone")]

    def at(self, step: int) -> list[Progress]:
        """Reports after `step` steps: that the look is over, if there was one, and where the training is."""
        looked = self._job.reward is not None and any(step == end for _, end in self._parts)
        found = [_LOOKED] if looked else []
        for start, end in self._parts:
            if start <= step < end:
                found.append(Progress(TRAINING, step - start, end - start))
        if step == self._job.training.steps and not looked:
            found.append(Progress(TRAINING, step, step))
        return found

    def passed(self) -> list[Progress]:
        """Reports that all is done but the last look."""
        return [_LOOKED, _TRAINED] * len(self._parts)

    def _look_calls(self) -> int:
        """Evaluations of the model for one look: to make the pictures, and to see whether they follow their prompts."""
        sampling = self._job.groups.groups.sampling
        pictures = sum(len(seeds) for _, seeds in watched_groups(self._job.groups.groups, 0))
        return pictures * (sampling.steps * (1 if sampling.cfg == 1.0 else 2) + 2 * len(LEVELS))

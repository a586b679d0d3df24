"""One training on groups inside an open `trainable` context, watched where there is a reward."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...ganrm_core.post_training.choices import Choice
from ...ganrm_core.post_training.round_signs import Look
from ...ganrm_core.post_training.sigmas import NoiseLevels
from ...ganrm_core.post_training.trainer import GroupTrainer
from ...ganrm_core.post_training.training_trace import TrainingTrace
from ...ganrm_core.post_training.training_words import check_kept
from ...ganrm_core.post_training.watch import HeldOut
from ...ganrm_core.utils.progress import ProgressCallback
from .cancellable import CancellableDenoiser
from .lora_cache import TrainedLora, UnfinishedLora
from .lora_job import Job
from .lora_watch import HostWatch

if TYPE_CHECKING:
    from ..host.training.denoiser import HostDenoiser

Store = Callable[[UnfinishedLora], None]


class LoraSession:
    """Trains `denoiser` as `job` says. Follows the `Watcher` protocol, and keeps what is finished before the last look."""

    def __init__(
        self, job: Job, denoiser: HostDenoiser, levels: NoiseLevels, progress: ProgressCallback, store: Store
    ) -> None:
        self._job, self._denoiser, self._levels, self._store = job, denoiser, levels, store
        self._latents = [group.latents for group in job.groups.groups.groups]
        self._watch = HostWatch(job, denoiser, levels, progress) if job.reward else None
        self._trainer: GroupTrainer | None = None
        self._best: dict[str, Tensor] = {}
        self._before: Tensor | None = None
        self._start = time.monotonic()

    def train(
        self, choice: Choice, before: Tensor | None, observe: Callable[[TrainingTrace], None]
    ) -> TrainedLora:
        """`before`: latents of the previews, for the result. Raises DataError where nothing worth keeping is left."""
        self._before = before

        def observed(trace: TrainingTrace) -> None:
            if trace.best is not None and trace.looks[trace.best].rounds == trace.steps[-1].number:
                self._best = self._denoiser.lora_dict()
            observe(trace)

        job = self._job
        self._trainer = GroupTrainer(
            CancellableDenoiser(self._denoiser),
            choice,
            self._of_model_scale,
            self._levels,
            job.training,
            job.groups.groups.sampling.cfg,
        )
        trace = self._trainer.run(observed, watcher=self if self._watch else None)
        check_kept(trace)
        return self._result(self._denoiser.lora_dict())

    def look(self, step: int, held_out: HeldOut | None) -> Look | None:
        assert self._watch is not None
        if step == self._job.training.steps and not self._watch.note:
            unfinished = self._result(self._best)
            self._store(UnfinishedLora(unfinished, self._denoiser.lora_dict(), self._watch.state()))
        found = self._watch.look(step, held_out)
        if step == 0:
            self._best = self._denoiser.lora_dict()  # now that every layer has run
        return found

    def finish(self, unfinished: UnfinishedLora) -> TrainedLora:
        """What is left of a training that was interrupted in its last look; the denoiser has its last LoRA."""
        assert self._watch is not None
        self._watch.load_state(unfinished.watch)
        trained = unfinished.trained
        trace, last = trained.trace, trained.trace.steps[-1]
        is_best = trace.see(self._watch.look(last.number, last.held_out))
        trace.keep(last.number)
        if is_best or not (trace.best or trace.stopped):
            trained.lora = unfinished.last
        trained.seconds += time.monotonic() - self._start
        trained.notes += self._notes()
        return trained

    def _result(self, lora: dict[str, Tensor]) -> TrainedLora:
        assert self._trainer is not None
        return TrainedLora(
            lora,
            self._trainer.trace,
            [*self._denoiser.notes, *self._notes()],
            time.monotonic() - self._start,
            self._trainer.micro_batch,
            self._before,
        )

    def _notes(self) -> list[str]:
        return [self._watch.note] if self._watch and self._watch.note else []

    def _of_model_scale(self, places: Sequence[tuple[int, int]]) -> Tensor:
        return self._denoiser.to_model_scale(
            torch.stack([self._latents[group][sample] for group, sample in places])
        )

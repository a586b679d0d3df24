"""The work of Train LoRA on Groups: previews, training, and the disk cache around them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.post_training.choices import Choice, choose
from ...ganrm_core.post_training.sigmas import NoiseLevels
from ...ganrm_core.post_training.training_card import TrainingView, live_training_card, training_body
from ...ganrm_core.post_training.training_trace import TrainingTrace
from ...ganrm_core.post_training.watch import NO_MEMORY
from ...ganrm_core.reports.live_preview import Stage
from ...ganrm_core.utils.device_memory import free_cached_memory, is_out_of_memory
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ...ganrm_core.utils.time_left import Phase, time_left_words
from ..host.progress import Live, is_cancel
from ..host.sampling.sampling_setup import KSamplerSettings, as_ksampler
from ..host.training.fingerprints import known_fingerprint
from .lora_cache import LoraCache, TrainedLora, UnfinishedLora, lora_key
from .lora_checks import check_groups, check_guidance, input_warnings, no_memory_words
from .lora_job import Job
from .lora_preview import Budget, Previewer
from .lora_session import LoraSession
from .lora_stages import AFTER, BEFORE, TRAINING, TrainingStages
from .lora_watch import check_watch, watch_fingerprints, watch_warnings

if TYPE_CHECKING:
    from ..host.training.denoiser import HostDenoiser

_DRAWN_SHARE = 0.05
_NO_PREVIEW = "There was not enough memory for previews, so they were left out."


class LoraTraining:
    """One run of the node. `view` is what there is to see of it so far, `warnings` sentences about the inputs.

    Raises DataError for groups that this model cannot be trained on.
    """

    def __init__(self, job: Job) -> None:
        from ..host.training.refusals import check_trainable

        check_watch(job)
        check_groups(job.model, job.groups)
        check_guidance(job.model, job.groups.groups.sampling.cfg, job.training.method)
        self._latents = [group.latents for group in job.groups.groups.groups]
        self._shape = (job.training.micro_batch, *self._latents[0].shape[1:])
        check_trainable(job.model, job.groups.prompts, self._shape)
        self.choice: Choice = choose(job.groups.groups, job.training.keep, job.training.method == "pairs")
        self._job = job
        self._previewer = Previewer(job.model, job.groups, job.vae)
        self._has_previews = job.previews and self._previewer.possible
        self._stages = TrainingStages(job, self._previewer.calls if self._has_previews else 0)
        self._notes: list[str] = []
        self._fingerprint = known_fingerprint("model", job.model)
        self.warnings = [
            *input_warnings(job.model, self._fingerprint, job.groups, job.vae),
            *watch_warnings(job),
        ]
        for warning in self.warnings:  # the training is long, and the summary comes at its end
            logging.warning("Train LoRA on Groups: %s", warning)
        self.view = TrainingView(TrainingTrace(), job.training.steps)
        self._body: Image.Image | None = None
        self._draw_at = 0.0

    def phases(self) -> list[Phase]:
        """The stages of the work, weighed by calls of the model."""
        return self._stages.phases()

    def draw(self, live: Live) -> Image.Image:
        """The node's preview. Pictures and curves are drawn anew as often as costs a small share of the time."""
        start = time.monotonic()
        if self._body is None or start >= self._draw_at:
            self._body = training_body(self.view)
            now = time.monotonic()
            self._draw_at = now + (now - start) / _DRAWN_SHARE
        step, left = live.step, time_left_words(live.seconds_left)
        done, total = step.done, step.total
        if step.stage == TRAINING:  # which may be one part of the training
            done, total = len(self.view.trace.steps), self.view.steps
        stage = Stage(step.stage, done, total, live.share, left, live.stopped)
        return live_training_card(self._body, stage)

    def run(self, progress: ProgressCallback) -> tuple[TrainedLora, str]:
        """The LoRA, and why it is not kept for the next run ("" if it is). `progress` may raise to cancel."""
        job = self._job
        watch = watch_fingerprints(job)
        cache = LoraCache(
            lora_key(self._fingerprint, job.groups, job.training, job.lora, job.start, watch),
            watched=bool(watch),
        )
        try:
            kept = self._worked_out(cache, progress)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            free_cached_memory(job.model.load_device)
            raise DataError(no_memory_words(job.lora, job.checkpointing)) from error
        self._show(kept)
        kept.notes += self._notes
        return kept, cache.problem

    def _worked_out(self, cache: LoraCache, progress: ProgressCallback) -> TrainedLora:
        """From the disk as far as it is there, with the last previews."""
        kept = cache.load()
        unfinished = None if kept else cache.load_unfinished()
        if unfinished:
            kept = self._finished(cache, unfinished, progress)
        if kept is None:
            with self._opened(self._job.start) as denoiser:
                kept = self._trained(denoiser, cache, progress)
                self._add_last_previews(kept, denoiser, cache, progress)
        elif self._lacks_last_previews(kept):
            with self._opened(kept.lora) as denoiser:
                self._show(kept)
                self._add_last_previews(kept, denoiser, cache, progress)
        return kept

    def _opened(self, start: Mapping[str, Tensor] | None) -> AbstractContextManager[HostDenoiser]:
        """Context of the model with a LoRA that can be trained, from `start` on."""
        from ..host.training.denoiser import trainable

        job = self._job
        return trainable(
            job.model,
            job.groups.prompts,
            job.lora,
            self._shape,
            start,
            seed=job.training.seed,
            checkpointing=job.checkpointing,
        )

    def _finished(
        self, cache: LoraCache, unfinished: UnfinishedLora, progress: ProgressCallback
    ) -> TrainedLora:
        """The last look of a training that is done."""
        self._show(unfinished.trained)
        for step in self._stages.passed():
            progress(step)
        with self._opened(unfinished.last) as denoiser:
            session = LoraSession(self._job, denoiser, self._levels(), progress, cache.store_unfinished)
            kept = session.finish(unfinished)
            cache.store(kept)
        return kept

    def _trained(self, denoiser: HostDenoiser, cache: LoraCache, progress: ProgressCallback) -> TrainedLora:
        job, budget = self._job, Budget()
        before = None
        if self._has_previews:
            with budget.timed(counts=False):
                before = self._sampled(denoiser, BEFORE, progress)
            self._show_previews(before=before)

        def observe(trace: TrainingTrace) -> None:
            step = trace.steps[-1].number
            self.view = _changed(self.view, trace=trace)
            for each in self._stages.at(step):
                progress(each)
            if before is not None and self._has_previews and step < job.training.steps and budget.is_due:
                with budget.timed():
                    after = self._sampled(denoiser, TRAINING, self._standing_still(progress, step))
                    self._show_previews(after=after, step=step)

        session = LoraSession(job, denoiser, self._levels(), progress, cache.store_unfinished)
        if not job.reward:  # else the watch begins
            progress(Progress(TRAINING, 0, job.training.steps))
        kept = session.train(self.choice, before, observe)
        if kept.trace.stopped != NO_MEMORY:  # another time there may be enough
            cache.store(kept)  # before anything else: Cancel must not lose it
        return kept

    def _lacks_last_previews(self, kept: TrainedLora) -> bool:
        return self._has_previews and kept.before is not None and kept.after is None

    def _add_last_previews(
        self, kept: TrainedLora, denoiser: HostDenoiser, cache: LoraCache, progress: ProgressCallback
    ) -> None:
        """With the LoRA of `kept`, which the denoiser has."""
        if not self._lacks_last_previews(kept):
            return
        kept.after = self._sampled(denoiser, AFTER, progress)
        if kept.after is not None:
            cache.store_preview(kept.after)

    def _standing_still(self, progress: ProgressCallback, step: int) -> ProgressCallback:
        """Reports that training is still at `step`, and raises on Cancel."""

        def report(_: Progress) -> None:
            for each in self._stages.at(step)[-1:]:
                progress(each)

        return report

    def _levels(self) -> NoiseLevels:
        job, wanted = self._job, self._job.groups.groups.sampling
        settings = KSamplerSettings(wanted.steps, wanted.cfg, wanted.sampler_name, wanted.scheduler, 1.0)
        prompts, latent = job.groups.prompts, {"samples": torch.zeros_like(self._latents[0][:1])}
        setup = as_ksampler(job.model, prompts.positive[0], prompts.negative, latent, 0, settings)
        return NoiseLevels.of_schedule(setup.sigmas)

    def _sampled(self, denoiser: HostDenoiser, stage: str, progress: ProgressCallback) -> Tensor | None:
        """Latents of the previews with the LoRA as it is; None where they fail. A preview never ends a training."""
        try:
            return self._previewer.sample(denoiser.sampling_model, stage, progress)
        except Exception as error:
            if is_cancel(error):
                raise
            self._leave_out(error)
        return None

    def _show_previews(
        self, before: Tensor | None = None, after: Tensor | None = None, step: int = 0
    ) -> None:
        """Decode previews into the view."""
        try:
            if before is not None:
                self.view = _changed(self.view, before=self._previewer.pictures(before))
            if after is not None:
                pictures = self._previewer.pictures(after)
                self.view = _changed(self.view, after=pictures, after_step=step)
        except Exception as error:
            if is_cancel(error):
                raise
            self._leave_out(error)

    def _leave_out(self, error: Exception) -> None:
        logging.warning("GAN-RM: previews of the training are left out: %s", error)
        self._has_previews = False
        self._notes.append(
            _NO_PREVIEW if is_out_of_memory(error) else f"Previews were left out, for they failed: {error}"
        )
        free_cached_memory(self._job.model.load_device)

    def _show(self, kept: TrainedLora) -> None:
        self.view = _changed(self.view, trace=kept.trace)
        if self._job.previews:
            self._show_previews(kept.before, kept.after, kept.trace.kept)


def _changed(view: TrainingView, **changes: Any) -> TrainingView:
    return TrainingView(**{**vars(view), **changes})

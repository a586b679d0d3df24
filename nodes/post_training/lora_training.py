"""The work of Train LoRA on Groups: previews, training, and the disk cache around them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.post_training.choices import Choice, choose
from ...ganrm_core.post_training.config import GroupTraining, LoraSettings
from ...ganrm_core.post_training.sigmas import NoiseLevels
from ...ganrm_core.post_training.trainer import GroupTrainer, TrainingTrace
from ...ganrm_core.post_training.training_card import TrainingView, live_training_card, training_body
from ...ganrm_core.post_training.training_words import check_kept
from ...ganrm_core.post_training.watch import NO_MEMORY
from ...ganrm_core.reports.live_preview import Stage
from ...ganrm_core.utils.device_memory import free_cached_memory, is_out_of_memory
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ...ganrm_core.utils.time_left import Phase, time_left_words
from ..host.progress import Live, is_cancel
from ..host.sampling.sampling_setup import KSamplerSettings, as_ksampler
from ..host.training.fingerprints import known_fingerprint
from ..host.training.prompt_set import PromptedGroups
from .cancellable import CancellableDenoiser
from .lora_cache import LoraCache, TrainedLora, lora_key
from .lora_checks import check_groups, check_guidance, input_warnings, no_memory_words
from .lora_preview import Budget, Previewer

if TYPE_CHECKING:
    from ..host.training.denoiser import HostDenoiser

_BEFORE, _TRAINING, _AFTER = "sampling before", "training", "sampling after"
_CALL_S = 0.1  # only proportions matter
_BACKWARD = 3.0  # calls that a prediction with its gradient is worth
_DRAWN_SHARE = 0.05
_NO_PREVIEW = "There was not enough memory for previews, so they were left out."


@dataclass(frozen=True)
class Job:
    """What is trained, and how. `checkpointing`: None leaves it to the size of the model."""

    model: Any
    groups: PromptedGroups
    training: GroupTraining
    lora: LoraSettings
    start: Mapping[str, Tensor] | None = None
    vae: Any | None = None
    checkpointing: bool | None = None
    previews: bool = True


class LoraTraining:
    """One run of the node. `view` is what there is to see of it so far, `warnings` sentences about the inputs.

    Raises DataError for groups that this model cannot be trained on.
    """

    def __init__(self, job: Job) -> None:
        from ..host.training.refusals import check_trainable

        check_groups(job.model, job.groups)
        check_guidance(job.model, job.groups.groups.sampling.cfg, job.training.method)
        self._latents = [group.latents for group in job.groups.groups.groups]
        self._shape = (job.training.micro_batch, *self._latents[0].shape[1:])
        check_trainable(job.model, job.groups.prompts, self._shape)
        self.choice: Choice = choose(job.groups.groups, job.training.keep, job.training.method == "pairs")
        self._job = job
        self._previewer = Previewer(job.model, job.groups, job.vae)
        self._has_previews = job.previews and self._previewer.possible
        self._notes: list[str] = []
        self._fingerprint = known_fingerprint("model", job.model)
        self.warnings = input_warnings(job.model, self._fingerprint, job.groups, job.vae)
        for warning in self.warnings:  # the training is long, and the summary comes at its end
            logging.warning("Train LoRA on Groups: %s", warning)
        self.view = TrainingView(TrainingTrace(), job.training.steps)
        self._body: Image.Image | None = None
        self._draw_at = 0.0

    def phases(self) -> list[Phase]:
        """The stages of the work, weighed by calls of the model."""
        job = self._job
        guided = job.training.method == "best" and job.groups.groups.sampling.cfg != 1.0
        predictions = job.training.batch * (2 if guided or job.training.method == "pairs" else 1)
        preview = self._previewer.calls * _CALL_S if self._has_previews else 0.0
        return [
            Phase(_BEFORE, preview, "backbone"),
            Phase(_TRAINING, job.training.steps * predictions * _BACKWARD * _CALL_S, "backbone"),
            Phase(_AFTER, preview, "backbone"),
        ]

    def draw(self, live: Live) -> Image.Image:
        """The node's preview. Pictures and curves are drawn anew as often as costs a small share of the time."""
        start = time.monotonic()
        if self._body is None or start >= self._draw_at:
            self._body = training_body(self.view)
            now = time.monotonic()
            self._draw_at = now + (now - start) / _DRAWN_SHARE
        step, left = live.step, time_left_words(live.seconds_left)
        stage = Stage(step.stage, step.done, step.total, live.share, left, live.stopped)
        return live_training_card(self._body, stage)

    def run(self, progress: ProgressCallback) -> tuple[TrainedLora, str]:
        """The LoRA, and why it is not kept for the next run ("" if it is). `progress` may raise to cancel."""
        job = self._job
        cache = LoraCache(lora_key(self._fingerprint, job.groups, job.training, job.lora, job.start))
        kept = cache.load()
        if kept is None or self._lacks_last_previews(kept):
            try:
                kept = self._worked_out(cache, kept, progress)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                free_cached_memory(job.model.load_device)
                raise DataError(no_memory_words(job.lora, job.checkpointing)) from error
        self._show(kept)
        kept.notes += self._notes
        return kept, cache.problem

    def _lacks_last_previews(self, kept: TrainedLora) -> bool:
        return self._has_previews and kept.before is not None and kept.after is None

    def _worked_out(
        self, cache: LoraCache, kept: TrainedLora | None, progress: ProgressCallback
    ) -> TrainedLora:
        """Trains unless `kept` is a finished training, and samples the last previews."""
        from ..host.training.denoiser import trainable

        job = self._job
        with trainable(
            job.model,
            job.groups.prompts,
            job.lora,
            self._shape,
            kept.lora if kept else job.start,
            seed=job.training.seed,
            checkpointing=job.checkpointing,
        ) as denoiser:
            if kept is None:
                kept = self._trained(denoiser, progress)
                if kept.trace.stopped != NO_MEMORY:  # another time there may be enough
                    cache.store(kept)  # before anything else: Cancel must not lose it
            else:
                self._show(kept)
            if self._lacks_last_previews(kept):
                kept.after = self._sampled(denoiser, _AFTER, progress)
                if kept.after is not None:
                    cache.store_preview(kept.after)
        return kept

    def _trained(self, denoiser: HostDenoiser, progress: ProgressCallback) -> TrainedLora:
        job, budget = self._job, Budget()
        before = None
        if self._has_previews:
            with budget.timed(counts=False):
                before = self._sampled(denoiser, _BEFORE, progress)
            self._show_previews(before=before)
        start = time.monotonic()

        def latents(places: Sequence[tuple[int, int]]) -> Tensor:
            return denoiser.to_model_scale(
                torch.stack([self._latents[group][sample] for group, sample in places])
            )

        def observe(trace: TrainingTrace) -> None:
            step = trace.steps[-1].number
            self.view = _changed(self.view, trace=trace)
            progress(Progress(_TRAINING, step, job.training.steps))
            if before is not None and self._has_previews and step < job.training.steps and budget.is_due:
                with budget.timed():
                    after = self._sampled(
                        denoiser, _TRAINING, _standing_still(progress, step, job.training.steps)
                    )
                    self._show_previews(after=after, step=step)

        progress(Progress(_TRAINING, 0, job.training.steps))
        trainer = GroupTrainer(
            CancellableDenoiser(denoiser),
            self.choice,
            latents,
            self._levels(),
            job.training,
            job.groups.groups.sampling.cfg,
        )
        trace = trainer.run(observe)
        check_kept(trace)
        return TrainedLora(
            denoiser.lora_dict(),
            trace,
            list(denoiser.notes),
            time.monotonic() - start,
            trainer.micro_batch,
            before,
        )

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


def _standing_still(progress: ProgressCallback, done: int, total: int) -> Callable[[Progress], None]:
    """Reports that training is still at the step `done`, and raises on Cancel."""
    return lambda _: progress(Progress(_TRAINING, done, total))

"""The watch of Train LoRA on Groups: pictures made on the way by ComfyUI's own sampler, and judged."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...ganrm_core.post_training.group_watch import PictureWatch, watched_groups
from ...ganrm_core.post_training.round_signs import Look
from ...ganrm_core.post_training.sigmas import NoiseLevels
from ...ganrm_core.post_training.watch import HeldOut
from ...ganrm_core.post_training.watched_pictures import WatchedPictures
from ...ganrm_core.utils.device_memory import free_cached_memory, is_out_of_memory
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..host.progress import is_cancel
from ..host.training.fingerprints import known_fingerprint
from ..host.training.rollouts import Rollouts
from .cancellable import CancellableDenoiser
from .lora_job import Job
from .lora_stages import WATCHING
from .rounds_studio import HostStudio

if TYPE_CHECKING:
    from ..host.training.denoiser import HostDenoiser

_BLIND = "Look closely with Compare Models."


def check_watch(job: Job) -> None:
    """Raise DataError for a reward whose pictures nothing decodes."""
    if job.reward is not None and job.vae is None:
        raise DataError(
            "To watch the training by pictures, the reward must see them: connect the VAE that belongs to the model as well."
        )


def watch_warnings(job: Job) -> list[str]:
    """Sentences on tastes that are not used, or are not those that judged the groups."""
    if job.reward is None:
        return ["The judge is not asked: connect the reward as well, and the VAE."] if job.judge else []
    made, known = job.groups.groups.reward, known_fingerprint("reward", job.reward)
    if made and known and made != known:
        return ["The training is watched with another taste than the one that scored the groups."]
    return []


def watch_fingerprints(job: Job) -> list[str]:
    """Of all that the watch depends on besides the training, "" for what is not known; empty without a watch."""
    if job.reward is None:
        return []
    known = known_fingerprint
    judge = [known("reward", job.judge)] if job.judge else []
    return [known("vae", job.vae), known("reward", job.reward), *judge]


class HostWatch:
    """Follows the `Watcher` protocol. `note`: why nobody looks any more, as a sentence; "" while the watch works."""

    def __init__(
        self, job: Job, denoiser: HostDenoiser, levels: NoiseLevels, progress: ProgressCallback
    ) -> None:
        assert job.reward is not None
        self.note = ""
        self._device, self._progress = job.model.load_device, progress
        made, prompts = job.groups.groups, job.groups.prompts
        empty = torch.zeros_like(made.groups[0].latents[:1], dtype=torch.float32)
        rollouts = Rollouts(denoiser.sampling_model, prompts, made.sampling, {"samples": empty})
        studio = HostStudio(denoiser, rollouts, job.vae, (job.reward, job.judge), prompts.texts)
        studio.report = self._report
        groups = watched_groups(made, job.training.seed)
        self._groups, self._sampled, self._before = groups, 0.0, 0.0
        self._watch = PictureWatch(WatchedPictures(CancellableDenoiser(denoiser), studio, levels, groups))

    def look(self, step: int, held_out: HeldOut | None) -> Look | None:
        """Only before training, when nothing can be lost, it raises for anything but memory that runs out, and Cancel."""
        if self.note:
            return None
        self._before = self._sampled
        self._report(self._sampled)
        try:
            return self._watch.look(step, held_out)
        except Exception as error:
            if is_cancel(error) or (step == 0 and not is_out_of_memory(error)):
                raise
            logging.warning("GAN-RM: the watch over the training has ended: %s", error)
            why = "there was not enough memory for it" if is_out_of_memory(error) else f"it failed: {error}"
            since = f"from step {step} on" if step else "by pictures"
            self.note = f"The training was not watched {since}, for {why.rstrip('.')}. {_BLIND}"
        free_cached_memory(self._device)
        return None

    def state(self) -> dict[str, Tensor]:
        return self._watch.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._watch.load_state(state)

    def _report(self, sampled: float) -> None:
        """`sampled`: groups so far, those of earlier looks too."""
        self._sampled = max(self._sampled, sampled)
        total = sum(len(seeds) for _, seeds in self._groups)
        done = int((self._sampled - self._before) * total / len(self._groups))
        self._progress(Progress(WATCHING, min(done, total), total))

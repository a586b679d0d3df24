"""A running training in rounds: its progress, and what of it goes onto the disk after every round."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from torch import Tensor

from ...ganrm_core.post_training.rounds import RoundTraining
from ...ganrm_core.post_training.rounds_state import packed
from ...ganrm_core.utils.progress import Progress
from .rounds_store import KeptRounds
from .rounds_studio import SEEN, HostStudio

if TYPE_CHECKING:
    from ..host.training.denoiser import HostDenoiser

STAGE = "training"
UNITS = 1000  # of progress, a round
_SAMPLING_SHARE = 0.6
"""Of a round, for the bar; the rest is learning."""


class RoundsSession:
    """Follows `training` from where it is."""

    def __init__(
        self,
        training: RoundTraining,
        studio: HostStudio,
        denoiser: HostDenoiser,
        features: tuple[Tensor, Tensor],
        earlier: KeptRounds | None,
    ) -> None:
        """`features`: of liked and ordinary pictures, for the refreshed reward. `earlier`: what is gone on from."""
        self._training, self._studio, self._denoiser, self._features = training, studio, denoiser, features
        self._lora = earlier.lora if earlier else denoiser.lora_dict()
        self._before = earlier.before if earlier else []
        self._now = earlier.now if earlier else []
        self._looks = len(training.trace.looks)
        self._start = time.monotonic() - (earlier.seconds if earlier else 0.0)
        self._round, self._sampled, self._sampled_before = -1, 0.0, 0.0

    def progress(self, sampled: float) -> Progress:
        """`sampled`: how many groups the studio has sampled so far, 0 where nothing is known."""
        plan, done = self._training.plan, len(self._training.trace.losses)
        self._sampled = max(self._sampled, sampled)
        if done != self._round:
            self._round, self._sampled_before = done, self._sampled
        share = min(1.0, (self._sampled - self._sampled_before) / plan.groups)
        return Progress(STAGE, int(UNITS * (done + _SAMPLING_SHARE * share)), UNITS * plan.rounds)

    def observed(self) -> KeptRounds:
        """The training as it is, for the disk and the view."""
        trace = self._training.trace
        if len(trace.looks) > self._looks:
            self._looks = len(trace.looks)
            if self._looks == 1:
                self._before = self._pictures()
            if trace.best == self._looks - 1:
                self._lora, self._now = self._denoiser.lora_dict(), self._pictures()
        return KeptRounds(
            packed(self._training),
            self._lora,
            *self._features,
            self._before,
            self._now,
            time.monotonic() - self._start,
        )

    def _pictures(self) -> list[Tensor]:
        """Of the seeds that were watched last."""
        prompts = [prompt for prompt, _ in self._training.plan.watched_groups()]
        each = -(-SEEN // len(prompts))
        return [picture for prompt in prompts for picture in self._studio.seen[prompt][:each]][:SEEN]

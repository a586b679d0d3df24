"""A LoRA training in rounds that takes a second: points instead of pictures, the toy generator of the tests."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ganrm_core.post_training.nft_trainer import NftSettings, NftTrainer
from ganrm_core.post_training.round_limits import LIMITS
from ganrm_core.post_training.rounds import Parts, Plan, RoundTraining
from ganrm_core.post_training.studio import Judged
from ganrm_core.post_training.watch import HeldOutError
from tests.unit_support.toy_generator import LEVELS, ToyDenoiser

_PLAN = Plan(prompts=2, rounds=6, groups=2, pictures=16, watched=32, every=2)


class _Studio:
    """Samples of the toy; the reward is their first value."""

    def __init__(self, denoiser: ToyDenoiser) -> None:
        self._denoiser = denoiser

    def sample(self, prompt: int, seeds: Sequence[int]) -> Tensor:
        return self._denoiser.generated(len(seeds), prompt, seed=seeds[0])[..., None, None]

    def judge(self, prompt: int, latents: Tensor, *, watched: bool = False) -> Judged:  # noqa: ARG002
        values = latents.flatten(1)
        return Judged(values[:, 0], values, None)


def toy_training() -> RoundTraining:
    denoiser = ToyDenoiser()
    studio = _Studio(denoiser)
    settings = NftSettings(learning_rate=0.05, micro_batch=16, seed=1)
    learner = NftTrainer(denoiser, LEVELS, settings, studio.sample)
    liked = ToyDenoiser().generated(16, 0, seed=9)[..., None, None]
    held_out = HeldOutError(liked, [0] * 16, LEVELS, seed=2)
    parts = Parts(denoiser, learner, studio, LEVELS, None, held_out, studio.judge(0, liked))
    return RoundTraining(parts, _PLAN, LIMITS)

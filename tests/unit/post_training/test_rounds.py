"""Training in rounds: seeds, the watch's looks, limits, going back to the best, and going on after a stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from unit_support.toy_generator import LEVELS, ToyDenoiser

from ganrm_core.post_training.lora_optimiser import NotANumberError
from ganrm_core.post_training.nft_trainer import NftSettings, NftTrainer
from ganrm_core.post_training.round_limits import LIMITS, SIGNS, Limit, best_of, stops, values, warnings
from ganrm_core.post_training.round_signs import Look
from ganrm_core.post_training.rounds import Parts, Plan, RoundTraining
from ganrm_core.post_training.rounds_state import packed, unpack
from ganrm_core.post_training.studio import Judged
from ganrm_core.post_training.watch import NO_MEMORY, NOT_A_NUMBER, HeldOut, HeldOutError

PLAN = Plan(prompts=2, rounds=6, groups=2, pictures=16, watched=32, every=2)
NO_LIMITS = {sign: Limit(math.inf, math.inf) for sign in SIGNS} | {
    sign: Limit(-math.inf, -math.inf, below=True) for sign in SIGNS if LIMITS[sign].below
}


class ToyStudio:
    """Samples of the toy; the reward is their first value, the judge that of the second less the first."""

    def __init__(self, denoiser: ToyDenoiser, judged: bool = False) -> None:
        self.denoiser, self.judged = denoiser, judged
        self.sampled: list[Sequence[int]] = []

    def sample(self, prompt: int, seeds: Sequence[int]) -> Tensor:
        self.sampled.append(list(seeds))
        return self.denoiser.generated(len(seeds), prompt, seed=seeds[0])[..., None, None]

    def judge(self, prompt: int, latents: Tensor, *, watched: bool = False) -> Judged:
        values = latents.flatten(1)
        second = values[:, 1] - values[:, 0] if self.judged and watched else None
        return Judged(values[:, 0], values, second)


class ToyRefresh:
    """The first value less the mean of what it has seen: no reward is left for what all samples have."""

    def __init__(self) -> None:
        self.seen = torch.zeros(())

    def add(self, judged: Judged) -> None:
        self.seen = judged.features[:, 0].mean()

    def logits(self, judged: Judged) -> Tensor:
        return judged.features[:, 0] - self.seen

    newest = logits

    def state(self) -> dict[str, Tensor]:
        return {"seen": self.seen}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.seen = state["seen"]


def training(
    denoiser: ToyDenoiser, plan: Plan = PLAN, limits: Mapping[Any, Limit] = NO_LIMITS, judged: bool = False
) -> RoundTraining:
    studio = ToyStudio(denoiser, judged)
    learner = NftTrainer(
        denoiser, LEVELS, NftSettings(learning_rate=0.05, micro_batch=16, seed=1), studio.sample
    )
    liked = ToyDenoiser().generated(16, 0, seed=9)[..., None, None]
    held_out = HeldOutError(liked, [0] * 16, LEVELS, seed=2)
    parts = Parts(denoiser, learner, studio, LEVELS, ToyRefresh(), held_out, studio.judge(0, liked))
    return RoundTraining(parts, plan, limits)


def test_prompts_take_turns_and_no_seed_comes_twice() -> None:
    plan = Plan(prompts=3, groups=2, pictures=4, watched=8, seed=5)
    groups = [group for number in (1, 2, 3) for group in plan.groups_of(number)] + plan.watched_groups()
    assert [prompt for prompt, _ in groups] == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    seeds = [seed for _, some in groups for seed in some]
    assert len(set(seeds)) == len(seeds)
    assert [prompt for prompt, _ in Plan(prompts=100).watched_groups()] == [0, 25, 50, 75]


def test_rounds_please_the_reward_and_the_looks_say_so() -> None:
    run = training(ToyDenoiser())
    trace = run.run()
    assert [look.rounds for look in trace.looks] == [0, 2, 4, 6]
    before, *_, last = trace.looks
    assert (before.reward, before.spread, before.diversity, before.held_out) == (0, 1, 1, HeldOut(1, 1))
    assert last.reward > 0.2
    assert last.lead is not None
    assert last.lead > 0
    assert last.contrast == trace.losses[-1].contrast
    assert not trace.stopped
    assert set(trace.seconds) == {"making", "judging", "learning", "refitting", "watching"}


def test_the_watch_stops_and_the_lora_is_the_one_of_the_best_look() -> None:
    denoiser = ToyDenoiser()
    states: dict[int, Tensor] = {}
    limits = NO_LIMITS | {"judge": Limit(0.3, 0.6)}
    run = training(denoiser, replace(PLAN, rounds=30, every=1), limits, judged=True)
    trace = run.run(lambda: states.setdefault(len(run.trace.losses), denoiser.bias.detach().clone()))
    assert trace.stopped == "judge"
    assert len(trace.losses) < 30
    assert values(trace.looks[-1])["judge"] > 0.6
    assert torch.equal(denoiser.bias, states[trace.kept])
    assert all(not warnings(look, limits) for look in trace.looks[: trace.best + 1])


def test_a_stop_at_any_round_goes_on_as_if_there_had_been_none() -> None:
    whole, first, second = ToyDenoiser(), ToyDenoiser(), ToyDenoiser()
    expected = training(whole).run()
    run = training(first)

    def interrupt() -> None:
        if len(run.trace.losses) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(interrupt)
    again = training(second)
    unpack(again, packed(run))
    assert again.run() == expected
    assert torch.equal(second.bias, whole.bias)
    assert torch.equal(second.weight, whole.weight)


def test_what_breaks_after_a_good_look_ends_training_there_and_before_it_is_raised() -> None:
    calls = ToyDenoiser()
    run = training(calls, replace(PLAN, rounds=2))
    run.run()
    for stopped, broken in ((NOT_A_NUMBER, "broken_after"), (NO_MEMORY, "full_after")):
        denoiser = ToyDenoiser(**{broken: calls.calls})
        trace = training(denoiser).run()
        assert (trace.stopped, trace.kept) == (stopped, 2)
        assert torch.isfinite(denoiser.bias).all()
    with pytest.raises(NotANumberError):
        training(ToyDenoiser(broken_after=90)).run()
    with pytest.raises(RuntimeError, match="out of memory"):
        training(ToyDenoiser(full_after=90)).run()


def test_signs_beyond_their_limits() -> None:
    fine = Look(4, reward=1.0, spread=0.9, diversity=0.95)
    assert values(fine) == {"spread": 0.9, "diversity": 0.95}
    assert warnings(fine) == stops(fine) == []
    ill = replace(fine, diversity=0.7, judge=-5.0, held_out=HeldOut(1.0, math.nan), prompts=0.4)
    assert warnings(ill) == ["details", "diversity", "judge", "prompts"]
    assert stops(ill) == ["details", "judge", "prompts"]


def test_the_best_look_is_the_healthy_one_that_pleases_most() -> None:
    looks = [Look(0, 0.0, 1.0, 1.0), Look(4, 1.0, 1.0, 1.0), Look(8, 0.9, 1.0, 1.0), Look(12, 2.0, 1.0, 0.5)]
    assert best_of(looks) == 1
    assert best_of([replace(look, judge=-look.reward) for look in looks]) == 0
    assert best_of([looks[0], replace(looks[1], reward=math.nan)]) == 0
    assert best_of([replace(look, reward=0.0) for look in looks]) == 0

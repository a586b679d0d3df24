"""The watch over a training on groups: when it looks, what ends training, and whose weights are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
import torch
from unit_support.toy_generator import LEVELS, ToyDenoiser, make_groups

from ganrm_core.post_training.choices import choose
from ganrm_core.post_training.config import GroupTraining
from ganrm_core.post_training.group_watch import PictureWatch, Watcher, look_steps, watched_groups
from ganrm_core.post_training.round_signs import Look
from ganrm_core.post_training.studio import Judged
from ganrm_core.post_training.trainer import GroupTrainer
from ganrm_core.post_training.training_trace import TrainingTrace
from ganrm_core.post_training.watch import NOT_A_NUMBER, HeldOut, Limits
from ganrm_core.post_training.watched_pictures import WatchedPictures

GROUPS = make_groups()


class Studio:
    """Samples of the toy; the reward is their first value, the judge their second."""

    def __init__(self, denoiser: ToyDenoiser) -> None:
        self.denoiser = denoiser

    def sample(self, prompt: int, seeds: Sequence[int]) -> torch.Tensor:
        return self.denoiser.generated(len(seeds), prompt, seed=seeds[0])[..., None, None]

    def judge(self, prompt: int, latents: torch.Tensor, *, watched: bool = False) -> Judged:
        values = latents.flatten(1)
        return Judged(values[:, 0], values, values[:, 1] if watched else None)


def trained_by(denoiser: ToyDenoiser, watcher: Watcher | None) -> TrainingTrace:
    """40 steps, watched by `watcher`."""

    def latents(places: Any) -> torch.Tensor:
        return torch.stack([GROUPS.groups[group].latents[sample] for group, sample in places])

    settings = GroupTraining(steps=40, learning_rate=0.05)
    trainer = GroupTrainer(denoiser, choose(GROUPS, 0, False), latents, LEVELS, settings)
    return trainer.run(lambda _: None, Limits(*[math.inf] * 4), watcher)


@lru_cache
def unwatched() -> tuple[ToyDenoiser, TrainingTrace]:
    denoiser = ToyDenoiser()
    return denoiser, trained_by(denoiser, None)


class Eyes:
    """Looks at the toy's points, or sees what it is told to at given steps. `seen`: the weights at each look."""

    def __init__(
        self, denoiser: ToyDenoiser, told: Mapping[int, Any] | None = None, blind_from: int = 10**9
    ) -> None:
        self.denoiser, self.told, self.blind_from = denoiser, told or {}, blind_from
        self.seen: dict[int, torch.Tensor] = {}
        self.held_out: list[HeldOut | None] = []

    def look(self, step: int, held_out: HeldOut | None) -> Look | None:
        self.seen[step] = self.denoiser.weight.detach().clone()
        self.held_out.append(held_out)
        healthy = Look(step, step / 100, 1.0, 1.0, held_out)
        return None if step >= self.blind_from else replace(healthy, **self.told.get(step, {}))


def watched(
    told: Mapping[int, Any] | None = None, blind_from: int = 10**9, **settings: Any
) -> tuple[Any, ...]:
    denoiser = ToyDenoiser(**settings)
    eyes = Eyes(denoiser, told, blind_from)
    return denoiser, eyes, trained_by(denoiser, eyes)


class TestWatch:
    def test_it_looks_before_training_and_at_five_moments_and_learns_the_same(self) -> None:
        denoiser, eyes, trace = watched()
        assert [look.rounds for look in trace.looks] == [0, 8, 16, 24, 32, 40]
        assert eyes.held_out[0] == HeldOut(1.0, 1.0)
        assert eyes.held_out[-1] == trace.steps[-1].held_out
        assert (trace.best, trace.kept, trace.stopped) == (5, 40, "")
        plain, without = unwatched()
        assert denoiser.weight.equal(plain.weight)
        assert (without.looks, without.best, without.losses) == ([], None, trace.losses)

    @pytest.mark.parametrize(("steps", "expected"), [(1, (1,)), (3, (1, 2, 3)), (7, (2, 3, 5, 6, 7))])
    def test_short_trainings_are_looked_at_as_often_as_there_are_steps(
        self, steps: int, expected: Any
    ) -> None:
        assert look_steps(steps) == expected

    def test_a_sign_ends_training_and_the_weights_are_those_of_the_best_look(self) -> None:
        denoiser, eyes, trace = watched({16: {"reward": 0.5}, 32: {"diversity": 0.5, "reward": 3.0}})
        assert (trace.stopped, trace.stopped_by, len(trace.steps)) == ("diversity", ["diversity"], 32)
        assert (trace.best, trace.kept) == (2, 16)
        assert denoiser.weight.equal(eyes.seen[16])

    def test_after_all_steps_the_weights_are_those_of_the_best_look(self) -> None:
        denoiser, eyes, trace = watched({24: {"reward": 0.5}})
        assert (trace.stopped, trace.kept) == ("", 24)
        assert denoiser.weight.equal(eyes.seen[24])
        assert not denoiser.weight.equal(eyes.seen[40])

    def test_if_nothing_was_better_the_last_weights_stay_unless_a_sign_ended_training(self) -> None:
        worse = {step: {"reward": -1.0} for step in look_steps(40)}
        denoiser, eyes, trace = watched(worse)
        assert (trace.best, trace.kept) == (0, 40)
        assert denoiser.weight.equal(eyes.seen[40])
        denoiser, eyes, trace = watched({**worse, 16: {"spread": 0.1}})
        assert (trace.best, trace.kept, trace.stopped) == (0, 0, "spread")
        assert denoiser.weight.equal(eyes.seen[0])

    def test_a_watch_that_goes_blind_leaves_training_as_without_it(self) -> None:
        denoiser, _, trace = watched(blind_from=16)
        assert [look.rounds for look in trace.looks] == [0, 8]
        assert (trace.best, trace.kept, trace.stopped) == (None, 40, "")
        assert denoiser.weight.equal(unwatched()[0].weight)

    def test_what_breaks_later_goes_back_to_the_best_look(self) -> None:
        calls = unwatched()[0].calls
        denoiser, eyes, trace = watched({8: {"reward": 0.5}}, broken_after=calls - 5)
        assert (trace.stopped, trace.kept) == (NOT_A_NUMBER, 8)
        assert denoiser.weight.equal(eyes.seen[8])


def test_watched_pictures_are_of_prompts_and_seeds_spread_over_the_groups() -> None:
    groups = make_groups(count=20, prompts=10)
    taken = replace(
        groups, groups=(replace(groups.groups[0], seeds=tuple(range(2**40, 2**40 + 8))), *groups.groups[1:])
    )
    found = watched_groups(taken, 0)
    assert [prompt for prompt, _ in found] == [0, 2, 5, 7]
    seeds = [seed for _, some in found for seed in some]
    assert len(set(seeds)) == 32
    assert not set(seeds) & {seed for group in taken.groups for seed in group.seeds}
    assert [prompt for prompt, _ in watched_groups(make_groups(prompts=1), 0)] == [0]


def test_looks_compare_with_the_pictures_before_training_after_a_restart_too() -> None:
    def watch(denoiser: ToyDenoiser) -> PictureWatch:
        return PictureWatch(WatchedPictures(denoiser, Studio(denoiser), LEVELS, watched_groups(GROUPS, 0)))

    denoiser = ToyDenoiser()
    first = watch(denoiser)
    before = first.look(0, HeldOut(1.0, 1.0))
    assert (before.reward, before.spread, before.diversity, before.judge, before.prompts) == (0, 1, 1, 0, 1)
    with torch.no_grad():
        denoiser.bias -= 0.5
    moved = first.look(8, None)
    assert moved.reward > 0.2
    assert moved.held_out is None
    again = watch(denoiser)
    again.load_state(first.state())
    assert again.look(8, None) == moved

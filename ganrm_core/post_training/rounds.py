"""Training of a LoRA in rounds: the generator samples, a reward scores, a learner learns, and a watch looks on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..utils.device_memory import is_out_of_memory
from .denoiser import Denoiser
from .learner import Learner, RoundGroup, RoundLosses
from .lora_optimiser import NotANumberError
from .round_limits import LIMITS, Limit, Sign, best_of, stops
from .round_signs import Comparison, Look
from .sigmas import NoiseLevels
from .studio import Judged, RefreshedReward, Studio
from .watch import NO_MEMORY, NOT_A_NUMBER, HeldOutError
from .watched_pictures import WatchedPictures

_WATCHED_FROM, _ORDINARY_FROM = 2**40, 2**41
"""Seeds of the watched pictures and of those made before training, beyond those of any round."""


@dataclass(frozen=True)
class Plan:
    """`prompts`: how many there are; they take turns, `groups` of them a round, `pictures` of each.

    `watched`: pictures that the watch looks at, the same ones every `every` rounds.
    """

    prompts: int
    rounds: int = 32
    groups: int = 4
    pictures: int = 16
    watched: int = 32
    every: int = 4
    seed: int = 0

    def groups_of(self, number: int) -> list[tuple[int, list[int]]]:
        """Prompt and seeds of each group of round `number`, from 1."""
        first = (number - 1) * self.groups
        return [
            (place % self.prompts, self._seeds(place * self.pictures, self.pictures))
            for place in range(first, first + self.groups)
        ]

    def watched_groups(self) -> list[tuple[int, list[int]]]:
        """Prompt and seeds of what is watched: at most four prompts, spread over all."""
        count = min(4, self.prompts)
        prompts = [place * self.prompts // count for place in range(count)]
        each = max(2, self.watched // count)
        return [
            (prompt, self._seeds(_WATCHED_FROM + place * each, each)) for place, prompt in enumerate(prompts)
        ]

    def ordinary_groups(self, count: int) -> list[tuple[int, list[int]]]:
        """Prompt and seeds of `count` pictures or a few more that show what the generator makes before training."""
        places = range(-(-count // self.pictures))
        return [
            (place % self.prompts, self._seeds(_ORDINARY_FROM + place * self.pictures, self.pictures))
            for place in places
        ]

    def _seeds(self, first: int, count: int) -> list[int]:
        return [(self.seed + first + number) % 2**64 for number in range(count)]


@dataclass
class RoundsTrace:
    """What happened so far: losses of each round, and the looks of the watch, the first before training.

    `stopped`: why training ended early, else "": signs with commas between them, or a constant of `watch`. `best`: position
    of the best look. `seconds`: how long each kind of work took in all.
    """

    losses: list[RoundLosses] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    stopped: str = ""
    best: int = 0
    seconds: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def kept(self) -> int:
        """After how many rounds the model was best."""
        return self.looks[self.best].rounds if self.looks else 0


@dataclass(frozen=True)
class Parts:
    """What a training in rounds works with.

    `refreshed`: the reward that follows the generator, None for one that stays as it is. `held_out`, `liked`: denoising
    error on liked pictures that nothing learns from, and how such are judged; None without.
    """

    denoiser: Denoiser
    learner: Learner
    studio: Studio
    levels: NoiseLevels
    refreshed: RefreshedReward | None = None
    held_out: HeldOutError | None = None
    liked: Judged | None = None


class RoundTraining:
    """Rounds of training; `trace` is what is known so far, `best` the LoRA's parameters at the best look."""

    def __init__(self, parts: Parts, plan: Plan, limits: Mapping[Sign, Limit] = LIMITS) -> None:
        self.parts, self.plan, self.trace, self.limits = parts, plan, RoundsTrace(), limits
        self.comparison: Comparison | None = None
        self.first_gain = 0.0
        self.best = self._parameters()

    def run(self, observe: Callable[[], None] = lambda: None) -> RoundsTrace:
        """Train all rounds that are left; the LoRA is the best one afterwards.

        `observe` is called before the first round and after every round, and what it raises passes through. The watch,
        a loss that is no number, or memory that runs out end training early, the last two only after a look at trained
        weights: before, they are raised.
        """
        trace = self.trace
        if not trace.looks:
            self.look()
            observe()
        while len(trace.losses) < self.plan.rounds and not trace.stopped:
            trace.stopped = self._tried(self.round)
            if self._is_due and not trace.stopped:
                with self._timed("watching"):
                    trace.stopped = self._tried(self.look)
            observe()
        self._restore(self.best)
        return trace

    def round(self) -> RoundLosses:
        """Sample, score, learn, and refit the reward."""
        parts, groups, seen = self.parts, [], []
        for prompt, seeds in self.plan.groups_of(len(self.trace.losses) + 1):
            with self._timed("making"):
                latents = parts.learner.sample(prompt, seeds)
            with self._timed("judging"):
                judged = parts.studio.judge(prompt, latents)
            logits = parts.refreshed.logits(judged) if parts.refreshed else judged.logits
            groups.append(RoundGroup(prompt, latents, logits))
            seen.append(judged)
        with self._timed("learning"):
            losses = parts.learner.learn(groups)
        if parts.refreshed:
            with self._timed("refitting"):
                parts.refreshed.add(Judged.joined(seen))
        self.trace.losses.append(losses)
        return losses

    def look(self) -> Look:
        """Watch the same prompts and seeds as before training, and keep the LoRA if it is the best so far."""
        parts, trace = self.parts, self.trace
        pictures = WatchedPictures(parts.denoiser, parts.studio, parts.levels, self.plan.watched_groups())
        judged, gain = pictures.judged()
        if self.comparison is None:
            self.comparison, self.first_gain = Comparison(judged), gain
        lead = None
        if parts.refreshed and parts.liked:
            made, liked = (parts.refreshed.newest(each) for each in (Judged.joined(judged), parts.liked))
            lead = float(made.nanmean() - liked.nanmean())
        held_out = parts.held_out.measure(parts.denoiser) if parts.held_out else None
        losses = trace.losses[-1] if trace.losses else None
        gains = (self.first_gain, gain)
        look = self.comparison.look(len(trace.losses), judged, held_out, gains, lead, losses)
        trace.looks.append(look)
        trace.best = best_of(trace.looks, self.limits)
        if trace.looks[trace.best] is look:
            self.best = self._parameters()
        if len(trace.looks) > 1:
            trace.stopped = ", ".join(stops(look, self.limits))
        return look

    @contextmanager
    def _timed(self, work: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        seconds = self.trace.seconds
        seconds[work] = seconds.get(work, 0.0) + time.monotonic() - start

    @property
    def _is_due(self) -> bool:
        done = len(self.trace.losses)
        return done % self.plan.every == 0 or done == self.plan.rounds

    def _tried(self, work: Callable[[], object]) -> str:
        """Why `work` has ended the training, "" if it has not."""
        try:
            work()
        except Exception as error:
            reason = _reason(error)
            if not reason or not self.trace.kept:
                raise
            return reason
        return self.trace.stopped

    def _parameters(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parts.denoiser.parameters]

    @torch.no_grad()
    def _restore(self, copies: Sequence[Tensor]) -> None:
        for parameter, copy in zip(self.parts.denoiser.parameters, copies, strict=True):
            parameter.copy_(copy)


def _reason(error: Exception) -> str:
    """Why the training cannot go on, "" for an error that is none of its own."""
    if isinstance(error, NotANumberError):
        return NOT_A_NUMBER
    return NO_MEMORY if is_out_of_memory(error) else ""

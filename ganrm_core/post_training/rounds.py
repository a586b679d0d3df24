"""Training of a LoRA in rounds: the generator samples, a reward scores, a learner learns, and a watch looks on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .denoiser import Denoiser
from .learner import Learner, RoundGroup, RoundLosses
from .prompt_fit import prompt_errors
from .round_signs import Comparison, Look
from .sigmas import NoiseLevels
from .studio import Judged, RefreshedReward, Studio
from .watch import HeldOutError

_WATCHED_FROM = 2**40
"""Seeds of the watched pictures, beyond those of any round."""
_TOGETHER = 8


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

    def _seeds(self, first: int, count: int) -> list[int]:
        return [(self.seed + first + number) % 2**64 for number in range(count)]


@dataclass
class RoundsTrace:
    """What happened so far: losses of each round, and the looks of the watch, the first before training."""

    losses: list[RoundLosses] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)


@dataclass(frozen=True)
class Parts:
    """What a training in rounds works with.

    `refreshed`: the reward that follows the generator, None for one that stays as it is. `held_out`: denoising error on
    liked pictures that are not trained on, None without.
    """

    denoiser: Denoiser
    learner: Learner
    studio: Studio
    levels: NoiseLevels
    refreshed: RefreshedReward | None = None
    held_out: HeldOutError | None = None


class RoundTraining:
    """Rounds of training; `trace` is what is known so far."""

    def __init__(self, parts: Parts, plan: Plan) -> None:
        self.parts, self.plan, self.trace = parts, plan, RoundsTrace()
        self._comparison: Comparison | None = None
        self._first_gain = 0.0

    def start(self) -> Look:
        """Look at the generator before training."""
        return self._look(None)

    def round(self) -> RoundLosses:
        """Sample, score, learn, and refit the reward."""
        parts, groups, seen = self.parts, [], []
        for prompt, seeds in self.plan.groups_of(len(self.trace.losses) + 1):
            latents = parts.learner.sample(prompt, seeds)
            judged = parts.studio.judge(prompt, latents)
            logits = parts.refreshed.logits(judged) if parts.refreshed else judged.logits
            groups.append(RoundGroup(prompt, latents, logits))
            seen.append(judged)
        losses = parts.learner.learn(groups)
        if parts.refreshed:
            parts.refreshed.add(Judged.joined(seen))
        self.trace.losses.append(losses)
        return losses

    def look(self) -> Look:
        return self._look(self.trace.losses[-1])

    def _look(self, losses: RoundLosses | None) -> Look:
        parts = self.parts
        found = [self._watched(prompt, seeds) for prompt, seeds in self.plan.watched_groups()]
        judged = [each for each, _ in found]
        gain = sum(each for _, each in found) / len(found)
        if self._comparison is None:
            self._comparison, self._first_gain = Comparison(judged), gain
        lead = None
        if parts.refreshed:
            lead = (
                float(parts.refreshed.logits(Judged.joined(judged)).nanmean())
                - parts.refreshed.reference_logit
            )
        held_out = parts.held_out.measure(parts.denoiser) if parts.held_out else None
        look = self._comparison.look(
            len(self.trace.losses), judged, held_out, (self._first_gain, gain), lead, losses
        )
        self.trace.looks.append(look)
        return look

    def _watched(self, prompt: int, seeds: Sequence[int]) -> tuple[Judged, float]:
        """Pictures of watched seeds as judged, and how much better they fit their prompt than none."""
        parts = self.parts
        latents = parts.studio.sample(prompt, seeds)
        errors = prompt_errors(parts.denoiser, latents, [None, prompt], parts.levels, _TOGETHER)
        return parts.studio.judge(prompt, latents), float((errors[:, 0] - errors[:, 1]).mean())

"""N candidates, of which the best are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.rewards.base import Reward, Scores
from ...ganrm_core.selection.close_calls import SPOILT, close_calls, in_words
from ...ganrm_core.selection.early_stopping import chance_of_better
from ...ganrm_core.selection.non_finite import (
    check_some_are_judged,
    check_some_are_left,
    is_spoilt,
    marked,
    spoilt_in_words,
    stand_in,
)
from ...ganrm_core.selection.successive_halving import Look, Schedule, looks, work
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..host.progress import Live
from ..host.sampling.candidate import Candidate
from ..host.sampling.decoding import half_made_decoder, preview_decoder, rough_decoder, vae_decoder
from ..host.sampling.multi_seed_sampler import MultiSeedSampler, Watcher
from ..host.sampling.sampling_setup import Setup
from .live_sheet import LiveSheet

Decoder = Literal["vae", "preview decoder"]
DECODERS: tuple[Decoder, ...] = get_args(Decoder)

_AT_ONCE = 8  # pictures decoded and scored together: more would only take memory


@dataclass(frozen=True)
class Rules:
    """`stop_below`: no further round of `round_size` candidates once the chance that one of it is kept is smaller."""

    count: int
    keep: int
    schedule: Schedule
    decoder: Decoder = "vae"
    together: int = 1
    stop_below: float = 0.0
    round_size: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.keep <= self.count:
            raise DataError(
                f"keep is {self.keep} of {self.count} candidates. Keep at least 1 and at most all of them."
            )
        if self.decoder not in DECODERS:
            raise DataError(f"There is no decoder {self.decoder!r}. Use one of: {', '.join(DECODERS)}.")
        if self.together < 1 or self.round_size < 1:
            raise DataError("Candidates per call and candidates per round are 1 or more.")

    def rounds(self) -> list[range]:
        size = max(self.round_size, self.keep) if self.stop_below > 0 else self.count
        return [range(first, min(first + size, self.count)) for first in range(0, self.count, size)]


@dataclass(frozen=True)
class Finalist:
    """A candidate that was finished.

    `latent` [1, C, H, W] as a LATENT socket has it, `picture` [H, W, 3] in 0–1; both of the best ones only.
    """

    number: int
    seed: int
    logit: float
    score: float
    latent: Tensor | None
    picture: Tensor | None


@dataclass
class Seen:
    """Scores of half-made candidates: after how many steps, and each one's score by its number (0 for a spoilt one)."""

    step: int
    scores: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """`kept` best first. `work`: calls of the model, as a share of those it takes to finish all candidates.

    `scores`: of every candidate, None for those given up. `spoilt`: the numbers of those that could not be judged when
    they were last looked at; they have the score 0 and are never kept.
    """

    kept: list[Finalist]
    made: int
    work: float
    seen: list[Seen]
    scores: list[float | None]
    spoilt: list[int]
    summary: str
    sheet: Image.Image


class HalvingRun:
    """One run of a Best-of-N Sampler node."""

    def __init__(self, setup: Setup, vae: Any, reward: Reward, rules: Rules) -> None:
        """Raises DataError for what cannot give a choice."""
        setup.check(rules.count)
        self._setup, self._reward, self._rules = setup, reward, rules
        self._patcher = setup.guider.model_patcher
        self._decode = vae_decoder(vae)
        self._look_decode = half_made_decoder(self._patcher.model, self._decode)
        self._rough = rough_decoder(self._patcher.model)
        self._notes: list[str] = []
        if rules.decoder == "preview decoder" and rules.schedule:
            self._use_preview_decoder()
        self._board = LiveSheet(rules.count, setup.steps)
        self._seen: dict[int, Seen] = {}
        self._first_logits: dict[int, float] = {}
        self._last_logits: dict[int, float] = {}
        self._bad_pixels: set[int] = set()
        self._finalists: list[Finalist] = []
        self._calls: list[int] = []
        self._whole_calls: list[int] = []
        self._steps: dict[int, int] = {}
        self._made = self._total = 0

    def draw(self, live: Live) -> Image.Image:
        """What to show meanwhile."""
        return self._board.live(live)

    def run(self, progress: ProgressCallback) -> Outcome:
        """`progress` may raise, and so cancel."""
        rounds = self._rules.rounds()
        self._total = sum(self._planned(len(numbers)) for numbers in rounds)
        for numbers in rounds:
            if self._made and self._enough(len(numbers)):
                break
            self._run_round(numbers, progress)
        return self._outcome()

    def _use_preview_decoder(self) -> None:
        quick = preview_decoder(self._patcher.model, self._patcher.load_device)
        if quick:
            self._look_decode = quick
        else:
            self._notes.append(
                "models/vae_approx holds no preview decoder for this model, so the VAE decoded the looks"
            )

    def _planned(self, count: int) -> int:
        return work(self._plan(count), self._setup.steps, count)

    def _plan(self, count: int) -> tuple[Look, ...]:
        return looks(self._rules.schedule, self._setup.steps, count, self._rules.keep)

    def _enough(self, more: int) -> bool:
        """By the first score of each candidate: only that one was seen of all of them."""
        chance = chance_of_better(list(self._first_logits.values()), more, self._rules.keep)
        if chance >= self._rules.stop_below:
            return False
        self._notes.append(
            f"stopped early: one of the next {more} would be kept with a chance of {chance:.0%}"
        )
        return True

    def _run_round(self, numbers: range, progress: ProgressCallback) -> None:
        setup = self._setup
        candidates = [setup.candidate(number) for number in numbers]
        self._made += len(candidates)
        watcher = Watcher(
            stepped=lambda candidate: self._stepped(candidate, progress),
            choose=lambda look, alive: self._choose(look, alive, progress),
        )
        inside = MultiSeedSampler(
            setup.sampler, candidates, self._plan(len(numbers)), watcher, self._rules.together
        )
        samples = setup.sample(candidates, inside)
        self._calls += [each.calls for each in candidates]
        self._whole_calls += [each.calls for each in inside.survivors]
        if inside.shared < self._rules.together:
            self._notes.append(
                f"memory let {inside.shared} of {self._rules.together} candidates share a call"
            )
        for first in range(0, len(samples), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            self._finish(inside.survivors[part], samples[part], progress)

    def _stepped(self, candidate: Candidate, progress: ProgressCallback) -> None:
        self._steps[candidate.number] = candidate.steps
        if self._rough and candidate.clean is not None and not self._board.is_judged(candidate.number):
            self._board.show(candidate.number, self._rough(candidate.clean)[0])
        self._report(progress)

    def _report(self, progress: ProgressCallback) -> None:
        # A sampler with steps of its own may be past a look when it comes to it.
        progress(Progress("Sampling", min(sum(self._steps.values()), self._total), self._total))

    def _choose(self, look: Look, alive: Sequence[Candidate], progress: ProgressCallback) -> list[Candidate]:
        logits: list[float] = []
        for first in range(0, len(alive), _AT_ONCE):
            some = alive[first : first + _AT_ONCE]
            clean = torch.cat([each.clean for each in some if each.clean is not None])
            scores = self._judge(some, self._look_decode(clean), progress, look.step)
            logits += scores.logit.tolist()
            seen = self._seen.setdefault(look.step, Seen(look.step))
            seen.scores |= {
                each.number: score for each, score in zip(some, scores.score.tolist(), strict=True)
            }
        if not self._finalists:  # else those of earlier rounds can still be chosen from
            self._check_some_are_left([each.number for each in alive], f"pictures after {look.step} steps")
        # Spoilt ones go on only where nothing better is left: finished, they may turn out well.
        ranked = sorted(range(len(alive)), key=lambda place: -logits[place])
        chosen = set(ranked[: look.survivors])
        for place, each in enumerate(alive):
            if place not in chosen:
                self._board.give_up(each.number, look.step)
        self._report(progress)
        return [each for place, each in enumerate(alive) if place in chosen]

    def _finish(self, candidates: Sequence[Candidate], latents: Tensor, progress: ProgressCallback) -> None:
        pictures = self._decode(latents)
        scores = self._judge(candidates, pictures, progress)
        for place, each in enumerate(candidates):
            metrics = float(scores.logit[place]), float(scores.score[place])
            latent, picture = latents[place : place + 1].clone(), pictures[place].clone()
            self._finalists.append(Finalist(each.number, each.seed, *metrics, latent, picture))
        self._finalists.sort(key=lambda each: -each.logit)
        # Hundreds of large pictures that nobody gets would not fit in memory.
        for place in range(self._rules.keep, len(self._finalists)):
            self._finalists[place] = replace(self._finalists[place], latent=None, picture=None)

    def _judge(
        self,
        candidates: Sequence[Candidate],
        pictures: Tensor,
        progress: ProgressCallback,
        step: int | None = None,
    ) -> Scores:
        """`step`: after how many steps, None for finished pictures."""
        spoilt = {place for place, picture in enumerate(pictures) if is_spoilt(picture)}
        shown = [stand_in(each) if place in spoilt else each for place, each in enumerate(pictures)]
        scores = marked(self._reward.score(shown, None, lambda _: self._report(progress)), spoilt)
        self._bad_pixels -= {
            each.number for each in candidates
        }  # what was spoilt half-made may turn out well
        self._bad_pixels |= {candidates[place].number for place in spoilt}
        for place, each in enumerate(candidates):
            logit = self._last_logits[each.number] = float(scores.logit[place])
            if logit != SPOILT:
                self._first_logits.setdefault(each.number, logit)
            self._board.show(each.number, pictures[place])
            self._board.judge(each.number, logit, float(scores.score[place]), step)
        return scores

    def _check_some_are_left(self, numbers: Sequence[int], what: str) -> None:
        check_some_are_left(self._bad_pixels.intersection(numbers), len(numbers), what)
        check_some_are_judged([self._last_logits[number] for number in numbers])

    def _outcome(self) -> Outcome:
        self._check_some_are_left([each.number for each in self._finalists], "pictures")
        judged = [each for each in self._finalists if each.logit != SPOILT]
        spoilt = sorted(number for number, logit in self._last_logits.items() if logit == SPOILT)
        kept = judged[: self._rules.keep]
        final = {each.number: each.score for each in self._finalists}
        title = f"{self._made} candidates, {len(kept)} kept: {_named(kept)}"
        whole = sum(self._whole_calls) / len(self._whole_calls)
        share = sum(self._calls) / (self._rules.count * whole)
        dropped = self._made - len(self._finalists)
        steps = " and ".join(map(str, self._seen))
        hints = [
            spoilt_in_words(spoilt),
            _close(judged, self._rules.keep),
            f"{dropped} given up half-made, after {steps} steps" if dropped else "",
            f"{share:.0%} of the work of {self._rules.count} finished pictures" if share < 0.995 else "",
            *self._notes,
        ]
        hint = " · ".join(filter(None, hints))
        return Outcome(
            kept,
            self._made,
            share,
            list(self._seen.values()),
            [final.get(number) for number in range(self._made)],
            spoilt,
            " · ".join(filter(None, (title, hint))),
            self._board.final([each.number for each in kept], title, hint),
        )


def _named(kept: Sequence[Finalist]) -> str:
    first = [f"{each.number + 1} (seed {each.seed}, score {score_text(each.score)})" for each in kept[:4]]
    return ", ".join([*first, "…"] if len(kept) > 4 else first)


def _close(finalists: Sequence[Finalist], keep: int) -> str:
    """`finalists`: best first."""
    logits, scores = [each.logit for each in finalists], [each.score for each in finalists]
    calls = close_calls([range(len(finalists))], logits, scores, keep)
    return in_words(calls, [str(each.number + 1) for each in finalists])

"""A run that steers: half-sampled candidates with high rewards are forked, and a winner is made again from its path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.non_finite import INVALID_LOGIT
from ...ganrm_core.selection.ranking import CandidateScores, select_best
from ...ganrm_core.selection.search_path import Fork, check_path
from ...ganrm_core.selection.steering import (
    Level,
    Search,
    path_levels,
    path_steps,
    resample,
    resample_steps,
    spread,
)
from ...ganrm_core.selection.successive_halving import HalvingRung
from ...ganrm_core.utils.progress import ProgressCallback
from ..host.sampling.candidate import Candidate
from ..host.sampling.sampling_setup import Setup
from .draft_run import DraftRun
from .halving_result import Finalist, Outcome
from .halving_run import HalvingRun
from .halving_settings import HalvingSettings

_SEEDS = 2**64
_SHOWN = 4  # as many paths are named as scores


class _ForkingRun(HalvingRun):
    """Forks are numbered after the first candidates, and each has the seed of its number."""

    def __init__(
        self, setup: Setup, vae: Any, reward: Reward, settings: HalvingSettings, prompt: str | None = None
    ) -> None:
        super().__init__(setup, vae, reward, settings, prompt)
        setup.check_forks()

    def _run_to_end(
        self, candidates: list[Candidate], steps: Sequence[int], progress: ProgressCallback
    ) -> Outcome:
        rungs = tuple(HalvingRung(step, len(candidates)) for step in steps)
        self._run_round(candidates, rungs, progress)
        return self._outcome()

    def _fork(self, parent: Candidate, start: int, seed: int | None = None) -> Candidate:
        number = self._made
        self._made += 1
        self._sheet.add()
        own = (self._setup.seed + number) % _SEEDS if seed is None else seed
        return self._setup.fork(parent, number, own, start)

    def _drop(self, rung: HalvingRung, alive: Sequence[Candidate], chosen: Sequence[Candidate]) -> None:
        for each in alive:
            if each not in chosen:
                self._sheet.drop(each.number, rung.step)

    def _note_paths(self, kept: Sequence[Finalist]) -> None:
        self._notes += [f"path of number {each.number + 1}: {each.path}" for each in kept[:_SHOWN]]

    def _work(self) -> float:
        """Sampling steps as a share of those of as many finished pictures as there were first candidates.

        Not by model calls, as no candidate need have been sampled from its first step to its last.
        """
        return sum(self._steps.values()) / (self._settings.count * self._setup.steps)


class PathsRun(_ForkingRun):
    """Search over Paths: the best go on, beside forks of them that go back some steps and try other noise."""

    _levels: dict[int, Level]

    def run(self, progress: ProgressCallback) -> Outcome:
        count, steps = self._settings.count, self._setup.steps
        levels = path_levels(steps, count, self._settings.keep)
        self._levels = {level.step: level for level in levels}
        self._total = path_steps(levels, steps, count)
        return self._run_to_end(
            [self._setup.candidate(number) for number in range(count)], list(self._levels), progress
        )

    def _survivors(
        self, rung: HalvingRung, alive: Sequence[Candidate], progress: ProgressCallback
    ) -> list[Candidate]:
        level = self._levels[rung.step]
        ranks = select_best(CandidateScores(self._look(rung, alive, progress))).ranks
        order = sorted(range(len(alive)), key=lambda place: ranks[place])
        best = [alive[place] for place in order[: level.survivors]]
        self._drop(rung, alive, best)
        # By turns, beginning with the best, where not all get as many forks.
        return best + [self._fork(best[turn % len(best)], level.start) for turn in range(level.forks)]


class ResampleRun(_ForkingRun):
    """Feynman-Kac steering: candidates are resampled by how much their logits have risen."""

    _weights: dict[int, tuple[float, float]]
    """By number: the log-weight, and the logit when last weighed."""
    _spread = 0.0

    def run(self, progress: ProgressCallback) -> Outcome:
        count, steps = self._settings.count, self._setup.steps
        looks = resample_steps(steps)
        self._total = count * steps
        self._weights = dict.fromkeys(range(count), (0.0, 0.0))
        return self._run_to_end([self._setup.candidate(number) for number in range(count)], looks, progress)

    def _survivors(
        self, rung: HalvingRung, alive: Sequence[Candidate], progress: ProgressCallback
    ) -> list[Candidate]:
        logits = self._look(rung, alive, progress)
        weights = [self._weights[each.number] for each in alive]
        # That of the first look throughout: later ones are of copies, which lie close together.
        self._spread = self._spread or spread(logits)
        gains = [(logit - before) / self._spread for logit, (_, before) in zip(logits, weights, strict=True)]
        found = resample([log for log, _ in weights], gains, self._setup.seed + rung.step)
        chosen: list[Candidate] = []
        for each, copies, log, logit in zip(alive, found.copies, found.log_weights, logits, strict=True):
            # The first copy goes on as it is; what is drawn more often differs by new noise.
            same = [each] if copies else []
            same += [self._fork(each, rung.step) for _ in range(copies - 1)]
            known = 0.0 if logit == INVALID_LOGIT else logit
            self._weights |= {one.number: (log, known) for one in same}
            chosen += same
        self._drop(rung, alive, chosen)
        return chosen


class PathRun(_ForkingRun):
    """Makes the one picture of a path again."""

    _to_come: list[Fork]

    def run(self, progress: ProgressCallback) -> Outcome:
        """Raises DataError for a path of more steps than there are."""
        path, steps = self._settings.path, self._setup.steps
        assert path
        check_path(path, steps)
        self._to_come = list(path.forks)
        self._total = steps + sum(fork.after - fork.start for fork in path.forks)
        first = self._setup.candidate_of(0, path.seed)
        return self._run_to_end([first], [fork.after for fork in path.forks], progress)

    def _work_hints(self, work: float) -> list[str]:  # noqa: ARG002
        return ["made again"]

    def _survivors(
        self,
        rung: HalvingRung,
        alive: Sequence[Candidate],
        progress: ProgressCallback,  # noqa: ARG002
    ) -> list[Candidate]:
        fork = self._to_come.pop(0)
        self._drop(rung, alive, [])
        return [self._fork(alive[0], fork.start, fork.seed)]


def run_of(settings: HalvingSettings) -> type[HalvingRun]:
    """The kind of run that the settings ask for."""
    if settings.path:
        return PathRun
    if settings.draft.kind != "off":
        return DraftRun
    runs: dict[Search, type[HalvingRun]] = {
        "best of n": HalvingRun,
        "paths": PathsRun,
        "resample": ResampleRun,
    }
    return runs[settings.search]

"""A run of drafts: candidates are sampled with a step cache or fewer steps, and the best of them again, exactly in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.drafts import draft_rungs
from ...ganrm_core.selection.ranking import CandidateScores, select_best
from ...ganrm_core.selection.successive_halving import HalvingRung
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..host.sampling.candidate import Candidate
from ..host.sampling.sampling_setup import Setup
from ..host.sampling.shortcuts import DraftShortcut, ModelAnswer, Replay
from .halving_result import Outcome
from .halving_run import AT_ONCE, HalvingRun
from .halving_settings import HalvingSettings


class DraftRun(HalvingRun):
    """Drafts are pruned like finished candidates; those made in full begin with the model's answers a draft had already."""

    def __init__(
        self, setup: Setup, vae: Any, reward: Reward, settings: HalvingSettings, prompt: str | None = None
    ) -> None:
        """Raises DataError for so few steps that drafts save nothing."""
        super().__init__(setup, vae, reward, settings, prompt)
        self._draft = settings.draft
        self._levels = self._draft.levels(setup.steps)
        if self._draft.kind == "fewer steps":
            self._round_setup = replace(setup, sigmas=setup.sigmas[list(self._levels)])
        self._in_full = self._draft.in_full(settings.count, settings.keep)
        self._draft_logits: dict[int, float] = {}
        self._exact: dict[int, list[ModelAnswer]] = {}
        self._drafted_steps = 0

    def run(self, progress: ProgressCallback) -> Outcome:
        self._run_rounds(progress, more_steps=self._in_full * self._setup.steps)
        self._check_some_valid(list(self._draft_logits), "drafts")
        chosen = self._best_drafts()
        for number in self._draft_logits:
            if number not in chosen:
                self._sheet.drop(number, "draft")
        self._drafted_steps = sum(self._steps.values())
        self._steps.clear()
        candidates = [self._setup.candidate(number) for number in chosen]
        for each in candidates:
            each.shortcut = Replay(self._exact.pop(each.number, []))
        # One per call whatever the drafts had: each is then the very picture of its seed.
        super()._finish(*self._sampled(self._setup, candidates, (), progress, together=1), progress)
        return self._outcome()

    def _candidate(self, number: int) -> Candidate:
        candidate = super()._candidate(number)
        if self._draft.kind == "step cache":
            candidate.shortcut = DraftShortcut(self._draft.threshold)
        return candidate

    def _rungs_for(self, count: int) -> tuple[HalvingRung, ...]:
        return draft_rungs(super()._rungs_for(count), self._levels)

    def _finish(self, candidates: Sequence[Candidate], samples: Tensor, progress: ProgressCallback) -> None:
        for first in range(0, len(samples), AT_ONCE):
            some = candidates[first : first + AT_ONCE]
            scores = self._score(some, self._decode(samples[first : first + AT_ONCE]), progress, "draft")
            for each, logit in zip(some, scores.logit.tolist(), strict=True):
                self._draft_logits[each.number] = logit
                if isinstance(each.shortcut, DraftShortcut):
                    self._exact[each.number] = each.shortcut.exact
        best = self._best_drafts()
        self._exact = {number: known for number, known in self._exact.items() if number in best}

    def _best_drafts(self) -> list[int]:
        """The numbers of the drafts to make in full, the best first."""
        numbers = list(self._draft_logits)
        ranks = select_best(CandidateScores(list(self._draft_logits.values()))).ranks
        ranked = sorted(zip(ranks, numbers, strict=True))
        return [number for _, number in ranked[: self._in_full]]

    @property
    def _has_finished(self) -> bool:
        return bool(self._draft_logits)

    def _report(self, progress: ProgressCallback) -> None:
        done = self._drafted_steps + sum(self._steps.values())
        progress(Progress("Sampling", min(done, self._total), self._total))

    def _work_hints(self, work: float) -> list[str]:
        way = "a step cache" if self._draft.kind == "step cache" else "fewer steps"
        pruned, steps = self._made - len(self._draft_logits), " and ".join(map(str, self._rungs))
        return [
            f"{self._made} drafted with {way}",
            f"{pruned} given up half-made, after {steps} steps" if pruned else "",
            f"{len(self._finalists)} made in full",
            f"{work:.0%} of the work of {self._settings.count} finished pictures",
        ]

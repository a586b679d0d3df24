"""Successive halving while sampling: N candidates are scored on the way, the weakest dropped, the best kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.rewards.base import Reward, Scores
from ...ganrm_core.selection.close_calls import close_calls_text
from ...ganrm_core.selection.early_stopping import probability_of_improvement
from ...ganrm_core.selection.non_finite import (
    INVALID_LOGIT,
    check_some_finite,
    check_some_scored,
    find_invalid,
    invalid_text,
    mark_invalid,
    replace_invalid,
)
from ...ganrm_core.selection.ranking import CandidateScores, select_best
from ...ganrm_core.selection.search_path import SearchPath
from ...ganrm_core.selection.settings import SelectionSettings
from ...ganrm_core.selection.successive_halving import HalvingRung, halving_rungs, total_steps
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..host.progress import Live
from ..host.sampling.candidate import Candidate
from ..host.sampling.decoding import half_made_decoder, preview_decoder, rough_decoder, vae_decoder
from ..host.sampling.multi_seed_sampler import MultiSeedSampler, Watcher
from ..host.sampling.sampling_setup import Setup
from .halving_result import Finalist, Outcome, RungScores, candidate_scores, kept_text
from .halving_settings import HalvingSettings
from .live_sheet import LiveSheet, Stage

AT_ONCE = 8  # pictures decoded and scored together: more would only take memory


class HalvingRun:
    """One run of a Best-of-N Sampler node."""

    def __init__(
        self, setup: Setup, vae: Any, reward: Reward, settings: HalvingSettings, prompt: str | None = None
    ) -> None:
        """`prompt`: of all candidates, for a reward that needs it.

        Raises DataError for a setup that cannot be sampled `settings.count` times.
        """
        setup.check(settings.count)
        self._setup, self._reward, self._settings = setup, reward, settings
        self._round_setup = setup
        self._prompt = prompt
        self._patcher = setup.guider.model_patcher
        self._decode = vae_decoder(vae)
        self._decode_half_sampled = half_made_decoder(self._patcher.model, self._decode)
        self._decode_roughly = rough_decoder(self._patcher.model)
        self._notes: list[str] = []
        if settings.decoder == "preview decoder" and (settings.schedule or settings.steers):
            self._use_preview_decoder()
        self._sheet = LiveSheet(settings.count, setup.steps)
        self._rungs: dict[int, RungScores] = {}
        self._first_logits: dict[int, float] = {}
        self._last_logits: dict[int, float] = {}
        self._non_finite: set[int] = set()
        self._finalists: list[Finalist] = []
        self._calls: list[int] = []
        self._finalist_calls: list[int] = []
        self._steps: dict[int, int] = {}
        self._made = self._total = 0

    def draw(self, live: Live) -> Image.Image:
        """The contact sheet so far."""
        return self._sheet.live(live)

    def run(self, progress: ProgressCallback) -> Outcome:
        """`progress` may raise to cancel."""
        self._run_rounds(progress)
        return self._outcome()

    def _run_rounds(self, progress: ProgressCallback, more_steps: int = 0) -> None:
        """`more_steps`: that will be sampled after the rounds."""
        rounds, steps = self._settings.rounds(), self._round_setup.steps
        self._total = more_steps + sum(
            total_steps(self._rungs_for(len(numbers)), steps, len(numbers)) for numbers in rounds
        )
        for numbers in rounds:
            if self._made and self._stops_early(len(numbers)):
                break
            candidates = [self._candidate(number) for number in numbers]
            self._run_round(candidates, self._rungs_for(len(candidates)), progress)

    def _candidate(self, number: int) -> Candidate:
        return self._setup.candidate(number)

    def _use_preview_decoder(self) -> None:
        decoder = preview_decoder(self._patcher.model, self._patcher.load_device)
        if decoder:
            self._decode_half_sampled = decoder
        else:
            self._notes.append(
                "models/vae_approx holds no preview decoder for this model, so the VAE decoded the looks"
            )

    def _rungs_for(self, count: int) -> tuple[HalvingRung, ...]:
        return halving_rungs(self._settings.schedule, self._setup.steps, count, self._settings.keep)

    def _stops_early(self, more: int) -> bool:
        # Of dropped candidates only the first score is known, so it is compared for all.
        chance = probability_of_improvement(list(self._first_logits.values()), more, self._settings.keep)
        if chance >= self._settings.stop_below:
            return False
        self._notes.append(
            f"stopped early: one of the next {more} would be kept with a chance of {chance:.0%}"
        )
        return True

    def _run_round(
        self, candidates: list[Candidate], rungs: Sequence[HalvingRung], progress: ProgressCallback
    ) -> None:
        self._made += len(candidates)
        survivors, samples = self._sampled(self._round_setup, candidates, rungs, progress)
        self._finish(survivors, samples, progress)

    def _sampled(
        self,
        setup: Setup,
        candidates: list[Candidate],
        rungs: Sequence[HalvingRung],
        progress: ProgressCallback,
        together: int | None = None,
    ) -> tuple[list[Candidate], Tensor]:
        """The candidates that survived, and their latents. `together`: if not as the settings have it."""
        together = together or self._settings.together
        watcher = Watcher(
            stepped=lambda candidate: self._stepped(candidate, progress),
            choose=lambda rung, alive: self._survivors(rung, alive, progress),
        )
        sampler = MultiSeedSampler(setup.sampler, candidates, rungs, watcher, together)
        samples = setup.sample(candidates, sampler)
        self._calls += [each.calls for each in sampler.begun]
        if sampler.shared < together:
            self._notes.append(f"memory let {sampler.shared} of {together} candidates share a call")
        return sampler.survivors, samples

    def _finish(self, candidates: Sequence[Candidate], samples: Tensor, progress: ProgressCallback) -> None:
        self._finalist_calls += [each.asked for each in candidates]
        for first in range(0, len(samples), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            self._add_finalists(candidates[part], samples[part], progress)

    def _stepped(self, candidate: Candidate, progress: ProgressCallback) -> None:
        self._steps[candidate.number] = candidate.steps - candidate.start
        if (
            self._decode_roughly
            and candidate.clean is not None
            and not self._sheet.is_scored(candidate.number)
        ):
            self._sheet.show(candidate.number, self._decode_roughly(candidate.clean)[0])
        self._report(progress)

    def _report(self, progress: ProgressCallback) -> None:
        # A sampler with steps of its own may have passed a rung before it is dropped there.
        progress(Progress("Sampling", min(sum(self._steps.values()), self._total), self._total))

    def _survivors(
        self, rung: HalvingRung, alive: Sequence[Candidate], progress: ProgressCallback
    ) -> list[Candidate]:
        """Score half-sampled candidates and drop all but the best."""
        # Invalid ones survive only where too few are valid: once finished, they may be fine.
        ranks = select_best(CandidateScores(self._look(rung, alive, progress))).ranks
        survivors = []
        for each, rank in zip(alive, ranks, strict=True):
            if rank <= rung.survivors:
                survivors.append(each)
            else:
                self._sheet.drop(each.number, rung.step)
        self._report(progress)
        return survivors

    def _look(self, rung: HalvingRung, alive: Sequence[Candidate], progress: ProgressCallback) -> list[float]:
        """The logits of half-sampled candidates."""
        logits: list[float] = []
        for first in range(0, len(alive), AT_ONCE):
            some = alive[first : first + AT_ONCE]
            clean = torch.cat([each.clean for each in some if each.clean is not None])
            scores = self._score(some, self._decode_half_sampled(clean), progress, rung.step)
            logits += scores.logit.tolist()
            so_far = self._rungs.setdefault(rung.step, RungScores(rung.step))
            so_far.scores |= {
                each.number: score for each, score in zip(some, scores.score.tolist(), strict=True)
            }
        if not self._has_finished:  # else there are those of earlier rounds to choose from
            self._check_some_valid([each.number for each in alive], f"pictures after {rung.step} steps")
        return logits

    @property
    def _has_finished(self) -> bool:
        """Whether a picture of an earlier round is there to choose from."""
        return bool(self._finalists)

    def _add_finalists(
        self, candidates: Sequence[Candidate], latents: Tensor, progress: ProgressCallback
    ) -> None:
        pictures = self._decode(latents)
        scores = self._score(candidates, pictures, progress)
        for i, each in enumerate(candidates):
            finalist = Finalist(
                number=each.number,
                seed=each.seed,
                logit=float(scores.logit[i]),
                score=float(scores.score[i]),
                uncertainty=float(scores.uncertainty[i]),
                latent=latents[i : i + 1].clone(),
                picture=pictures[i].clone(),
                path=each.path or SearchPath(each.seed),
            )
            self._finalists.append(finalist)
        self._finalists.sort(key=lambda each: -each.logit)
        # Hundreds of large pictures that are not kept would not fit in memory.
        for i in range(self._settings.keep, len(self._finalists)):
            self._finalists[i] = replace(self._finalists[i], latent=None, picture=None)

    def _score(
        self,
        candidates: Sequence[Candidate],
        pictures: Tensor,
        progress: ProgressCallback,
        stage: Stage = None,
    ) -> Scores:
        """`stage`: after how many steps, None for finished pictures."""
        invalid = find_invalid(pictures)
        valid_pictures = replace_invalid(pictures, invalid)
        prompts = None if self._prompt is None else [self._prompt] * len(valid_pictures)
        scores = mark_invalid(
            self._reward.score(valid_pictures, prompts, lambda _: self._report(progress)), invalid
        )
        self._non_finite -= {each.number for each in candidates}  # the latest picture counts
        self._non_finite |= {candidates[i].number for i in invalid}
        for i, each in enumerate(candidates):
            logit = self._last_logits[each.number] = float(scores.logit[i])
            if logit != INVALID_LOGIT:
                self._first_logits.setdefault(each.number, logit)
            self._sheet.show(each.number, pictures[i])
            self._sheet.set_score(each.number, logit, float(scores.score[i]), stage)
        return scores

    def _check_some_valid(self, numbers: Sequence[int], what: str) -> None:
        check_some_finite(self._non_finite.intersection(numbers), len(numbers), what)
        check_some_scored([self._last_logits[number] for number in numbers])

    def _outcome(self) -> Outcome:
        finalists = self._finalists
        self._check_some_valid([each.number for each in finalists], "pictures")
        selection = select_best(candidate_scores(finalists), SelectionSettings(self._settings.keep))
        kept = [finalists[i] for i in selection.kept]
        self._note_paths(kept)
        close = close_calls_text(selection.close, [str(each.number + 1) for each in finalists])
        invalid = sorted(number for number, logit in self._last_logits.items() if logit == INVALID_LOGIT)
        final_scores = {each.number: each.score for each in finalists}
        title = f"{self._made} candidates, {len(kept)} kept: {kept_text(kept)}"
        work = self._work()
        hint = " · ".join(filter(None, (invalid_text(invalid), close, *self._work_hints(work), *self._notes)))
        return Outcome(
            kept,
            self._made,
            work,
            list(self._rungs.values()),
            [final_scores.get(number) for number in range(self._made)],
            invalid,
            " · ".join(filter(None, (title, hint))),
            self._sheet.final([each.number for each in kept], title, hint),
        )

    def _note_paths(self, kept: Sequence[Finalist]) -> None:
        """Nothing to note where the seeds alone make the pictures."""

    def _work(self) -> float:
        """Model calls as a share of those it takes to finish all candidates."""
        calls_to_finish = sum(self._finalist_calls) / len(self._finalist_calls)
        return sum(self._calls) / (self._settings.count * calls_to_finish)

    def _work_hints(self, work: float) -> list[str]:
        dropped = self._made - len(self._finalists)
        steps = " and ".join(map(str, self._rungs))
        return [
            f"{dropped} given up half-made, after {steps} steps" if dropped else "",
            f"{work:.0%} of the work of {self._settings.count} finished pictures" if work < 0.995 else "",
        ]

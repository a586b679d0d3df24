"""Result of a successive-halving run: the kept candidates, all scores, the summary text and the contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image
from torch import Tensor

from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.selection.ranking import CandidateScores
from ...ganrm_core.selection.search_path import SearchPath


@dataclass(frozen=True)
class Finalist:
    """A candidate that was sampled to the end.

    `latent` [1, C, H, W] as in a LATENT, `picture` [H, W, 3] in 0–1; None where others are better, to save memory.
    `path`: how it was made.
    """

    number: int
    seed: int
    logit: float
    score: float
    uncertainty: float
    latent: Tensor | None
    picture: Tensor | None
    path: SearchPath


@dataclass
class RungScores:
    """The scores of half-sampled candidates after `step` steps, by candidate number; 0 for invalid ones."""

    step: int
    scores: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    `kept`: best first. `work`: model calls as a share of those it takes to finish all candidates. `scores`: of every
    candidate, None for those dropped. `invalid`: the numbers of candidates that could not be scored when they last were;
    they have the score 0 and are never kept.
    """

    kept: list[Finalist]
    made: int
    work: float
    rungs: list[RungScores]
    scores: list[float | None]
    invalid: list[int]
    summary: str
    sheet: Image.Image


def candidate_scores(finalists: Sequence[Finalist]) -> CandidateScores:
    return CandidateScores(
        [each.logit for each in finalists],
        [each.score for each in finalists],
        [each.uncertainty for each in finalists],
    )


def kept_text(kept: Sequence[Finalist]) -> str:
    """Such as "3 (seed 44, score 0.812), …": the first four, counted from 1; no seed where it alone does not make it."""
    first = [_with_score(each) for each in kept[:4]]
    return ", ".join([*first, "…"] if len(kept) > 4 else first)


def _with_score(kept: Finalist) -> str:
    seed = "" if kept.path.forks else f"seed {kept.seed}, "
    return f"{kept.number + 1} ({seed}score {score_text(kept.score)})"

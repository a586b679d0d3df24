"""Best-of-N selection on scores alone: rank the candidates of each group and keep the best."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from ..rewards.base import Scores
from ..utils.errors import DataError
from .close_calls import by_lower_bound, close_call
from .non_finite import INVALID_LOGIT
from .settings import SelectionSettings


@dataclass(frozen=True)
class CandidateScores:
    """What candidates are ranked by, one entry each.

    `logits`: higher is better; `INVALID_LOGIT` marks a candidate that cannot be scored. `scores`: compared with
    `min_score`. `uncertainties`: standard deviations of the logits; None where the scores are no calibrated
    probabilities (those of another scorer), then no close calls are looked for.
    """

    logits: Sequence[float]
    scores: Sequence[float] | None = None
    uncertainties: Sequence[float] | None = None

    @classmethod
    def of(cls, scores: Scores) -> CandidateScores:
        return cls(scores.logit.tolist(), scores.score.tolist(), scores.uncertainty.tolist())


@dataclass(frozen=True)
class Selection:
    """Which candidates were kept, in positions of the input.

    `kept` and `rejected` together hold every position once; `rejected` runs best to worst inside each group.
    `ranks`: one per candidate, 1 is the best of its group. `groups`: the positions of each group, in the order in
    which the groups first appear. `invalid`: candidates that cannot be scored; last in their groups, never kept.
    `close`: for each group the positions among which the choice is too close to call (see `close_call`), best
    first; empty without calibrated scores.
    """

    kept: tuple[int, ...]
    rejected: tuple[int, ...]
    ranks: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    invalid: tuple[int, ...] = ()
    close: tuple[tuple[int, ...], ...] = ()


def select_best(
    candidates: CandidateScores,
    settings: SelectionSettings | None = None,
    groups: Sequence[Hashable] | None = None,
) -> Selection:
    """Keep the best of each group.

    Equal logits keep their order. Candidates with equal entries of `groups` are one group; without it
    `settings.group_size` says. Raises DataError for values that cannot be ranked or contradict each other.
    """
    settings = settings or SelectionSettings()
    logits = candidates.logits
    _check(candidates, settings, groups)
    members = _group_positions(len(logits), settings.group_size, groups)
    kept: list[int] = []
    rejected: list[int] = []
    ranks = [0] * len(logits)
    calls: list[tuple[int, ...]] = []
    for group in members:
        ranked, close = _ranked(group, candidates, settings)
        calls.append(close)
        for rank, position in enumerate(ranked, start=1):
            ranks[position] = rank
        chosen = _chosen(ranked, candidates, settings)
        kept += [i for i in (ranked if settings.order == "ranked" else group) if i in chosen]
        rejected += [i for i in ranked if i not in chosen]
    return Selection(
        tuple(kept),
        tuple(rejected),
        tuple(ranks),
        tuple(map(tuple, members)),
        tuple(i for i, logit in enumerate(logits) if logit == INVALID_LOGIT),
        () if candidates.uncertainties is None else tuple(calls),
    )


def _ranked(
    group: Sequence[int], candidates: CandidateScores, settings: SelectionSettings
) -> tuple[list[int], tuple[int, ...]]:
    """The positions of a group best first, and those that are close calls."""
    logits, scores, uncertainties = candidates.logits, candidates.scores, candidates.uncertainties
    ranked = sorted(group, key=lambda i: -logits[i])
    if scores is None or uncertainties is None:
        return ranked, ()
    close = close_call(_valid(ranked, logits), scores, settings.keep, settings.min_score)
    if settings.ties == "surer first":
        reordered = iter(by_lower_bound(close, logits, uncertainties))
        ranked = [next(reordered) if i in close else i for i in ranked]
    return ranked, close


def _chosen(ranked: Sequence[int], candidates: CandidateScores, settings: SelectionSettings) -> set[int]:
    """Those of a group, given best first, that are kept."""
    best = _valid(ranked, candidates.logits)[: settings.keep]
    scores, least = candidates.scores, settings.min_score
    if scores is None or least is None:
        return set(best)
    return {
        position
        for place, position in enumerate(best)
        if place < settings.min_keep or scores[position] >= least
    }


def _valid(positions: Sequence[int], logits: Sequence[float]) -> list[int]:
    return [i for i in positions if logits[i] != INVALID_LOGIT]


def _check(
    candidates: CandidateScores, settings: SelectionSettings, groups: Sequence[Hashable] | None
) -> None:
    for position, logit in enumerate(candidates.logits):
        if not math.isfinite(logit) and logit != INVALID_LOGIT:
            raise DataError(
                f"Candidate {position} has the score {logit}, which cannot be ranked. Score it again."
            )
    if settings.min_score is not None and candidates.scores is None:
        raise DataError("min_score needs the calibrated scores beside the logits.")
    if settings.group_size is not None and groups is not None:
        raise DataError("Give either group_size or groups, not both.")
    uncertainties = candidates.uncertainties if settings.ties == "surer first" else None
    count = len(candidates.logits)
    for name, values in (("scores", candidates.scores), ("groups", groups), ("uncertainties", uncertainties)):
        if values is not None and len(values) != count:
            raise DataError(f"There are {count} candidates but {len(values)} {name}. Give one for each.")
    for name, numbers in (("score", candidates.scores), ("uncertainty", uncertainties)):
        _check_finite(name, () if numbers is None else numbers)


def _check_finite(name: str, values: Iterable[float]) -> None:
    for position, value in enumerate(values):
        if not math.isfinite(value):
            raise DataError(f"Candidate {position} has the {name} {value}. Score it again.")


def _group_positions(
    count: int, group_size: int | None, groups: Sequence[Hashable] | None
) -> list[list[int]]:
    if group_size is not None:
        return [list(range(start, min(start + group_size, count))) for start in range(0, count, group_size)]
    if groups is None:
        return [list(range(count))] if count else []
    positions: dict[Hashable, list[int]] = {}
    for position, group in enumerate(groups):
        positions.setdefault(group, []).append(position)
    return list(positions.values())

"""The rules of best-of-N, on scores alone."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..utils.errors import DataError
from .close_calls import SPOILT, surest_first, too_close

Order = Literal["ranked", "as they came"]
Ties = Literal["by score", "surer first"]


@dataclass(frozen=True)
class Selection:
    """Which candidates were kept. Everything is in positions of the input.

    `kept` and `rejected` together hold every position once; `rejected` runs best to worst inside
    each group. `ranks` has one entry per candidate: 1 is the best of its group. `groups` are the
    positions of each group in the order in which the groups first appear. `spoilt` are the positions
    of those that could not be judged: last in their groups, and never kept.
    """

    kept: tuple[int, ...]
    rejected: tuple[int, ...]
    ranks: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    spoilt: tuple[int, ...] = ()


def select_best(
    logits: Sequence[float],
    *,
    keep: int = 1,
    scores: Sequence[float] | None = None,
    min_score: float | None = None,
    min_keep: int = 0,
    group_size: int | None = None,
    groups: Sequence[Hashable] | None = None,
    order: Order = "ranked",
    ties: Ties = "by score",
    uncertainties: Sequence[float] | None = None,
) -> Selection:
    """Keep the best of each group.

    `logits`: one per candidate; higher is better; equal ones keep their order; −inf stands for a spoilt
    candidate (see the module `spoilt`), which is never kept. `keep`: at most so many of each group.
    `min_score`: only candidates whose `scores` entry reaches it, yet never fewer than `min_keep` of a
    group (or the whole group). Groups are either runs of `group_size` candidates (the last may be
    shorter) or equal entries of `groups`; without either all candidates are one group. `order` "ranked"
    lists each group's kept best first.

    Raises DataError for a value that cannot be ranked or arguments that contradict each other.
    """
    _check(logits, keep, scores, min_score, min_keep, group_size, groups, order)
    _check_ties(logits, ties, uncertainties)
    members = _group_positions(len(logits), group_size, groups)
    kept: list[int] = []
    rejected: list[int] = []
    ranks = [0] * len(logits)
    for group in members:
        ranked = sorted(group, key=lambda i: -logits[i])
        judged = [i for i in ranked if logits[i] != SPOILT]
        if ties == "surer first" and scores is not None and uncertainties is not None:
            close = too_close(judged, scores, keep, min_score)
            surest = iter(surest_first(close, logits, uncertainties))
            ranked = [next(surest) if i in close else i for i in ranked]
        for rank, position in enumerate(ranked, start=1):
            ranks[position] = rank
        chosen = {
            position
            for rank, position in enumerate(ranked, start=1)
            if rank <= min(keep, len(judged))
            and (
                min_score is None
                or rank <= min_keep
                or (scores is not None and scores[position] >= min_score)
            )
        }
        kept += [i for i in (ranked if order == "ranked" else group) if i in chosen]
        rejected += [i for i in ranked if i not in chosen]
    spoilt = tuple(i for i, logit in enumerate(logits) if logit == SPOILT)
    return Selection(tuple(kept), tuple(rejected), tuple(ranks), tuple(map(tuple, members)), spoilt)


def _check(
    logits: Sequence[float],
    keep: int,
    scores: Sequence[float] | None,
    min_score: float | None,
    min_keep: int,
    group_size: int | None,
    groups: Sequence[Hashable] | None,
    order: Order,
) -> None:
    for position, value in enumerate(logits):
        if not math.isfinite(value) and value != SPOILT:
            raise DataError(
                f"Candidate {position} has the score {value}, which cannot be ranked. Score it again."
            )
    if keep < 1:
        raise DataError(f"keep is {keep}; at least one candidate of each group must be kept. Use 1 or more.")
    if min_keep < 0 or min_keep > keep:
        raise DataError(f"min_keep is {min_keep}; it must lie between 0 and keep ({keep}).")
    if order not in get_args(Order):
        raise DataError(f"There is no order {order!r}. Use one of: {', '.join(get_args(Order))}.")
    if min_score is not None and math.isnan(min_score):
        raise DataError("min_score is not a number. Give a score between 0 and 1, or none.")
    for position, value in enumerate(() if scores is None else scores):
        if not math.isfinite(value):
            raise DataError(f"Candidate {position} has the score {value}. Score it again.")
    if min_score is not None and scores is None:
        raise DataError("min_score needs the calibrated scores beside the logits.")
    if group_size is not None and groups is not None:
        raise DataError("Give either group_size or groups, not both.")
    if group_size is not None and group_size < 1:
        raise DataError(f"group_size is {group_size}. Use 1 or more.")
    for name, values in (("scores", scores), ("groups", groups)):
        if values is not None and len(values) != len(logits):
            raise DataError(
                f"There are {len(logits)} candidates but {len(values)} {name}. Give one for each."
            )


def _check_ties(logits: Sequence[float], ties: Ties, uncertainties: Sequence[float] | None) -> None:
    if ties not in get_args(Ties):
        raise DataError(
            f"There is no way to break ties called {ties!r}. Use one of: {', '.join(get_args(Ties))}."
        )
    if ties == "by score" or uncertainties is None:
        return
    if len(uncertainties) != len(logits):
        raise DataError(
            f"There are {len(logits)} candidates but {len(uncertainties)} uncertainties. Give one for each."
        )
    for position, value in enumerate(uncertainties):
        if not math.isfinite(value):
            raise DataError(f"Candidate {position} has the uncertainty {value}. Score it again.")


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

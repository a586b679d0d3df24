"""Which candidates are too close to call.

A calibrated score is a chance, so the difference d of two log-odds says how likely the one with the higher
score is the liked one of the two: sigmoid(d) (Bradley & Terry 1952). Below d = ln 3 the model would be wrong more
than once in four times: such candidates are *too close to call*. Measured (`benchmarks/certainty.py`), sigmoid(d)
is right for a liked and an ordinary picture; two versions of one picture are told apart better than it says, and
different pictures that vary in the strength of a style rather less well.

The spread of the logit over the cross-validation heads is no better judge. Two versions of one picture share most
of theirs, so √(u₁² + u₂²) is more than twice too wide for their difference, while different pictures share none; and
knowing it besides d adds next to nothing. It can break ties between different pictures: see `surest_first`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MARGIN = math.log(3)
"""Difference in log-odds from which one candidate counts as clearly better: right three times in four."""

SPOILT = -math.inf
"""The logit of a candidate that cannot be judged (see `spoilt`): it is close to none."""

_HIGHEST = 1 - 2.0**-25  # a score of 1.0 in float32 stands for anything above
_NAMED = 4


def log_odds(score: float) -> float:
    """ln(score / (1 − score)), finite for every score of 0–1."""
    share = min(max(score, 1 - _HIGHEST), _HIGHEST)
    return math.log(share / (1 - share))


def too_close(
    ranked: Sequence[int], scores: Sequence[float], keep: int, min_score: float | None = None
) -> tuple[int, ...]:
    """The candidates among which the choice of the best `keep` is too close to call, in the order of `ranked`.

    `ranked`: positions of one group, best first. `scores`: calibrated, in 0–1, one per position.
    Those kept that lie less than `MARGIN` above the best of the others, and those others that lie less than
    that below the last kept: with `keep` 1, the winner and its rivals. Empty where the choice is clear, or
    where nothing that reaches `min_score` is turned away.
    """
    running = [i for i in ranked if min_score is None or scores[i] >= min_score]
    if keep >= len(running):
        return ()
    odds = {i: log_odds(scores[i]) for i in running}
    last, first = odds[running[keep - 1]], odds[running[keep]]
    kept = [i for i in running[:keep] if odds[i] - first < MARGIN]
    others = [i for i in running[keep:] if last - odds[i] < MARGIN]
    return (*kept, *others) if kept and others else ()


def surest_first(close: Sequence[int], logits: Sequence[float], uncertainties: Sequence[float]) -> list[int]:
    """Positions that are too close to call, by logit less uncertainty, highest first.

    What a model is sure of goes before what it may have misjudged. Among versions of one picture that gains
    nothing (selection efficiency −.004 [−.008, +.001]), among different pictures a little (+.011 [+.004, +.020]).
    Taking the one with the smallest uncertainty would throw away what the scores still say, and loses .10 and .03.
    """
    return sorted(close, key=lambda i: (uncertainties[i] - logits[i], -logits[i]))


def close_calls(
    groups: Sequence[Sequence[int]],
    logits: Sequence[float],
    scores: Sequence[float],
    keep: int,
    min_score: float | None = None,
) -> tuple[tuple[int, ...], ...]:
    """`too_close` for each group of positions; the groups may have any order inside. Spoilt candidates are left out."""
    judged = [[i for i in group if logits[i] != SPOILT] for group in groups]
    return tuple(
        too_close(sorted(group, key=lambda i: -logits[i]), scores, keep, min_score) for group in judged
    )


def in_words(calls: Sequence[Sequence[int]], names: Sequence[str] | None = None) -> str:
    """Such as "3 and 7 are too close to call", counted from 1 or by `names`; "" where all is clear."""
    close = [(number, call) for number, call in enumerate(calls, start=1) if call]
    if not close:
        return ""
    if len(close) > 1:
        return f"too close to call in {len(close)} of {len(calls)} groups"
    ((group, call),) = close
    where = f"group {group}: " if len(calls) > 1 and names is None else ""
    named = [names[position] if names else str(position + 1) for position in call]
    return f"{where}{listed(named)} are too close to call"


def listed(names: Sequence[str]) -> str:
    """Such as "1, 2 and 3"; of more than four the first three and how many more."""
    shown = list(names)
    if len(shown) < 2:
        return "".join(shown)
    if len(shown) > _NAMED:
        shown = [*shown[: _NAMED - 1], f"{len(shown) - _NAMED + 1} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"

"""Close calls: candidates whose scores are too near each other to say which is better.

The difference d of two calibrated log-odds gives the probability that the higher-scored candidate is the liked one of
the two: sigmoid(d) (Bradley & Terry 1952). Below d = ln 3 the model would be wrong more often than once in four
times. Measured (`benchmarks/certainty.py`): sigmoid(d) is calibrated for a liked and an ordinary picture,
conservative for two versions of one picture, and somewhat too sure for pictures that differ in the strength of a style.

The standard deviation of the logit over the cross-validation heads is no better criterion: two versions of one picture
share most of it, so √(u₁² + u₂²) is more than twice too wide for their difference, while different pictures share
none, and it adds next to nothing to d. It can break ties between different pictures: see `by_lower_bound`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MARGIN = math.log(3)
"""Difference in log-odds from which on a candidate is clearly better: right three times in four."""

_HIGHEST = 1 - 2.0**-25  # a float32 score of 1.0 may stand for anything above
_MOST_NAMES = 4


def log_odds(score: float) -> float:
    """ln(score / (1 − score)), finite for every score in 0–1."""
    share = min(max(score, 1 - _HIGHEST), _HIGHEST)
    return math.log(share / (1 - share))


def close_call(
    ranked: Sequence[int], scores: Sequence[float], keep: int, min_score: float | None = None
) -> tuple[int, ...]:
    """The candidates among which the choice of the best `keep` is too close to call, in the order of `ranked`.

    `ranked`: positions of one group, best first. `scores`: calibrated, in 0–1, one per position. Close calls are
    the kept less than `MARGIN` above the best rejected, and the rejected less than that below the last kept: with
    `keep` 1, the winner and its rivals. Empty where the choice is clear, or none that reaches `min_score` is rejected.
    """
    eligible = [i for i in ranked if min_score is None or scores[i] >= min_score]
    if keep >= len(eligible):
        return ()
    odds = {i: log_odds(scores[i]) for i in eligible}
    last_kept, first_rejected = odds[eligible[keep - 1]], odds[eligible[keep]]
    kept = [i for i in eligible[:keep] if odds[i] - first_rejected < MARGIN]
    rejected = [i for i in eligible[keep:] if last_kept - odds[i] < MARGIN]
    return (*kept, *rejected) if kept and rejected else ()


def by_lower_bound(
    close: Sequence[int], logits: Sequence[float], uncertainties: Sequence[float]
) -> list[int]:
    """Close calls by the lower bound logit − uncertainty, highest first.

    Selection efficiency changes by −.004 [−.008, +.001] among versions of one picture, by +.011 [+.004, +.020]
    among different pictures. Ranking by the smallest uncertainty alone loses .10 and .03.
    """
    return sorted(close, key=lambda i: (uncertainties[i] - logits[i], -logits[i]))


def close_calls_text(calls: Sequence[Sequence[int]], names: Sequence[str] | None = None) -> str:
    """Such as "3 and 7 are too close to call", counted from 1 or by `names`; "" where all is clear."""
    close = [(number, call) for number, call in enumerate(calls, start=1) if call]
    if not close:
        return ""
    if len(close) > 1:
        return f"too close to call in {len(close)} of {len(calls)} groups"
    ((group, call),) = close
    where = f"group {group}: " if len(calls) > 1 and names is None else ""
    named = [names[position] if names else str(position + 1) for position in call]
    return f"{where}{join_names(named)} are too close to call"


def join_names(names: Sequence[str]) -> str:
    """Such as "1, 2 and 3"; of more than four the first three and how many more."""
    shown = list(names)
    if len(shown) < 2:
        return "".join(shown)
    if len(shown) > _MOST_NAMES:
        shown = [*shown[: _MOST_NAMES - 1], f"{len(shown) - _MOST_NAMES + 1} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"

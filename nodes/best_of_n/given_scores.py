"""Scores of the Best of N node's candidates: by a reward, or given by another pack's scorer."""

from __future__ import annotations

import math
from typing import Any

from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.non_finite import INVALID_LOGIT, check_some_scored
from ...ganrm_core.selection.ranking import CandidateScores
from ...ganrm_core.utils.errors import DataError
from ..display.candidates import Candidates
from ..host.progress import progress_bar


def scored(
    candidates: Candidates, scorer: Reward | None, given: list[Any], prompts: list[str] | None
) -> CandidateScores:
    """Scores by the reward, or those of another scorer, which are not calibrated."""
    check_one_scorer(rewards=scorer is not None, scores=bool(given))
    if scorer is not None:
        return CandidateScores.of(candidates.score(scorer, progress_bar(), prompts))
    scores = _flat(given)
    if len(scores) != len(candidates):
        raise DataError(
            f"There are {len(candidates)} candidates but {len(scores)} scores from elsewhere. Connect a scorer that "
            "gives one score for each, not their average."
        )
    invalid = candidates.invalid() | {i for i, score in enumerate(scores) if not math.isfinite(score)}
    logits = [INVALID_LOGIT if i in invalid else score for i, score in enumerate(scores)]
    check_some_scored(logits)
    return CandidateScores(logits, [0.0 if i in invalid else score for i, score in enumerate(scores)])


def check_one_scorer(*, rewards: bool, scores: bool) -> None:
    if rewards and scores:
        raise DataError("Both a reward and scores from elsewhere are connected. Connect one of the two.")
    if not rewards and not scores:
        raise DataError(
            "Nothing to judge by: connect a reward (Load GAN-RM or Train GAN-RM), or scores from another pack."
        )


def _flat(values: Any) -> list[float]:
    """Scores as a flat list; packs give a list, nested lists, a tensor or an array."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [score for entry in values for score in _flat(entry)]
    try:
        return [float(values)]
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The scores from elsewhere hold {values!r:.100}, which is no number. Connect a scorer's FLOAT output."
        ) from error

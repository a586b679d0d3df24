"""Candidates picked by hand in place of the best by score."""

from __future__ import annotations

from ganrm_core.selection.non_finite import INVALID_LOGIT
from ganrm_core.selection.picked import keep_picked
from ganrm_core.selection.ranking import CandidateScores, select_best
from ganrm_core.selection.settings import SelectionSettings

LOGITS = (0.1, 0.9, 0.5, INVALID_LOGIT, 0.7, 0.3)


def test_picked_are_kept_whatever_their_score_and_the_others_follow_best_to_worst() -> None:
    by_score = select_best(CandidateScores(LOGITS, (0.5,) * 6, (1.0,) * 6))
    assert by_score.close, "what is compared below is not empty anyway"
    picked = keep_picked(by_score, {5, 0}, "ranked")
    assert (picked.kept, picked.rejected) == ((5, 0), (1, 4, 2, 3))
    assert keep_picked(by_score, {5, 0}, "as they came").kept == (0, 5)
    assert (picked.ranks, picked.groups, picked.close) == (by_score.ranks, by_score.groups, ())


def test_groups_stay_together_and_spoilt_ones_are_never_kept() -> None:
    by_score = select_best(CandidateScores(LOGITS), SelectionSettings(group_size=3))
    picked = keep_picked(by_score, range(6), "ranked")
    assert (picked.kept, picked.rejected) == ((1, 2, 0, 4, 5), (3,))
    assert keep_picked(by_score, {3}, "ranked").kept == ()

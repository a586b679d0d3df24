"""Scores as star ratings for Save Images with Score: XMP packets, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ganrm_core.data.xmp_rating import rating_packet
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.rewards.stars import star_cuts, stars_of_score


@dataclass(frozen=True)
class StarRatings:
    """Stars by picture, None for one that gets none; `why_none`: a sentence where none gets any, else ""."""

    stars: Sequence[int | None]
    why_none: str = ""

    def packet(self, position: int) -> str:
        """The XMP packet of a picture; "" for none."""
        stars = self.stars[position]
        return "" if stars is None else rating_packet(stars)


def star_ratings(
    scores: Sequence[float | None], reward: Reward | None, *, metadata: bool = True
) -> StarRatings:
    """Stars of scores by the reward's own thresholds. `metadata`: whether the server writes any into files."""
    none = [None] * len(scores)
    if not metadata:
        return StarRatings(none, "Saved without star ratings: ComfyUI was started with --disable-metadata.")
    if reward is None or set(scores) <= {None}:
        return StarRatings(none, "Saved without star ratings: they need the scores and the reward connected.")
    cuts = star_cuts(reward.thresholds)
    if cuts is None:
        return StarRatings(
            none,
            "Saved without star ratings: this reward has no thresholds between 0 and 1 to make stars of.",
        )
    return StarRatings([None if score is None else stars_of_score(score, cuts) for score in scores])

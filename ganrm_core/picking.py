"""Best of N: score pictures and keep the best of each group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from .reward import Images, Reward, Scores
from .selection import Order, Selection, select_best


@dataclass(frozen=True)
class BestOfN:
    """The scores of all pictures, and which were kept."""

    scores: Scores
    selection: Selection

    @property
    def kept(self) -> tuple[int, ...]:
        """Positions of the pictures kept, best first within a group."""
        return self.selection.kept


def best_of_n(
    reward: Reward,
    images: Images,
    *,
    keep: int = 1,
    group_size: int | None = None,
    groups: Sequence[Hashable] | None = None,
    min_score: float | None = None,
    min_keep: int = 0,
    order: Order = "ranked",
    prompts: Sequence[str] | None = None,
) -> BestOfN:
    """Score `images` (as `Reward.score` takes them) and keep the best `keep` of each group.

    See `select_best` for the rules. Raises ImageError for pictures that cannot be scored and
    DataError for arguments that contradict each other.
    """
    scores = reward.score(images, prompts)
    selection = select_best(
        scores.logit.tolist(),
        keep=keep,
        scores=scores.score.tolist(),
        min_score=min_score,
        min_keep=min_keep,
        group_size=group_size,
        groups=groups,
        order=order,
    )
    return BestOfN(scores, selection)

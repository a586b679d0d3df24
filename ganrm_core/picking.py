"""Best of N: score pictures and keep the best of each group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from .certainty import close_calls
from .reward import Images, Reward, Scores
from .selection import Order, Selection, Ties, select_best


@dataclass(frozen=True)
class BestOfN:
    """The scores of all pictures, and which were kept.

    `close`: for each group the positions among which the choice was too close to call (see `certainty`), best
    first; empty where it was clear.
    """

    scores: Scores
    selection: Selection
    close: tuple[tuple[int, ...], ...] = ()

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
    ties: Ties = "by score",
    prompts: Sequence[str] | None = None,
) -> BestOfN:
    """Score `images` (as `Reward.score` takes them) and keep the best `keep` of each group.

    See `select_best` for the rules. Raises ImageError for pictures that cannot be scored and
    DataError for arguments that contradict each other.
    """
    scores = reward.score(images, prompts)
    logits, shares = scores.logit.tolist(), scores.score.tolist()
    selection = select_best(
        logits,
        keep=keep,
        scores=shares,
        min_score=min_score,
        min_keep=min_keep,
        group_size=group_size,
        groups=groups,
        order=order,
        ties=ties,
        uncertainties=scores.uncertainty.tolist(),
    )
    return BestOfN(scores, selection, close_calls(selection.groups, logits, shares, keep, min_score))

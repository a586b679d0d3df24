"""Settings of a best-of-N selection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ..utils.errors import DataError

Order = Literal["ranked", "as they came"]
Ties = Literal["by score", "surer first"]


@dataclass(frozen=True)
class SelectionSettings:
    """Which candidates of each group are kept.

    `keep`: at most so many. `min_score`: only those whose score reaches it, but never fewer than `min_keep` (or
    the whole group). `group_size`: every so many candidates in a row are one group, the last may be shorter; None:
    all are one group. `order`: of the kept candidates of a group. `ties`: close calls are ranked by logit, or by
    logit minus its standard deviation ("surer first"). Raises DataError for values that contradict each other.
    """

    keep: int = 1
    group_size: int | None = None
    min_score: float | None = None
    min_keep: int = 0
    order: Order = "ranked"
    ties: Ties = "by score"

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise DataError(
                f"keep is {self.keep}; at least one candidate of each group must be kept. Use 1 or more."
            )
        if not 0 <= self.min_keep <= self.keep:
            raise DataError(f"min_keep is {self.min_keep}; it must lie between 0 and keep ({self.keep}).")
        if self.order not in get_args(Order):
            raise DataError(f"There is no order {self.order!r}. Use one of: {', '.join(get_args(Order))}.")
        if self.min_score is not None and math.isnan(self.min_score):
            raise DataError("min_score is not a number. Give a score between 0 and 1, or none.")
        if self.group_size is not None and self.group_size < 1:
            raise DataError(f"group_size is {self.group_size}. Use 1 or more.")
        if self.ties not in get_args(Ties):
            raise DataError(
                f"There is no way to break ties called {self.ties!r}. Use one of: {', '.join(get_args(Ties))}."
            )

"""Settings of a successive-halving run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from ...ganrm_core.selection.drafts import DraftSettings
from ...ganrm_core.selection.search_path import SearchPath
from ...ganrm_core.selection.steering import SEARCHES, Search
from ...ganrm_core.selection.successive_halving import Schedule
from ...ganrm_core.utils.errors import DataError

Decoder = Literal["vae", "preview decoder"]
DECODERS: tuple[Decoder, ...] = get_args(Decoder)


@dataclass(frozen=True)
class HalvingSettings:
    """How many candidates are sampled, and when they are dropped.

    `decoder`: of half-sampled candidates. `together`: candidates per model call. `stop_below`: candidates are
    sampled in rounds of `round_size`, and no further round starts once the probability that one of it would be kept
    is smaller; 0: all in one round. `search`: anything but "best of n" has levels of its own and no `schedule`.
    `path`: of the one picture to make again, in place of all. `draft`: how candidates are sampled before those chosen are
    sampled in full. Raises DataError for values that contradict each other.
    """

    count: int
    keep: int
    schedule: Schedule
    decoder: Decoder = "vae"
    together: int = 1
    stop_below: float = 0.0
    round_size: int = 4
    search: Search = "best of n"
    path: SearchPath | None = None
    draft: DraftSettings = field(default_factory=DraftSettings)

    def __post_init__(self) -> None:
        if not 1 <= self.keep <= self.count:
            raise DataError(
                f"keep is {self.keep} of {self.count} candidates. Keep at least 1 and at most all of them."
            )
        if self.decoder not in DECODERS:
            raise DataError(f"There is no decoder {self.decoder!r}. Use one of: {', '.join(DECODERS)}.")
        if self.together < 1 or self.round_size < 1:
            raise DataError("Candidates per call and candidates per round are 1 or more.")
        if self.search not in SEARCHES:
            raise DataError(f"There is no search {self.search!r}. Use one of: {', '.join(SEARCHES)}.")
        if self.steers and self.stop_below > 0:
            raise DataError(
                f"The search {self.search!r} makes all candidates at once, so it cannot stop between rounds. Set 'stop if "
                "a better one is unlikely' to 0, or search: best of n."
            )

        if self.steers and self.draft.kind != "off":
            raise DataError(
                f"The search {self.search!r} goes on from half-made pictures, and from drafts it would lead elsewhere than in "
                "full. Set draft: off, or search: best of n."
            )

    @property
    def steers(self) -> bool:
        """Whether candidates are forked on the way."""
        return self.search != "best of n"

    def rounds(self) -> list[range]:
        """The candidate numbers of each round."""
        size = max(self.round_size, self.keep) if self.stop_below > 0 else self.count
        return [range(first, min(first + size, self.count)) for first in range(0, self.count, size)]

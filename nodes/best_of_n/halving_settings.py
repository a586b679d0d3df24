"""Settings of a successive-halving run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ...ganrm_core.selection.successive_halving import Schedule
from ...ganrm_core.utils.errors import DataError

Decoder = Literal["vae", "preview decoder"]
DECODERS: tuple[Decoder, ...] = get_args(Decoder)


@dataclass(frozen=True)
class HalvingSettings:
    """How many candidates are sampled, and when they are dropped.

    `decoder`: of half-sampled candidates. `together`: candidates per model call. `stop_below`: candidates are
    sampled in rounds of `round_size`, and no further round starts once the probability that one of it would be kept
    is smaller; 0: all in one round. Raises DataError for values that contradict each other.
    """

    count: int
    keep: int
    schedule: Schedule
    decoder: Decoder = "vae"
    together: int = 1
    stop_below: float = 0.0
    round_size: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.keep <= self.count:
            raise DataError(
                f"keep is {self.keep} of {self.count} candidates. Keep at least 1 and at most all of them."
            )
        if self.decoder not in DECODERS:
            raise DataError(f"There is no decoder {self.decoder!r}. Use one of: {', '.join(DECODERS)}.")
        if self.together < 1 or self.round_size < 1:
            raise DataError("Candidates per call and candidates per round are 1 or more.")

    def rounds(self) -> list[range]:
        """The candidate numbers of each round."""
        size = max(self.round_size, self.keep) if self.stop_below > 0 else self.count
        return [range(first, min(first + size, self.count)) for first in range(0, self.count, size)]

"""Record of how a steered search made a picture: the seeds of its noise and the steps they came in at, also as a line of text.

The same settings and the same path make the same latent again, without the search.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..utils.errors import DataError

KEY = "ganrm_search_path"
"""Where a LATENT holds the text of its path."""

_SEEDS = 2**64
_FORK = re.compile(r"(\d+) after (\d+) from (\d+)")
_EXAMPLE = "'5 > 23 after 8 from 4': seed 5 for 8 steps, then with noise of seed 23 again from step 4"


@dataclass(frozen=True)
class Fork:
    """Noise of `seed` came in after `after` steps, and the picture went on from step `start`."""

    seed: int
    after: int
    start: int


@dataclass(frozen=True)
class SearchPath:
    """The first seed and the forks after it; none for a picture as KSampler makes it."""

    seed: int
    forks: tuple[Fork, ...] = ()

    def forked(self, seed: int, after: int, start: int) -> SearchPath:
        return SearchPath(self.seed, (*self.forks, Fork(seed, after, start)))

    def __str__(self) -> str:
        """Such as "5 > 23 after 8 from 4"."""
        forks = (f"{fork.seed} after {fork.after} from {fork.start}" for fork in self.forks)
        return " > ".join((str(self.seed), *forks))


def parse_path(text: str) -> SearchPath:
    """The path of a text that `str` made of one. Raises DataError for any other."""
    first, *rest = (part.strip() for part in text.split(">"))
    matches = [_FORK.fullmatch(part) for part in rest]
    if not re.fullmatch(r"\d+", first) or not all(matches):
        raise DataError(
            f"The path {text!r} cannot be read. Copy the one of a search's winner, such as {_EXAMPLE}."
        )
    forks = tuple(Fork(*map(int, match.groups())) for match in matches if match)
    path = SearchPath(int(first), forks)
    begun = 0
    for fork in forks:
        # A picture forks after a step of its own, and its fork starts there or earlier.
        if not (1 <= fork.start <= fork.after and fork.after > begun):
            raise DataError(
                f"The path {text!r} contradicts itself. Copy the one of a search's winner: {_EXAMPLE}."
            )
        begun = fork.start
    if max(path.seed, *(fork.seed for fork in forks), 0) >= _SEEDS:
        raise DataError(f"The path {text!r} has a seed of 2^64 or more. Copy the one of a search's winner.")
    return path


def check_path(path: SearchPath, steps: int) -> None:
    """Raise DataError for a path of more steps than there are."""
    for fork in path.forks:
        if fork.after > steps or fork.start >= steps:
            raise DataError(
                f"The path forks after {fork.after} steps, and the pictures have {steps}. Set the steps it was made with."
            )

"""Evaluation during training on groups: the same prompts and seeds are sampled and scored before it and at intervals."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, islice
from typing import Protocol

import torch
from torch import Tensor

from .groups import Groups
from .round_signs import Comparison, Look
from .watch import HeldOut
from .watched_pictures import WatchedPictures

LOOKS = 5
"""In one training, besides the one before it."""
PROMPTS, SEEDS = 4, 8
"""Watched at most, and of each."""
_WATCHED_FROM = 2**40


class Watcher(Protocol):
    """Looks on while a model is trained."""

    def look(self, step: int, held_out: HeldOut | None) -> Look | None:
        """At what the model makes after `step` steps; None where nobody can look any more.

        First called before training. `held_out`: the error on pictures that are not learned from, where it is known.
        """


def look_steps(steps: int) -> tuple[int, ...]:
    """After how many steps of a training the watch looks, evenly spaced, last at its end."""
    return tuple(sorted({-(-steps * number // LOOKS) for number in range(1, LOOKS + 1)}))


def watched_groups(groups: Groups, seed: int) -> list[tuple[int, list[int]]]:
    """Prompt and seeds of what is watched: prompts spread over those of `groups`, seeds that none of them has."""
    prompts = sorted({group.prompt for group in groups.groups})
    taken = {number for group in groups.groups for number in group.seeds}
    seeds = (number for offset in count() if (number := (seed + _WATCHED_FROM + offset) % 2**64) not in taken)
    chosen = min(PROMPTS, len(prompts))
    return [(prompts[place * len(prompts) // chosen], list(islice(seeds, SEEDS))) for place in range(chosen)]


class PictureWatch:
    """Follows the `Watcher` protocol: compares watched pictures with those before training."""

    def __init__(self, pictures: WatchedPictures) -> None:
        self._pictures = pictures
        self._comparison: Comparison | None = None
        self._first_gain = 0.0

    def look(self, step: int, held_out: HeldOut | None) -> Look:
        judged, gain = self._pictures.judged()
        if self._comparison is None:
            self._comparison, self._first_gain = Comparison(judged), gain
        return self._comparison.look(step, judged, held_out, (self._first_gain, gain), None, None)

    def state(self) -> dict[str, Tensor]:
        """What later looks are compared with, for `load_state`."""
        gain = torch.tensor(self._first_gain, dtype=torch.float64)
        return {"gain": gain, **(self._comparison.state() if self._comparison else {})}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Raises LookupError for what `state` did not give."""
        self._comparison, self._first_gain = Comparison.of_state(state), float(state["gain"])

"""Standardisation of rewards: mean and standard deviation of their log-odds over a few given pictures.

With l the log-odds of a reward, z = (l − centre) / spread. Rewards whose z are added count as their weights say, whatever
the scales they were published on.

The pictures are given, never those that happen to be scored: a score must not depend on its neighbours. Pruned sampling
compares scores of looks taken one after the other, and the watch of a training compares rounds; a scale of each batch would
make all rounds look alike. Whoever wants the scale of one batch gives that batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from ..data.given_prompts import PromptOf
from ..data.picture_prompt import picture_prompt
from ..data.skipped_files import Skipped
from ..metrics.calibration import Calibration
from ..utils.errors import DataError
from ..utils.progress import Progress, ProgressCallback, no_progress, part_of
from .base import Images, Reward, needs_prompt
from .log_odds import in_log_odds
from .prompted_files import nothing_scored, score_prompted_files

LEAST, ENOUGH, MOST = 4, 16, 64
"""Pictures: fewer are refused, fewer are said to be a rough measure, and of more only so many are read. The standard
deviation of n pictures is right within about 1 / √(2n): 35 %, 18 % and 9 %."""

_SAME = 1e-6  # spread, relative to the centre, that is rounding noise
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation of a reward's log-odds; by default those as they are."""

    centre: float = 0.0
    spread: float = 1.0

    def of(self, odds: Tensor) -> Tensor:
        return (odds - self.centre) / self.spread


AS_IT_IS = Standard()

CalibrationOf = Callable[[Reward], Calibration | None]


def standards_on_images(
    rewards: Sequence[Reward],
    images: Images,
    prompts: Sequence[str] | None = None,
    progress: ProgressCallback = no_progress,
    *,
    calibration_of: CalibrationOf,
) -> list[Standard]:
    """One `Standard` per reward over pictures; `images` and `prompts` as `Reward.score` takes them.

    Raises DataError for too few pictures, for prompts that are missing, and where a reward scores all alike.
    """
    found = []
    for number, reward in enumerate(rewards):
        asked = prompts if needs_prompt(reward) else None
        scores = reward.score(images, asked, part_of(progress, number, len(rewards)))
        found.append(standard_of(reward.name, in_log_odds(scores, calibration_of(reward))[0]))
    return found


def standards_on_files(
    rewards: Sequence[Reward],
    paths: Sequence[Path],
    prompt_of: PromptOf = picture_prompt,
    progress: ProgressCallback = no_progress,
    *,
    calibration_of: CalibrationOf,
) -> tuple[list[Standard], list[Skipped]]:
    """One `Standard` per reward over picture files, and the files that could not be read or have no prompt.

    Raises DataError as `standards_on_images` does.
    """
    skipped: list[Skipped] = []
    found = []
    for number, reward in enumerate(rewards):
        step = Progress("measuring", number * len(paths), len(rewards) * len(paths))
        missed: list[Skipped] = []
        odds = []
        scored = score_prompted_files(reward, paths, missed, prompt_of, partial(progress, step))
        for _, scores in scored:
            odds.append(in_log_odds(scores, calibration_of(reward))[0])
            progress(Progress(step.stage, step.done + len(odds), step.total))
        if paths and not odds:
            raise DataError(nothing_scored(reward, "so its scale is not known"))
        known = {entry.path for entry in skipped}
        skipped += [entry for entry in missed if entry.path not in known]
        found.append(standard_of(reward.name, torch.cat([torch.empty(0), *odds])))
    return found, skipped


def standard_of(reward: str, odds: Tensor) -> Standard:
    """Of log-odds [N] by the reward of that name. Raises DataError for too few, or for equal ones."""
    usable = odds[torch.isfinite(odds)].double()
    if len(usable) < LEAST:
        raise DataError(
            f"The scale of {reward} is measured on {LEAST} pictures or more, better {ENOUGH}; {len(usable)} could be scored. "
            "Give more."
        )
    centre, spread = float(usable.mean()), float(usable.std())
    if spread <= _SAME * max(1.0, abs(centre)):
        raise DataError(
            f"{reward} gives all {len(usable)} pictures the same score, so they show no scale. Give pictures that differ, as "
            "those do that will be judged."
        )
    return Standard(centre, spread)


def sample_of(items: Sequence[_Item]) -> list[_Item]:
    """At most `MOST` of them, evenly spaced."""
    count = min(MOST, len(items))
    return [items[place * len(items) // count] for place in range(count)]

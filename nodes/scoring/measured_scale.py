"""The scale of rewards over pictures that are connected to Combine GAN-RMs, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...ganrm_core.data.given_prompts import PromptOf, prompts_of_files
from ...ganrm_core.data.labelled_files import PictureSet
from ...ganrm_core.data.picture_prompt import picture_prompt
from ...ganrm_core.data.skipped_files import describe_skipped
from ...ganrm_core.rewards.base import Reward, needs_prompt
from ...ganrm_core.rewards.combined import CombinedReward, calibration_by
from ...ganrm_core.rewards.standardisation import (
    ENOUGH,
    Standard,
    sample_of,
    standards_on_files,
    standards_on_images,
)
from ...ganrm_core.utils.errors import DataError
from ..display.candidates import Candidates
from ..display.given_prompts import prompts_of_pictures, texts_of
from ..host.model_management import model_of
from ..host.progress import progress_bar


@dataclass(frozen=True)
class MeasuredScale:
    """`standards`: one per reward. `count`: of how many pictures. `skipped`: files that could not be used, in words."""

    standards: tuple[Standard, ...]
    count: int
    skipped: str = ""


def measured_scale(rewards: Sequence[Reward], given: Sequence[Any], prompts: Any) -> MeasuredScale:
    """The scale of each reward over `given`: images [B, H, W, C], or sets of picture files.

    `prompts` are those of the pictures, for rewards that need them; files without have their own. Raises DataError for
    too few or equal pictures, and where a prompt is missing.
    """
    sets = [each for each in given if isinstance(each, PictureSet)]
    if sets and len(sets) < len(given):
        raise DataError("Both images and a folder came as 'pictures'. Connect one of them.")
    return _of_files(rewards, sets, prompts) if sets else _of_images(rewards, list(given), prompts)


def scale_lines(combined: CombinedReward, names: Sequence[str], measured: MeasuredScale | None) -> list[str]:
    """What the summary says about scales."""
    if measured is not None:
        spreads = [
            f"{name} {standard.spread:.3g}" for name, standard in zip(names, measured.standards, strict=True)
        ]
        return [
            f"Measured on {measured.count} pictures, where the rewards spread by (in log-odds): {', '.join(spreads)}. Each now "
            "counts in its own spread, as its weight says.",
            "0.50 is as good as the middle of these pictures. Scores compare only with others by these pictures: where they "
            "are the batch itself, within this batch.",
            *(
                [f"{measured.count} pictures are a rough measure. {ENOUGH} or more are better."]
                if measured.count < ENOUGH
                else []
            ),
            *([measured.skipped] if measured.skipped else []),
        ]
    if not combined.is_standardised and any(model_of(reward) is None for reward in combined.rewards):
        return [
            "Not all of these are tastes calibrated on pictures of yours, so each counts on the scale it was made with. Connect "
            "a few 'pictures', and the weights mean what they say."
        ]
    return []


def _of_images(rewards: Sequence[Reward], images: list[Tensor], prompts: Any) -> MeasuredScale:
    candidates = Candidates(images, "each image")
    spoilt = candidates.invalid()
    asking = next(filter(needs_prompt, rewards), None)
    texts = prompts_of_pictures(asking, prompts, len(candidates)) if asking is not None else None
    places = sample_of([place for place in range(len(candidates)) if place not in spoilt])
    standards = standards_on_images(
        rewards,
        [candidates.picture(place) for place in places],
        None if texts is None else [texts[place] for place in places],
        progress_bar(),
        calibration_of=calibration_by(model_of),
    )
    return MeasuredScale(tuple(standards), len(places))


def _of_files(rewards: Sequence[Reward], sets: Sequence[PictureSet], prompts: Any) -> MeasuredScale:
    every = [path for each in sets for path in each.paths]
    texts = texts_of(prompts)
    prompt_of: PromptOf = prompts_of_files(texts, every) if texts else picture_prompt
    paths = sample_of(every)
    standards, skipped = standards_on_files(
        rewards, paths, prompt_of, progress_bar(), calibration_of=calibration_by(model_of)
    )
    said = describe_skipped(skipped, among=paths) if skipped else ""
    return MeasuredScale(tuple(standards), len(paths) - len(skipped), said)

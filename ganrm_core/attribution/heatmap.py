"""Reward heatmap: a picture's reward map, the mask of its weakest regions, and the overlay of both."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..rewards.base import Reward
from ..rewards.combined import ModelOf, model_itself
from ..utils.progress import ProgressCallback, no_progress, span_of
from .overlay import overlay
from .window_map import reward_map, weakest

STEPS = 100
_MAPPED, _MASKED = 80, 90  # of the steps: about the shares of the time


@dataclass(frozen=True)
class Heatmap:
    """`places` [H, W] in logits, `mask` [H, W] and `drawn` [3, H, W] in 0–1, all on the CPU."""

    places: Tensor
    mask: Tensor
    drawn: Tensor


@dataclass(frozen=True)
class MaskShape:
    """What `weakest` takes."""

    share: float
    grow: int
    blur: int


def heatmap(
    reward: Reward,
    image: Tensor,
    shape: MaskShape,
    progress: ProgressCallback = no_progress,
    *,
    model_of: ModelOf = model_itself,
) -> Heatmap:
    """`reward_map`, `weakest` and `overlay` of [3, H, W] in 0–1; of `STEPS` steps.

    Raises ImageError for a picture that is too small, or too large for the memory there is.
    """
    places = reward_map(reward, image, span_of(progress, "mapping", 0, _MAPPED, STEPS), model_of=model_of)
    mask = weakest(
        places, shape.share, shape.grow, shape.blur, span_of(progress, "mapping", _MAPPED, _MASKED, STEPS)
    )
    return Heatmap(
        places, mask, overlay(image, places, mask, span_of(progress, "mapping", _MASKED, STEPS, STEPS))
    )

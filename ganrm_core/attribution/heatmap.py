"""Reward heatmap of one picture: its logit map, the mask of its weakest regions, and the overlay of both."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..rewards.base import Reward
from ..rewards.combined import ModelOf, model_itself
from ..utils.progress import ProgressCallback, no_progress, span_of
from .overlay import overlay
from .window_map import reward_map, weakest_mask

STEPS = 100
_MAPPED, _MASKED = 80, 90  # of the steps: about the shares of the time


@dataclass(frozen=True)
class Heatmap:
    """`logit_map` [H, W], `mask` [H, W] and `drawn` [3, H, W] in 0–1, all on the CPU."""

    logit_map: Tensor
    mask: Tensor
    drawn: Tensor


@dataclass(frozen=True)
class MaskShape:
    """The arguments of `weakest_mask`."""

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
    prompt: str | None = None,
) -> Heatmap:
    """`reward_map`, `weakest_mask` and `overlay` of [3, H, W] in 0–1, in `STEPS` steps of progress.

    Raises ImageError for a picture that is too small, or too large for the memory.
    """
    mapping = span_of(progress, "mapping", 0, _MAPPED, STEPS)
    logit_map = reward_map(reward, image, mapping, model_of=model_of, prompt=prompt)
    masking = span_of(progress, "mapping", _MAPPED, _MASKED, STEPS)
    mask = weakest_mask(logit_map, shape.share, shape.grow, shape.blur, masking)
    drawing = span_of(progress, "mapping", _MASKED, STEPS, STEPS)
    return Heatmap(logit_map, mask, overlay(image, logit_map, mask, drawing))

"""Reward map by sliding windows: crops of a picture are scored, and each pixel gets their weighted mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ..data.dilation import dilated
from ..data.filters import blurred
from ..rewards.base import Reward
from ..rewards.combined import ModelOf, model_itself
from ..utils.device_memory import is_out_of_main_memory
from ..utils.errors import DataError, ImageError
from ..utils.progress import Progress, ProgressCallback, no_progress, span_of
from .linear_head_map import head_map

_WINDOWS = ((1 / 2, 3), (1 / 3, 5))
"""Window side as a share of the picture's, and windows per row and column; neighbours overlap by half or more."""

_LEAST_SIDE = 16
_LEAST_WEIGHT = 0.02  # at a window's edge, so that the picture's own edge has some
_PIXELS_AT_ONCE = 2**25  # of windows scored together: about a second, after which a Cancel is noticed

STEPS = sum(count * count for _, count in _WINDOWS)
"""Windows scored per picture."""


def reward_map(
    reward: Reward,
    image: Tensor,
    progress: ProgressCallback = no_progress,
    *,
    model_of: ModelOf = model_itself,
    prompt: str | None = None,
) -> Tensor:
    """[3, H, W] in 0–1 → [H, W]: the logit of what is around each pixel.

    Windows of two sizes are scored as pictures; a pixel gets their mean, weighted by a Hann window. That works for any
    reward. For a reward model with a linear head its `head_map` is added, scaled to the same standard deviation:
    windows are better at finding degraded regions, the head's map at saying what the logit would lose
    (benchmarks/reward_maps.py). `model_of` unwraps the reward models of a host. `prompt` is the picture's, for a
    reward that needs it. Raises ImageError for a picture too small to be cut.
    """
    height, width = image.shape[-2:]
    if min(height, width) < _LEAST_SIDE:
        raise ImageError(
            f"A picture of {width} × {height} is too small for a map. {_LEAST_SIDE} pixels a side are the least."
        )
    with memory_for_a_map(height, width):
        logit_map = torch.zeros(height, width)
        done = 0
        for share, count in _WINDOWS:
            size = (math.ceil(height * share), math.ceil(width * share))
            tops, lefts = _starts(height, size[0], count), _starts(width, size[1], count)
            windows = [image[:, top : top + size[0], left : left + size[1]] for top in tops for left in lefts]
            logits = _scored(reward, windows, prompt, done, progress).view(count, count) / len(_WINDOWS)
            # The weights are separable: a product of one for the row and one for the column.
            logit_map += _weights(height, size[0], tops) @ logits @ _weights(width, size[1], lefts).T
            done += len(windows)
        model = model_of(reward)
        added = head_map(model, image) if model else None
        return logit_map if added is None else logit_map.add_(_scaled_as(added, logit_map))


def weakest_mask(
    logit_map: Tensor, share: float, grow: int = 0, blur: int = 0, progress: ProgressCallback = no_progress
) -> Tensor:
    """A mask [H, W] in 0–1 of the lowest `share` (0–1) of a logit map [H, W] on the CPU.

    It is dilated by `grow` pixels and blurred over `blur` pixels, as inpainting needs it. Raises DataError for a
    share outside 0–1.
    """
    if not 0 < share < 1:
        raise DataError(f"The share of the picture is {share}. Use more than 0 and less than 1, such as 0.2.")
    with memory_for_a_map(*logit_map.shape):
        mask = dilated(_lowest(logit_map, max(1, round(share * logit_map.numel()))), grow)
        return blurred(mask.float(), blur, progress).clamp_(0, 1)


@contextmanager
def memory_for_a_map(height: int, width: int) -> Iterator[None]:
    """Raise ImageError with advice where main memory does not suffice for a map of that size."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # Not for a full graphics card: it only gets small windows, whatever the picture's size.
        if not is_out_of_main_memory(error):
            raise
        raise ImageError(
            f"There is not enough memory for a map of a picture of {width} × {height}. Make the picture smaller."
        ) from error


def _scored(
    reward: Reward, windows: list[Tensor], prompt: str | None, done: int, progress: ProgressCallback
) -> Tensor:
    """The logits of windows of one size; progress goes on from the step `done`."""
    at_once = max(1, _PIXELS_AT_ONCE // windows[0][0].numel())
    logits: list[Tensor] = []
    for start in range(0, len(windows), at_once):
        group = windows[start : start + at_once]
        end = done + start + len(group)
        prompts = None if prompt is None else [prompt] * len(group)
        within = span_of(progress, "mapping", done + start, end, STEPS)
        logits.append(reward.score(group, prompts, within).logit)
        progress(Progress("mapping", end, STEPS))
    return _without_gaps(torch.cat(logits).float())


def _without_gaps(logits: Tensor) -> Tensor:
    """Windows that the reward gives no number for count as their mean. Raises DataError where it gives none at all."""
    known = torch.isfinite(logits)
    if not known.any():
        raise DataError(
            "The reward gives no part of the picture a score. Score it whole, or use another reward."
        )
    return torch.where(known, logits, logits[known].mean())


def _lowest(logit_map: Tensor, count: int) -> Tensor:
    """Mask, bool [H, W], of the `count` lowest values; of equal ones the first, row by row."""
    highest = float(np.partition(logit_map.flatten().numpy(), count - 1)[count - 1])
    lower, equal = logit_map < highest, logit_map == highest
    missing = count - int(lower.sum())
    if missing < int(equal.sum()):
        equal &= equal.flatten().cumsum(0, dtype=torch.int32).view_as(equal) <= missing
    return lower | equal


def _scaled_as(values: Tensor, other: Tensor) -> Tensor:
    """Centre the map `values` and scale it to the standard deviation of `other`."""
    return values.sub_(values.mean()).mul_(other.std() / values.std().clamp_min(1e-9))


def _starts(length: int, window: int, count: int) -> list[int]:
    return [round(step * (length - window) / (count - 1)) for step in range(count)]


def _weights(length: int, window: int, starts: list[int]) -> Tensor:
    """The weight of each window at each pixel of one side, [length, windows]; over windows they sum to 1."""
    weights = torch.zeros(length, len(starts))
    for column, start in enumerate(starts):
        weights[start : start + window, column] = torch.hann_window(window, periodic=False).clamp_min(
            _LEAST_WEIGHT
        )
    return weights / weights.sum(dim=1, keepdim=True)

"""Where in a picture its reward comes from, and where it fails."""

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
"""Share of a side that a window takes, and how many stand side by side; over each other by half or more."""

_LEAST_SIDE = 16
_FAINTEST = 0.02  # of a window's weight, at its rim, so that the picture's own rim belongs to something
_PIXELS_AT_ONCE = 2**25  # of windows: about a second's work, after which a Cancel is noticed

STEPS = sum(count * count for _, count in _WINDOWS)
"""How many windows are scored of one picture."""


def reward_map(
    reward: Reward,
    image: Tensor,
    progress: ProgressCallback = no_progress,
    *,
    model_of: ModelOf = model_itself,
) -> Tensor:
    """[3, H, W] in 0–1 → [H, W]: about the logit that the reward gives what is around each place.

    Windows of two sizes are cut out and scored as pictures of their own; a place gets their mean, those counting
    most that have it in their middle. Any reward can be asked that way. To the map of a reward model with a linear
    head, what the places add to that head's logit is added, scaled to vary as much: windows are better at finding what
    is spoilt, the head's sum at saying what the logit would lose (benchmarks/reward_maps.py). A host that wraps its
    models gives `model_of`. Raises ImageError for a picture too small to be cut.
    """
    height, width = image.shape[-2:]
    if min(height, width) < _LEAST_SIDE:
        raise ImageError(
            f"A picture of {width} × {height} is too small for a map. {_LEAST_SIDE} pixels a side are the least."
        )
    with memory_for_a_map(height, width):
        places = torch.zeros(height, width)
        done = 0
        for share, count in _WINDOWS:
            size = (math.ceil(height * share), math.ceil(width * share))
            tops, lefts = _starts(height, size[0], count), _starts(width, size[1], count)
            windows = [image[:, top : top + size[0], left : left + size[1]] for top in tops for left in lefts]
            logits = _scored(reward, windows, done, progress).view(count, count) / len(_WINDOWS)
            # Each weight is a product of one for its row and one for its column, and so is their sum.
            places += _weights(height, size[0], tops) @ logits @ _weights(width, size[1], lefts).T
            done += len(windows)
        model = model_of(reward)
        added = head_map(model, image) if model else None
        return places if added is None else places.add_(_varying_as(added, places))


def weakest(
    places: Tensor, share: float, grow: int = 0, blur: int = 0, progress: ProgressCallback = no_progress
) -> Tensor:
    """A mask [H, W] in 0–1 of the lowest `share` (0–1) of the map [H, W] on the CPU.

    It is then grown by `grow` pixels all round and its rim softened over `blur` pixels, as inpainting likes it.
    Raises DataError for a share that is none.
    """
    if not 0 < share < 1:
        raise DataError(f"The share of the picture is {share}. Use more than 0 and less than 1, such as 0.2.")
    with memory_for_a_map(*places.shape):
        mask = dilated(_lowest(places, max(1, round(share * places.numel()))), grow)
        return blurred(mask.float(), blur, progress).clamp_(0, 1)


@contextmanager
def memory_for_a_map(height: int, width: int) -> Iterator[None]:
    """Raise ImageError, in words of ours, where memory does not suffice for a map of that size."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # A graphics card that is full is no matter of the picture's size: it gets small ones.
        if not is_out_of_main_memory(error):
            raise
        raise ImageError(
            f"There is not enough memory for a map of a picture of {width} × {height}. Make the picture smaller."
        ) from error


def _scored(reward: Reward, windows: list[Tensor], done: int, progress: ProgressCallback) -> Tensor:
    """The logits of the windows, all of one size, with progress from the step `done` on."""
    at_once = max(1, _PIXELS_AT_ONCE // windows[0][0].numel())
    logits: list[Tensor] = []
    for place in range(0, len(windows), at_once):
        group = windows[place : place + at_once]
        end = done + place + len(group)
        within = span_of(progress, "mapping", done + place, end, STEPS)
        logits.append(reward.score(group, progress=within).logit)
        progress(Progress("mapping", end, STEPS))
    return torch.cat(logits).float()


def _lowest(places: Tensor, count: int) -> Tensor:
    """Where, bool [H, W], the `count` lowest values lie; of equal ones the first, row by row."""
    highest = float(np.partition(places.flatten().numpy(), count - 1)[count - 1])
    lower, equal = places < highest, places == highest
    missing = count - int(lower.sum())
    if missing < int(equal.sum()):
        equal &= equal.flatten().cumsum(0, dtype=torch.int32).view_as(equal) <= missing
    return lower | equal


def _varying_as(places: Tensor, other: Tensor) -> Tensor:
    return places.sub_(places.mean()).mul_(other.std() / places.std().clamp_min(1e-9))


def _starts(length: int, window: int, count: int) -> list[int]:
    return [round(step * (length - window) / (count - 1)) for step in range(count)]


def _weights(length: int, window: int, starts: list[int]) -> Tensor:
    """How much each window counts at each place along one side, [length, windows]; over windows they sum to 1."""
    weights = torch.zeros(length, len(starts))
    for column, start in enumerate(starts):
        weights[start : start + window, column] = torch.hann_window(window, periodic=False).clamp_min(
            _FAINTEST
        )
    return weights / weights.sum(dim=1, keepdim=True)

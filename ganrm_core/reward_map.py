"""Where in a picture its reward comes from, and where it fails."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from .ensemble import ModelOf, model_itself
from .errors import DataError, ImageError
from .gaussian import blurred
from .head_map import head_map
from .progress import Progress, ProgressCallback, no_progress
from .reward import Reward

_WINDOWS = ((1 / 2, 3), (1 / 3, 5))
"""Share of a side that a window takes, and how many stand side by side; over each other by half or more."""

_LEAST_SIDE = 16
_GROWN_AT_ONCE = 8
_FAINTEST = 0.02  # of a window's weight, at its rim, so that the picture's own rim belongs to something

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
    places = torch.zeros(height, width)
    done = 0
    for share, count in _WINDOWS:
        size = (math.ceil(height * share), math.ceil(width * share))
        corners = [
            (top, left) for top in _starts(height, size[0], count) for left in _starts(width, size[1], count)
        ]
        windows = [image[:, top : top + size[0], left : left + size[1]] for top, left in corners]
        logits = reward.score(windows).logit
        places += _blended(logits, corners, size, (height, width)) / len(_WINDOWS)
        done += len(corners)
        progress(Progress("mapping", done, STEPS))
    model = model_of(reward)
    added = head_map(model, image) if model else None
    return places if added is None else places + _varying_as(added, places)


def weakest(places: Tensor, share: float, grow: int = 0, blur: int = 0) -> Tensor:
    """A mask [H, W] in 0–1 of the lowest `share` (0–1) of the map [H, W].

    It is then grown by `grow` pixels all round and its rim softened over `blur` pixels, as inpainting likes it.
    Raises DataError for a share that is none.
    """
    if not 0 < share < 1:
        raise DataError(f"The share of the picture is {share}. Use more than 0 and less than 1, such as 0.2.")
    count = max(1, round(share * places.numel()))
    mask = torch.zeros(places.numel())
    mask[places.flatten().argsort()[:count]] = 1
    return blurred(_grown(mask.view(places.shape), grow), blur).clamp(0, 1)


def _varying_as(places: Tensor, other: Tensor) -> Tensor:
    return (places - places.mean()) * (other.std() / places.std().clamp_min(1e-9))


def _grown(mask: Tensor, pixels: int) -> Tensor:
    """By a square; in small steps, since a wide maximum takes long."""
    grown = mask[None, None]
    while pixels > 0:
        step = min(pixels, _GROWN_AT_ONCE)
        grown = max_pool2d(grown, (2 * step + 1, 1), stride=1, padding=(step, 0))
        grown = max_pool2d(grown, (1, 2 * step + 1), stride=1, padding=(0, step))
        pixels -= step
    return grown[0, 0]


def _starts(length: int, window: int, count: int) -> list[int]:
    return [round(step * (length - window) / (count - 1)) for step in range(count)]


def _blended(
    logits: Tensor, corners: list[tuple[int, int]], size: tuple[int, int], whole: tuple[int, int]
) -> Tensor:
    weight = torch.outer(*(torch.hann_window(side, periodic=False).clamp_min(_FAINTEST) for side in size))
    total, weights = torch.zeros(whole), torch.zeros(whole)
    for (top, left), logit in zip(corners, logits.tolist(), strict=True):
        at = (slice(top, top + size[0]), slice(left, left + size[1]))
        total[at] += logit * weight
        weights[at] += weight
    return total / weights

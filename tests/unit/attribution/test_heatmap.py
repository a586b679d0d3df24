"""Overlay, progress and Cancel of reward heatmaps."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate, max_pool2d
from unit_support.rewards import Brightness

from ganrm_core.attribution.heatmap import STEPS, MaskShape, heatmap
from ganrm_core.attribution.overlay import overlay
from ganrm_core.attribution.window_map import reward_map, weakest_mask
from ganrm_core.utils.errors import ImageError
from ganrm_core.utils.progress import Progress

SHAPE = MaskShape(0.2, 8, 16)


class TestOverlay:
    @pytest.mark.parametrize("size", [(40, 60), (900, 500), (1300, 20)])
    def test_the_outline_is_that_of_a_wide_maximum(self, size: tuple[int, int]) -> None:
        coarse = torch.rand(1, 1, 7, 7, generator=torch.Generator().manual_seed(0))
        mask = interpolate(coarse, size, mode="bilinear")[0, 0]
        image = torch.rand(3, *size, generator=torch.Generator().manual_seed(1)) / 2
        width = max(1, round(max(size) / 400))
        inside = (mask > 0.5).float()[None, None]
        wide = (2 * width + 1, 1, width)
        expected = (max_pool2d(inside, *wide) + max_pool2d(1 - inside, *wide))[0, 0] == 2
        white = (overlay(image, torch.zeros(size), mask) == 1).all(dim=0)
        assert torch.equal(white, expected)

    def test_weak_is_orange_and_strong_is_blue(self) -> None:
        logit_map = torch.full((40, 60), 3.0)
        logit_map[:, :30] = -3.0
        drawn = overlay(torch.full((3, 40, 60), 0.5), logit_map, (logit_map < 0).float())
        assert drawn[0, 20, 10] > drawn[2, 20, 10]
        assert drawn[2, 20, 50] > drawn[0, 20, 50]


def test_progress_runs_from_start_to_end_in_steps_of_one_kind() -> None:
    steps: list[Progress] = []
    made = heatmap(Brightness(), torch.rand(3, 1100, 1000), SHAPE, steps.append)
    assert made.logit_map.shape == made.mask.shape == made.drawn.shape[1:] == (1100, 1000)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == STEPS
    assert {(step.stage, step.total) for step in steps} == {("mapping", STEPS)}
    assert len(set(done)) >= 8


def test_each_part_can_be_cancelled() -> None:
    image, logit_map = torch.rand(3, 1100, 1000), torch.rand(1100, 1000)

    def cancel(step: Progress) -> None:
        raise InterruptedError(step.done)

    for work in (
        lambda: reward_map(Brightness(), image, cancel),
        lambda: weakest_mask(logit_map, 0.2, 8, 16, cancel),
        lambda: overlay(image, logit_map, logit_map, cancel),
    ):
        with pytest.raises(InterruptedError):
            work()


def test_a_picture_too_large_for_memory_is_an_image_error() -> None:
    """2²⁴ × 2²⁴ pixels: no machine has memory for them."""
    flat = torch.zeros(1, 1).expand(2**24, 2**24)
    image = flat.expand(3, -1, -1)
    for work in (
        lambda: reward_map(Brightness(), image),
        lambda: weakest_mask(flat, 0.2),
        lambda: overlay(image, flat, flat),
    ):
        with pytest.raises(
            ImageError, match="not enough memory for a map of a picture of 16777216 × 16777216"
        ):
            work()

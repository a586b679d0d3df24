"""Reward maps by windows, and masks of the weakest regions."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from unit_support.rewards import Brightness

from ganrm_core.attribution import window_map as module
from ganrm_core.attribution.window_map import STEPS, reward_map, weakest_mask
from ganrm_core.rewards.base import Scores
from ganrm_core.utils.errors import DataError, ImageError
from ganrm_core.utils.progress import Progress


def noise(height: int, width: int) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


class TestRewardMap:
    def test_it_is_the_weighted_mean_of_the_windows(self) -> None:
        image = noise(70, 50)
        expected = torch.zeros(70, 50)
        for share, count in ((1 / 2, 3), (1 / 3, 5)):
            height, width = math.ceil(70 * share), math.ceil(50 * share)
            window = torch.outer(
                *(torch.hann_window(side, periodic=False).clamp_min(0.02) for side in (height, width))
            )
            total, weights = torch.zeros(70, 50), torch.zeros(70, 50)
            for row, column in product(range(count), repeat=2):
                top = round(row * (70 - height) / (count - 1))
                left = round(column * (50 - width) / (count - 1))
                at = (slice(top, top + height), slice(left, left + width))
                total[at] += image[:, at[0], at[1]].mean() * window
                weights[at] += window
            expected += total / weights / 2
        torch.testing.assert_close(reward_map(Brightness(), image), expected, rtol=0, atol=1e-5)

    def test_large_windows_are_scored_a_few_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        image = noise(60, 80)
        steps: list[Progress] = []
        whole = reward_map(Brightness(), image, steps.append)
        assert [(step.done, step.total) for step in steps] == [(9, STEPS), (34, STEPS)]
        monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 4 * 30 * 40)
        steps.clear()
        torch.testing.assert_close(reward_map(Brightness(), image, steps.append), whole, rtol=0, atol=1e-6)
        assert [step.done for step in steps] == [4, 8, 9, 17, 25, 33, 34]

    def test_windows_without_a_score_count_as_the_mean_of_the_others(self) -> None:
        class Silent(Brightness):
            def score(self, images: Any, *rest: Any) -> Scores:
                scores = super().score(images, *rest)
                return replace(scores, logit=scores.logit.masked_fill(scores.logit > most, math.nan))

        image = noise(60, 80)
        image[:, :20, :20] = 1
        most = 0.6
        logits = reward_map(Silent(), image)
        assert logits.isfinite().all()
        assert logits[0, 0] < reward_map(Brightness(), image)[0, 0]
        most = 0.0
        with pytest.raises(DataError, match="no part of the picture a score"):
            reward_map(Silent(), image)

    def test_a_picture_too_small_says_so(self) -> None:
        with pytest.raises(ImageError, match="40 × 15 is too small"):
            reward_map(Brightness(), torch.zeros(3, 15, 40))

    def test_other_errors_than_out_of_memory_pass_through(self) -> None:
        with pytest.raises(RuntimeError, match="another"), module.memory_for_a_map(2, 2):
            raise RuntimeError("another")


class TestWeakestMask:
    @pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.999])
    @pytest.mark.parametrize("levels", [1, 5, 2**20])
    def test_it_is_the_lowest_share_of_all_values(self, levels: int, share: float) -> None:
        logit_map = (noise(61, 43)[0] * levels).floor()
        expected = torch.zeros(61 * 43)
        expected[logit_map.flatten().argsort(stable=True)[: round(share * 61 * 43)]] = 1
        assert torch.equal(weakest_mask(logit_map, share), expected.view(61, 43))

    def test_grow_and_blur(self) -> None:
        logit_map = torch.ones(40, 40)
        logit_map[20, 20] = 0
        assert weakest_mask(logit_map, 1 / 1600, grow=3).sum() == 49
        blurred = weakest_mask(logit_map, 1 / 1600, grow=6, blur=6)
        assert blurred[20, 20] == pytest.approx(1, abs=0.05)
        assert 0.2 < float(blurred[20, 14]) < 0.8
        assert float(blurred[20, 4]) == 0
        assert 0 <= float(blurred.min()) <= float(blurred.max()) <= 1

    @pytest.mark.parametrize("share", [0.0, 1.0, -0.5, math.nan])
    def test_a_share_outside_0_to_1(self, share: float) -> None:
        with pytest.raises(DataError, match="more than 0 and less than 1"):
            weakest_mask(torch.zeros(4, 4), share)

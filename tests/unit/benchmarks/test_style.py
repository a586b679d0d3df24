"""The ground truth of the style benchmark: drawings of one style, and how far two sets of pictures lie apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.feature_distance import energy_distance
from benchmarks.paper_reward import PaperReward
from benchmarks.shapes.drawing import any_shape
from benchmarks.style import Style
from ganrm_core.post_training.studio import Judged


@pytest.mark.parametrize("seed", range(3))
def test_drawings_of_a_style_have_it_and_few_others_do(seed: int) -> None:
    style, rng = Style.of_seed(seed), np.random.default_rng(9)
    assert all(style.has(shape) for shape in style.shapes(50, 1))
    assert sum(style.has(any_shape(rng)) for _ in range(300)) < 45
    assert not style.has(None)


def test_the_distance_grows_as_two_sets_part() -> None:
    random = torch.Generator().manual_seed(0)
    one, *others = (torch.randn(200, 5, generator=random) + shift for shift in (0.0, 0.0, 0.5, 2.0))
    none, near, far = (energy_distance(one, other) for other in others)
    assert none < 0.3 * near < 0.3 * far


def test_the_reward_of_the_paper_scores_by_luck_and_yet_learns() -> None:
    random = torch.Generator().manual_seed(0)
    references, made = torch.randn(9, 70, 4, generator=random) + 2, torch.randn(9, 70, 4, generator=random)
    reward, seen = PaperReward(references, 0), Judged(torch.zeros(9), made[:, 0], patches=made)
    assert (reward.logits(seen) != reward.logits(seen)).any()
    liked = Judged(torch.zeros(9), references[:, 0], patches=references)

    def lead() -> float:
        return float(reward.logits(liked).mean() - reward.logits(seen).mean())

    before = lead()
    for _ in range(5):
        reward.add(seen)
    assert lead() > before + 0.05

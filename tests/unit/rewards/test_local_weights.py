"""Networks built without first weights."""

from __future__ import annotations

import torch
from torch import nn

from ganrm_core.rewards.local_weights import NoInitialisation


def test_weights_are_not_drawn() -> None:
    weights = torch.full((1000,), 7.0)
    with NoInitialisation():
        nn.init.normal_(weights)
        nn.init.kaiming_uniform_(weights.view(10, 100))
        weights.uniform_()
    assert torch.equal(weights, torch.full((1000,), 7.0))


def test_a_truncated_normal_is_drawn_since_it_repeats_its_draws_until_they_fit() -> None:
    with NoInitialisation():
        weights = nn.init.trunc_normal_(torch.full((1000,), 7.0), std=0.5, a=-1.0, b=1.0)
    assert weights.abs().max() <= 1
    assert weights.std() > 0.1

"""Heads and their ensemble: logits, spread, and rebuilding from tensors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganrm_core.rewards.discriminator.heads import (
    Head,
    LinearHead,
    PaperHead,
    ProjectedMLPHead,
    RewardProjectionLayer,
)
from ganrm_core.utils.errors import CheckpointError

WIDTH = 6


def head(kind: str, seed: int) -> Head:
    torch.manual_seed(seed)
    if kind == "linear":
        return LinearHead(torch.randn(WIDTH), torch.randn(WIDTH), torch.randn(()))
    if kind == "mlp":
        return ProjectedMLPHead(torch.randn(WIDTH), torch.randn(WIDTH, 3), hidden=5, dropout=0.3)
    return PaperHead(WIDTH, hidden=7)


@pytest.fixture
def features() -> Tensor:
    return torch.randn(9, WIDTH, generator=torch.Generator().manual_seed(0))


def test_a_linear_head_by_hand() -> None:
    layer = LinearHead(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]), torch.tensor(0.5))
    assert layer(torch.tensor([[2.0, 4.0], [1.0, 2.0]])).tolist() == [1.5, 0.5]
    far = torch.full((1, 2), 1e4)
    layer = LinearHead(far[0], torch.tensor([1e3, 1e3]), torch.tensor(0.0))
    assert float(layer(far + 0.125)) == 250.0, "features far from zero lose no precision"


def test_the_mean_of_linear_heads_has_the_mean_logit(features: Tensor) -> None:
    heads = [LinearHead(torch.randn(WIDTH), torch.randn(WIDTH), torch.tensor(0.3 * n)) for n in range(3)]
    expected = torch.stack([each(features) for each in heads]).mean(dim=0)
    torch.testing.assert_close(LinearHead.mean_of(heads)(features), expected)


@pytest.mark.parametrize("kind", ["linear", "mlp", "paper"])
class TestRewardProjectionLayer:
    def test_scores_by_the_head_and_spreads_over_the_siblings(self, kind: str, features: Tensor) -> None:
        main, siblings = head(kind, 0), [head(kind, seed) for seed in (1, 2, 3)]
        layer = RewardProjectionLayer(main.train(), siblings)
        logits, spread = layer(features)
        assert layer.kind == kind
        assert torch.equal(logits, main(features)), "without dropout"
        torch.testing.assert_close(spread, torch.stack([s(features) for s in siblings]).std(dim=0))
        assert spread.min() > 0
        assert not any(parameter.requires_grad for parameter in layer.parameters())
        for few in ([], siblings[:1]):
            assert RewardProjectionLayer(main, few)(features)[1].tolist() == [0] * len(features)

    def test_comes_back_from_its_tensors(self, kind: str, features: Tensor) -> None:
        # Eleven siblings: "10" must not be sorted between "1" and "2".
        layer = RewardProjectionLayer(head(kind, 0), [head(kind, seed) for seed in range(1, 12)])
        tensors, state = layer.state_dict(), torch.random.get_rng_state()
        again = RewardProjectionLayer.from_tensors(kind, tensors)
        assert torch.equal(torch.random.get_rng_state(), state), "the global generator is left alone"
        assert list(again.state_dict()) == list(tensors)
        for before, after in zip(layer(features), again(features), strict=True):
            assert torch.equal(before, after)

    def test_refuses_missing_and_unknown_tensors(self, kind: str) -> None:
        tensors = dict(RewardProjectionLayer(head(kind, 0)).state_dict())
        fewer = [{other: t for other, t in tensors.items() if other != name} for name in tensors]
        misfits = [
            {**tensors, name: tensor.repeat(2)} for name, tensor in tensors.items() if tensor.ndim == 1
        ]
        for wrong in (*fewer, *misfits, {}, {**tensors, "siblings.x.mean": torch.ones(1)}):
            with pytest.raises(CheckpointError, match="cannot be rebuilt"):
                RewardProjectionLayer.from_tensors(kind, wrong)
        with pytest.raises(CheckpointError, match="unknown kind"):
            RewardProjectionLayer.from_tensors("vertical", tensors)

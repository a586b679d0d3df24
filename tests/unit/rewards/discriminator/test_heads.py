from __future__ import annotations

import pytest
import torch

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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "linear":
            return LinearHead(torch.randn(WIDTH), torch.randn(WIDTH), torch.randn(()))
        if kind == "mlp":
            return ProjectedMLPHead(torch.randn(WIDTH), torch.randn(WIDTH, 3), hidden=5, dropout=0.3)
        return PaperHead(WIDTH, hidden=7)


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(9, WIDTH, generator=torch.Generator().manual_seed(0))


class TestLinearHead:
    def test_by_hand(self) -> None:
        layer = LinearHead(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]), torch.tensor(0.5))
        assert layer(torch.tensor([[2.0, 4.0], [1.0, 2.0]])).tolist() == [1.5, 0.5]

    def test_features_far_from_zero_lose_nothing(self) -> None:
        far = torch.full((1, 2), 1e4)
        layer = LinearHead(far[0], torch.tensor([1e3, 1e3]), torch.tensor(0.0))
        assert float(layer(far + 0.125)) == 250.0


@pytest.mark.parametrize("kind", ["linear", "mlp", "paper"])
class TestRewardProjectionLayer:
    def test_scores_by_the_head_and_spreads_over_the_siblings(
        self, kind: str, features: torch.Tensor
    ) -> None:
        main, siblings = head(kind, 0), [head(kind, seed) for seed in (1, 2, 3)]
        layer = RewardProjectionLayer(main, siblings)
        logits, spread = layer(features)
        assert layer.kind == kind
        assert torch.equal(logits, main(features))
        torch.testing.assert_close(spread, torch.stack([s(features) for s in siblings]).std(dim=0))
        assert spread.min() > 0

    def test_a_lone_head_claims_no_spread(self, kind: str, features: torch.Tensor) -> None:
        for siblings in ([], [head(kind, 1)]):
            logits, spread = RewardProjectionLayer(head(kind, 0), siblings)(features)
            assert spread.tolist() == [0] * len(features)
            assert logits.shape == spread.shape

    def test_is_frozen_and_without_dropout(self, kind: str, features: torch.Tensor) -> None:
        layer = RewardProjectionLayer(head(kind, 0).train(), [head(kind, 1), head(kind, 2)])
        assert not any(parameter.requires_grad for parameter in layer.parameters())
        assert torch.equal(layer(features)[0], layer(features)[0])

    def test_comes_back_from_its_tensors(self, kind: str, features: torch.Tensor) -> None:
        # Eleven siblings: "10" must not be sorted between "1" and "2".
        layer = RewardProjectionLayer(head(kind, 0), [head(kind, seed) for seed in range(1, 12)])
        tensors = layer.state_dict()
        again = RewardProjectionLayer.from_tensors(kind, tensors)
        assert list(again.state_dict()) == list(tensors)
        for name, tensor in again.state_dict().items():
            assert torch.equal(tensor, tensors[name]), name
        for before, after in zip(layer(features), again(features), strict=True):
            assert torch.equal(before, after)

    def test_refuses_tensors_of_another_shape_or_number(self, kind: str) -> None:
        tensors = dict(RewardProjectionLayer(head(kind, 0)).state_dict())
        for name in tensors:
            missing = {other: tensor for other, tensor in tensors.items() if other != name}
            with pytest.raises(CheckpointError, match="cannot be rebuilt"):
                RewardProjectionLayer.from_tensors(kind, missing)
        with pytest.raises(CheckpointError, match="cannot be rebuilt"):
            RewardProjectionLayer.from_tensors(kind, {})
        with pytest.raises(CheckpointError, match="unknown kind"):
            RewardProjectionLayer.from_tensors("vertical", tensors)
        with pytest.raises(CheckpointError, match="cannot be rebuilt"):
            RewardProjectionLayer.from_tensors(kind, {**tensors, "siblings.x.mean": torch.ones(1)})

    def test_loading_leaves_the_global_generator_alone(self, kind: str) -> None:
        tensors = RewardProjectionLayer(head(kind, 0)).state_dict()
        state = torch.random.get_rng_state()
        RewardProjectionLayer.from_tensors(kind, tensors)
        assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("linear", {"head.weight": torch.ones(WIDTH + 1)}),
        ("mlp", {"head.projection": torch.ones(WIDTH)}),
        ("mlp", {"head.projection": torch.ones(WIDTH + 1, 3)}),
    ],
)
def test_refuses_tensors_that_do_not_fit_each_other(kind: str, changed: dict[str, torch.Tensor]) -> None:
    tensors = {**RewardProjectionLayer(head(kind, 0)).state_dict(), **changed}
    with pytest.raises(CheckpointError):
        RewardProjectionLayer.from_tensors(kind, tensors)

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganrm_core.rewards.discriminator.lora_adapter import Adapter, merge_adapter
from ganrm_core.utils.errors import CheckpointError


def network() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Sequential(nn.Linear(5, 3))).requires_grad_(False)


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"0.A": (2, 4), "0.B": (5, 2), "2.0.A": (2, 5), "2.0.B": (3, 2)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


class TestMerge:
    def test_equals_the_low_rank_detour(self) -> None:
        plain, merged, low_rank, scale = network(), network(), tensors(), 8.0 / 2
        merge_adapter(merged, Adapter(2, 8.0, low_rank))
        x = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
        hidden = torch.relu(plain[0](x) + scale * (x @ low_rank["0.A"].T) @ low_rank["0.B"].T)
        expected = plain[2][0](hidden) + scale * (hidden @ low_rank["2.0.A"].T) @ low_rank["2.0.B"].T
        torch.testing.assert_close(merged(x), expected, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(plain(x), expected, atol=0.1)

    def test_keeps_precision_and_the_frozen_state(self) -> None:
        half = network().half()
        merge_adapter(half, Adapter(2, 2.0, tensors()))
        assert half[0].weight.dtype == torch.float16
        assert not half[0].weight.requires_grad

    def test_a_module_that_is_not_there_or_not_linear(self) -> None:
        for name in ("7", "1"):
            low_rank = {f"{name}.A": torch.ones(2, 4), f"{name}.B": torch.ones(5, 2)}
            with pytest.raises(CheckpointError, match=f"'{name}'"):
                merge_adapter(network(), Adapter(2, 2.0, low_rank))

    @pytest.mark.parametrize(
        "change",
        [{"0.B": None}, {"0.A": torch.ones(2, 9)}, {"0.A": torch.ones(3, 4)}],
        ids=["half is missing", "another width", "another rank"],
    )
    def test_tensors_that_do_not_fit(self, change: dict[str, Tensor | None]) -> None:
        low_rank = {name: tensor for name, tensor in {**tensors(), **change}.items() if tensor is not None}
        with pytest.raises(CheckpointError):
            merge_adapter(network(), Adapter(2, 2.0, low_rank))


class TestCheckpointSettings:
    def test_round_trip(self) -> None:
        adapter = Adapter(2, 8.0, tensors())
        assert adapter.modules == ["0", "2.0"]
        assert Adapter.from_checkpoint(adapter.settings(), adapter.tensors) == adapter

    @pytest.mark.parametrize(
        "change",
        [
            {"kind": "other"},
            {"modules": ["0"]},
            {"modules": None},
            {"rank": 0},
            {"rank": "many"},
        ],
    )
    def test_damaged_settings(self, change: dict[str, Any]) -> None:
        settings = {**Adapter(2, 8.0, tensors()).settings(), **change}
        with pytest.raises(CheckpointError):
            Adapter.from_checkpoint(settings, tensors())

    @pytest.mark.parametrize(
        "missing",
        ["kind", "rank", "alpha", "modules"],
    )
    def test_missing_settings(self, missing: str) -> None:
        settings = Adapter(2, 8.0, tensors()).settings()
        del settings[missing]
        with pytest.raises(CheckpointError):
            Adapter.from_checkpoint(settings, tensors())

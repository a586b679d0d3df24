"""LoRA adapters: merging into a network, and their settings in a checkpoint."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganrm_core.rewards.discriminator.lora_adapter import Adapter, merge_adapter
from ganrm_core.utils.errors import CheckpointError


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Sequential(nn.Linear(5, 3))).requires_grad_(False)


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"0.A": (2, 4), "0.B": (5, 2), "2.0.A": (2, 5), "2.0.B": (3, 2)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_merged_it_equals_the_low_rank_path_beside_each_layer(tensors: dict[str, Tensor]) -> None:
    plain, merged, scale = network(), network(), 8.0 / 2
    merge_adapter(merged, Adapter(2, 8.0, tensors))
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    hidden = torch.relu(plain[0](x) + scale * (x @ tensors["0.A"].T) @ tensors["0.B"].T)
    expected = plain[2][0](hidden) + scale * (hidden @ tensors["2.0.A"].T) @ tensors["2.0.B"].T
    torch.testing.assert_close(merged(x), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(plain(x), expected, atol=0.1)
    half = network().half()
    merge_adapter(half, Adapter(2, 2.0, tensors))
    assert (half[0].weight.dtype, half[0].weight.requires_grad) == (torch.float16, False)


def test_tensors_that_do_not_fit(tensors: dict[str, Tensor]) -> None:
    for changed, message in (
        ({"7.A": torch.ones(2, 4), "7.B": torch.ones(5, 2)}, "'7'.* does not have here"),
        ({"1.A": torch.ones(2, 4), "1.B": torch.ones(5, 2)}, "'1'.* does not have here"),  # no linear layer
        ({"0.B": None}, "'0' does not fit its layer"),
        ({"0.A": torch.ones(2, 9)}, "'0' does not fit its layer"),
        ({"0.A": torch.ones(3, 4)}, "'0' does not fit its layer"),  # another rank
    ):
        kept = {name: tensor for name, tensor in {**tensors, **changed}.items() if tensor is not None}
        with pytest.raises(CheckpointError, match=message):
            merge_adapter(network(), Adapter(2, 2.0, kept))


def test_settings_round_trip(tensors: dict[str, Tensor]) -> None:
    adapter = Adapter(2, 8.0, tensors)
    assert adapter.modules == ["0", "2.0"]
    assert Adapter.from_checkpoint(adapter.settings(), tensors) == adapter
    other = Adapter(2, 8.0, {**tensors, "0.A": -tensors["0.A"]})
    assert adapter.sha256() == Adapter(2, 8.0, dict(reversed(tensors.items()))).sha256() != other.sha256()


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", "other"), ("modules", ["0"]), ("rank", 0), ("rank", "many"), ("alpha", 1e9)]
    + [(name, None) for name in ("kind", "rank", "alpha", "modules")],
)
def test_damaged_settings(name: str, value: Any, tensors: dict[str, Tensor]) -> None:
    settings = {**Adapter(2, 8.0, tensors).settings(), name: value}
    if value is None:
        del settings[name]
    with pytest.raises(CheckpointError, match="damaged or of an unknown kind"):
        Adapter.from_checkpoint(settings, tensors)

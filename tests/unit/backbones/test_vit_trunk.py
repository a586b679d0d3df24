"""The upper blocks of a transformer resume from a stored hidden state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.vit import VitBackbone, tap_depths
from ganrm_core.backbones.vit_trunk import Trunk
from ganrm_core.utils.errors import BackboneError


@pytest.fixture
def backbone(loaded: tuple[Backbone, Path]) -> VitBackbone:
    if not isinstance(loaded[0], VitBackbone):
        pytest.skip("no transformer")
    return loaded[0]


@pytest.mark.parametrize("above", [1, 3, 99])
def test_resumed_features_equal_those_of_a_whole_run(backbone: VitBackbone, above: int) -> None:
    side, depth = backbone.spec.input_size, backbone.layout.depth
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    trunk, ran = Trunk(backbone, above), []
    blocks = list(backbone.net.get_submodule(backbone.layout.blocks).children())
    norms = [next(m for m in block.modules() if isinstance(m, torch.nn.LayerNorm)) for block in blocks]
    hooks = [norm.register_forward_hook(lambda *_, n=n: ran.append(n)) for n, norm in enumerate(norms)]
    with torch.no_grad():
        whole = backbone.features(pixels)
        read, state = trunk.read(pixels)
        ran.clear()
        resumed = trunk.go_on(state)
        first = max(0, depth - above)
        assert sorted(set(ran)) == list(range(first, depth))
        for hook in hooks:
            hook.remove()
        again = backbone.features(pixels)
    below = {number for number in tap_depths(depth) if number <= first}
    assert {int(name[5:].split(".")[0]) for name in trunk.frozen_taps} == below
    for tap, expected, one, other in zip(backbone.spec.taps, whole, read, resumed, strict=True):
        assert torch.equal(one, expected)
        if tap.name not in trunk.frozen_taps:
            torch.testing.assert_close(other, expected, atol=1e-5, rtol=0)
    assert all(map(torch.equal, again, whole)), "the network is left as it was"


def test_a_transformer_that_cannot_be_split(backbone: VitBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = backbone.embedding
    monkeypatch.setattr(backbone, "embedding", lambda pixels: embedding(pixels) + pixels.mean())
    with pytest.raises(BackboneError, match=r"cannot be run by themselves.*Set adapt to none"):
        Trunk(backbone, 1)
    assert not any(module._forward_pre_hooks for module in backbone.modules())


def test_hooks_are_removed_when_the_network_fails(backbone: VitBackbone) -> None:
    with pytest.raises((RuntimeError, ValueError, AssertionError)):
        backbone.features(torch.zeros(1, 2, 32, 32))
    assert not any(module._forward_hooks for module in backbone.modules())


def test_tap_depths() -> None:
    for depth, expected in ((1, (1,)), (2, (1, 2)), (12, (3, 6, 9, 12)), (27, (7, 14, 20, 27))):
        assert tap_depths(depth) == expected

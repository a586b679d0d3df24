"""What holds for the backbones of every family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganrm_core.backbones.base import Backbone, BackboneSpec, sha256_of_files
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.vit import VitBackbone
from ganrm_core.utils.errors import BackboneError

Loaded = tuple[Backbone, Path]


@pytest.fixture
def pictures(loaded: Loaded) -> Tensor:
    side = loaded[0].spec.input_size
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))


def test_the_spec_describes_the_features(loaded: Loaded, pictures: Tensor) -> None:
    spec = loaded[0].spec
    features = loaded[0].features(pictures[:1])
    assert [tap.width for tap in spec.taps] == [tap.shape[-1] for tap in features]
    assert all(tap.shape[1] == 1 for about, tap in zip(spec.taps, features, strict=True) if about.pooled)
    assert spec.taps[-1].name == spec.embedding
    assert spec.taps[-1].pooled
    assert BackboneSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_features_do_not_depend_on_the_batch(loaded: Loaded, pictures: Tensor) -> None:
    order = [2, 0, 1]
    with torch.no_grad():
        together, shuffled = loaded[0].features(pictures), loaded[0].features(pictures[order])
        alone = loaded[0].features(pictures[2:])
    for whole, one, mixed in zip(together, alone, shuffled, strict=True):
        scale = max(1.0, float(whole.abs().max()))
        assert (one[0] - whole[2]).abs().max() < 1e-5 * scale
        assert (mixed[0] - whole[2]).abs().max() < 1e-5 * scale


def test_it_is_frozen_and_holds_the_vision_part_alone(loaded: Loaded) -> None:
    assert not loaded[0].training
    for name, parameter in loaded[0].named_parameters():
        assert (parameter.requires_grad, parameter.is_inference()) == (False, False)
        assert parameter.dtype == torch.float32
        assert "text" not in name


def test_it_can_be_trained_through(loaded: Loaded, pictures: Tensor) -> None:
    backbone, _ = loaded
    names, modules = backbone.adaptable_modules(2), dict(backbone.named_modules())
    pixels = pictures[:1].clone().requires_grad_()
    try:
        for name in names:
            # A subclass may be called by its weight alone (nn.MultiheadAttention's output): LoRA would do nothing.
            assert type(modules[name]) is nn.Linear
            modules[name].requires_grad_(True)
        # All taps, not the embedding alone: it may bypass some layers.
        torch.stack([tap.square().mean() for tap in backbone.features(pixels)]).sum().backward()
        for tensor in (pixels, *(modules[name].weight for name in names)):
            assert isinstance(tensor, Tensor)
            assert tensor.grad is not None
            assert tensor.grad.abs().sum() > 0
    finally:
        backbone.requires_grad_(False)


def test_adaptable_layers_are_those_of_the_last_blocks(loaded: Loaded) -> None:
    backbone, _ = loaded
    assert backbone.adaptable_modules(0) == []
    if not isinstance(backbone, VitBackbone):
        assert backbone.adaptable_modules(2) == []
        return
    blocks, depth = backbone.layout.blocks, backbone.layout.depth
    prefixes = tuple(f"net.{blocks}.{place}." for place in (depth - 2, depth - 1))
    names = backbone.adaptable_modules(2)
    assert {prefix for prefix in prefixes for name in names if name.startswith(prefix)} == {*prefixes}
    assert all(name.startswith(prefixes) for name in names)
    assert backbone.adaptable_modules(99) == backbone.adaptable_modules(depth)


def test_found_again_by_the_name_in_its_spec(loaded: Loaded) -> None:
    backbone, folder = loaded
    assert str(folder) not in backbone.spec.name or str(folder) == "."
    assert load_backbone(backbone.spec.name, search_folders=[folder]).spec == backbone.spec


def test_unknown_names_and_no_file_at_all() -> None:
    with pytest.raises(BackboneError, match="No weights file"):
        sha256_of_files([])
    for name in ("vit:x", "open_clip:", "transformers", "efficientnet_lite0:x", ""):
        with pytest.raises(BackboneError, match=r"Unknown backbone .* Use one of: efficientnet_lite0"):
            load_backbone(name)

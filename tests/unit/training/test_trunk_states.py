"""Cached hidden states below the LoRA blocks."""

from __future__ import annotations

import torch

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.vit import VitBackbone
from ganrm_core.backbones.vit_trunk import Trunk
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.training.trunk_states import TrunkStates


def test_features_and_gradients_follow_the_adapted_blocks_and_nothing_else(tiny_transformer: str) -> None:
    backbone = load_backbone(tiny_transformer)
    assert isinstance(backbone, VitBackbone)
    reader = FeatureExtractor(backbone, default_readout(backbone.spec))
    states = TrunkStates(reader, Trunk(backbone, 2))
    views = torch.rand(5, 3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    frozen = torch.stack([states.read(each) for each in views]).clone()
    assert torch.equal(frozen, torch.stack([reader(each) for each in views]))
    modules = [backbone.get_submodule(name) for name in backbone.adaptable_modules(2)]
    weights = [module.weight.requires_grad_() for module in modules]  # type: ignore[operator,union-attr]
    with torch.no_grad():
        for weight in weights:
            weight.mul_(1.5)
    expected = torch.stack([reader(each) for each in views])
    spread = expected.std(dim=(0, 1))
    moved = (expected - frozen).abs().mean(dim=(0, 1)) / spread > 0.2
    assert 0 < moved.sum() < len(moved)
    found = states.all_features(frozen)
    # Half precision of the states is what differs.
    assert float(((found - expected).abs() / spread.clamp_min(1e-6)).mean()) < 2e-3
    below = [block for block in reader.readout.blocks(backbone.spec) if block.tap.startswith("block1")]
    assert below
    for block in below:
        assert torch.equal(found[..., block.start : block.stop], frozen[..., block.start : block.stop])
    picture, view = torch.tensor([4, 0, 4]), torch.tensor([2, 1, 0])
    features = states.features(frozen, picture, view)
    assert torch.allclose(features, found[picture, view], atol=1e-5)
    features.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)

"""What LoRA trains on instead of pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.vit import VitBackbone
from ganrm_core.backbones.vit_trunk import Trunk
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.training.trunk_states import TrunkStates
from ganrm_core.utils import spooled_tensors
from ganrm_core.utils.errors import OutputError
from ganrm_core.utils.spooled_tensors import SpooledTensors

transformers = pytest.importorskip("transformers")

DEPTH, PICTURES, VIEWS = 6, 5, 3


@pytest.fixture
def backbone(tmp_path: Path) -> VitBackbone:
    torch.manual_seed(2)
    config = transformers.Dinov2Config(
        image_size=32,
        patch_size=8,
        hidden_size=32,
        num_hidden_layers=DEPTH,
        num_attention_heads=2,
        mlp_ratio=2,
    )
    network = transformers.Dinov2Model(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    network.save_pretrained(tmp_path / "tiny")
    loaded = load_backbone(f"transformers:{tmp_path / 'tiny'}")
    assert isinstance(loaded, VitBackbone)
    return loaded


def test_features_follow_the_adapted_blocks_and_nothing_else(backbone: VitBackbone) -> None:
    reader = FeatureExtractor(backbone, default_readout(backbone.spec))
    states = TrunkStates(reader, Trunk(backbone, 2))
    views = torch.rand(PICTURES, VIEWS, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    frozen = torch.stack([states.read(each) for each in views]).clone()
    assert torch.equal(frozen, torch.stack([reader(each) for each in views]))
    names = backbone.adaptable_modules(2)
    with torch.no_grad():
        for name in names:
            weight = backbone.get_submodule(name).weight
            assert isinstance(weight, torch.Tensor)
            weight.mul_(1.5)
    expected = torch.stack([reader(each) for each in views])
    spread = expected.std(dim=(0, 1))
    moved = (expected - frozen).abs().mean(dim=(0, 1)) / spread > 0.2
    assert 0 < moved.sum() < len(moved)
    found = states.all_features(frozen)
    # Half precision of the states is what differs.
    assert float(((found - expected).abs() / spread.clamp_min(1e-6)).mean()) < 2e-3
    below = [
        block for block in reader.readout.blocks(backbone.spec) if block.tap.startswith(("block2", "block3"))
    ]
    assert below
    for block in below:
        assert torch.equal(found[..., block.start : block.stop], frozen[..., block.start : block.stop])
    picture, view = torch.tensor([4, 0, 4]), torch.tensor([2, 1, 0])
    assert torch.allclose(states.features(frozen, picture, view), found[picture, view], atol=1e-5)


def test_the_gradient_reaches_the_blocks_above(backbone: VitBackbone) -> None:
    reader = FeatureExtractor(backbone, default_readout(backbone.spec))
    states = TrunkStates(reader, Trunk(backbone, 2))
    frozen = states.read(torch.rand(1, 3, 32, 32)).unsqueeze(0).clone()
    modules = [backbone.get_submodule(name) for name in backbone.adaptable_modules(2)]
    for module in modules:
        module.requires_grad_(True)
    # The deviations, too, of every tap.
    states.features(frozen, torch.tensor([0]), torch.tensor([0])).square().sum().backward()
    for module in modules:
        gradient = module.weight.grad
        assert isinstance(gradient, torch.Tensor)
        assert gradient.abs().sum() > 0


class TestSpilledTensors:
    def test_any_order_comes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spooled_tensors, "_MOST_IN_MEMORY", 100)  # the first ones only
        kept = SpooledTensors()
        tensors = [torch.randn(4, 6) for _ in range(9)]
        for tensor in tensors:
            kept.append(tensor)
        taken = kept.take([7, 0, 7, 3])
        assert len(kept) == 9
        assert taken.dtype == torch.float32
        assert torch.equal(taken, torch.stack([tensors[place] for place in (7, 0, 7, 3)]).half().float())

    def test_numbers_too_large_for_half_precision_stay_as_they_are(self) -> None:
        kept = SpooledTensors()
        small, large = torch.tensor([1.0, 2.0]), torch.tensor([1e6, 1.2345678])
        for tensor in (small, large, small):
            kept.append(tensor)
        assert torch.equal(kept.take([0, 1, 2]), torch.stack([small, large, small]))

    def test_a_full_disk_says_where_and_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Full:
            def seek(self, *_: int) -> None: ...

            def tell(self) -> int:
                return 0

            def write(self, _: bytes) -> None:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda **_: Full())
        with pytest.raises(OutputError, match=r"No space left.*TMPDIR"):
            SpooledTensors().append(torch.zeros(3))

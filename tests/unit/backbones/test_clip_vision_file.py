"""Single files as in ComfyUI's models/clip_vision: naming schemes, header settings, lookup, and errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from unit_support.tiny_encoders import DINOV2, VISION, enlivened, reference

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.clip_vision_config import read_architecture
from ganrm_core.backbones.clip_vision_file import HEADER_KEY
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.weights_lookup import find_by_sha256
from ganrm_core.utils.errors import BackboneError

transformers = pytest.importorskip("transformers")

Tensors = dict[str, Tensor]


@pytest.fixture
def tensors(saved: Callable[[str], Path]) -> Tensors:
    """Those of a CLIP vision model."""
    return load_file(saved("clip-vision") / "model.safetensors")


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Backbone]:
    """(tensors, settings=None) → the backbone of a file with these tensors and header settings."""

    def write_and_load(tensors: Mapping[str, Tensor], settings: Any = None) -> Backbone:
        text = settings if isinstance(settings, str) else json.dumps(settings)
        path = tmp_path / "model.safetensors"
        content = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(content, path, metadata={HEADER_KEY: text} if settings else None)
        return load_backbone(f"file:{path}")

    return write_and_load


def embedding(backbone: Backbone, pixels: Tensor) -> Tensor:
    return backbone.features(pixels)[-1][:, 0]


def test_siglip_under_old_names_and_without_a_whole_head(saved: Any, load: Any, pixels: Tensor) -> None:
    # transformers 5 dropped the prefix that files of models/clip_vision have.
    tensors = load_file(saved("siglip-vision") / "model.safetensors")
    tensors = {f"vision_model.{name.removeprefix('vision_model.')}": t for name, t in tensors.items()}
    hidden_states, expected = reference("siglip-vision", pixels)
    torch.testing.assert_close(embedding(load(tensors), pixels), expected, atol=1e-5, rtol=0)
    for removed in ("head.", "head.mlp"):
        backbone = load({name: tensor for name, tensor in tensors.items() if removed not in name})
        assert backbone.spec.taps[-1].width == hidden_states[-1].shape[-1]
        assert torch.isfinite(embedding(backbone, pixels)).all()


@pytest.mark.parametrize("prefix", ["visual.", ""])
@pytest.mark.parametrize("name", ["tiny-plain", "tiny-quick"])
def test_openclip_naming(name: str, prefix: str, made: Any, load: Any, pixels: Tensor) -> None:
    model, weights = made(name)
    expected = load_backbone(f"open_clip:{name}/{weights}").features(pixels)
    tower = {key: tensor.half() for key, tensor in model.visual.state_dict().items()}
    tensors = model.state_dict() if prefix else tower
    backbone = load(tensors, {"hidden_act": "gelu"} if name == "tiny-plain" else None)
    for ours, theirs in zip(backbone.features(pixels), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5 if prefix else 2e-2, rtol=0)


def test_the_header_overrides_what_is_inferred(load: Any, pixels: Tensor) -> None:
    settings = {"num_attention_heads": 8, "hidden_act": "gelu"}
    config = transformers.CLIPVisionConfig(**{**VISION, **settings})
    model = enlivened(transformers.CLIPVisionModelWithProjection(config))
    backbone = load(model.state_dict(), {**settings, "image_mean": [0.1, 0.2, 0.3]})
    expected = model(pixel_values=pixels).image_embeds
    torch.testing.assert_close(embedding(backbone, pixels), expected, atol=1e-5, rtol=0)
    assert (backbone.spec.mean, backbone.spec.std[0]) == ((0.1, 0.2, 0.3), 0.26862954)


def test_dinov2_is_fed_at_224(load: Any) -> None:
    model = transformers.Dinov2Model(transformers.Dinov2Config(**{**DINOV2, "image_size": 256}, mlp_ratio=2))
    backbone = load(model.state_dict())
    assert backbone.spec.input_size == 224
    assert [tap.shape[1] for tap in backbone.features(torch.zeros(1, 3, 224, 224))][:2] == [28 * 28, 1]


@pytest.mark.parametrize("family", ["dinov3", "dinov3-gated"])
def test_dinov3_as_comfyui_keeps_it(family: str, saved: Any, load: Any, pixels: Tensor) -> None:
    tensors = load_file(saved(family) / "model.safetensors")
    tensors = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    assert "layer.0.attention.o_proj.bias" in tensors
    hidden_states, expected = reference(family, pixels)
    # ComfyUI's files may hold an upsampler as well.
    backbone = load({**tensors, "naf.layer.weight": torch.zeros(2)})
    *_, last, class_token, pooled = backbone.features(pixels)
    torch.testing.assert_close(pooled[:, 0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(last, hidden_states[-1][:, 4:], atol=1e-5, rtol=0)
    torch.testing.assert_close(class_token, hidden_states[-1][:, :1], atol=1e-5, rtol=0)
    assert backbone.spec.input_size == 224


@pytest.mark.parametrize("prefix", ["", "vision_model."])
def test_naflex_on_squares_of_its_own_size(prefix: str, load: Any, pixels: Tensor) -> None:
    if not hasattr(transformers, "Siglip2VisionConfig"):
        pytest.skip("transformers is too old for NaFlex")
    config = {name: value for name, value in VISION.items() if name != "image_size"}
    torch.manual_seed(3)
    model = enlivened(
        transformers.Siglip2VisionModel(transformers.Siglip2VisionConfig(**config, num_patches=16))
    )
    side, patch = 4, 8
    patches = pixels.unfold(2, patch, patch).unfold(3, patch, patch)  # [B, 3, 4, 4, 8, 8]
    patches = patches.permute(0, 2, 3, 4, 5, 1).reshape(len(pixels), side * side, -1)
    whole = torch.ones(len(pixels), side * side, dtype=torch.long)
    shapes = torch.full((len(pixels), 2), side)
    expected = model(pixel_values=patches, pixel_attention_mask=whole, spatial_shapes=shapes).pooler_output
    state = {f"{prefix}{name.removeprefix('vision_model.')}": t for name, t in model.state_dict().items()}
    backbone = load(state)
    torch.testing.assert_close(embedding(backbone, pixels), expected, atol=1e-4, rtol=0)
    assert (backbone.spec.input_size, backbone.spec.mean) == (32, (0.5, 0.5, 0.5))
    name = f"{prefix}embeddings.patch_embedding.weight"
    with pytest.raises(BackboneError, match="make no square of 3 colours"):
        load({**state, name: state[name][:, :-1].clone()})


def test_found_by_path_by_name_and_by_content(tensors: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_file(tensors, path)
    spec = load_backbone(f"file:{path}").spec
    assert load_backbone(spec.name, search_folders=[tmp_path / "no such folder", tmp_path]).spec == spec
    assert load_backbone("file:er/model.safetensors", search_folders=[tmp_path / "deep"]).spec == spec
    renamed = path.rename(path.parent / "other.safetensors")
    assert spec.weights_sha256 == hashlib.sha256(renamed.read_bytes()).hexdigest()
    assert find_by_sha256(spec.weights_sha256, [tmp_path]) == renamed
    assert find_by_sha256("0" * 64, [tmp_path]) is None


def test_files_that_are_absent_or_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "clip_vision_h.safetensors").touch()
    message = r"no file clip_vison_h.*models/clip_vision.*clip_vision_h\.safetensors\?"
    with pytest.raises(BackboneError, match=message):
        load_backbone("file:clip_vison_h.safetensors", search_folders=[tmp_path])
    (tmp_path / "model.bin").touch()
    with pytest.raises(BackboneError, match=r"not a \.safetensors file"):
        load_backbone(f"file:{tmp_path / 'model.bin'}")


@pytest.mark.parametrize("keep", [0, 4, 200, -2000])
def test_truncated_file(keep: int, saved: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((saved("clip-vision") / "model.safetensors").read_bytes()[:keep])
    with pytest.raises(BackboneError, match=r"cannot be read .*download it again"):
        load_backbone(f"file:{path}")


IN_PROJECTION = "visual.transformer.resblocks.0.attn.in_proj_weight"


def test_files_of_other_models(load: Any) -> None:
    for names, message in (
        (["decoder.up.0.weight"], r"no vision model .* 1 tensors begin with decoder\.up\.0\.weight"),
        (["visual.trunk.pos_embed"], r"timm vision tower.*Use open_clip:"),
        ([IN_PROJECTION, "visual.attn_pool.query"], r"it has attn_pool\.query\. Use open_clip:"),
    ):
        with pytest.raises(BackboneError, match=message):
            load({name: torch.zeros(6, 2) for name in names})


@pytest.mark.parametrize("family", ["clip-vision", "siglip-vision", "dinov2", "dinov3"])
def test_a_tensor_too_many_or_too_few(family: str, saved: Any, load: Any) -> None:
    tensors = load_file(saved(family) / "model.safetensors")
    block = next(name for name in tensors if ".0." in name).split(".0.")[0]
    with pytest.raises(BackboneError, match=r"has unknown 1 tensors .*q_norm"):
        load({**tensors, f"{block}.0.q_norm.weight": torch.zeros(2)})
    gone = next(name for name in tensors if ".2." in name)
    with pytest.raises(BackboneError, match=r"lacks 1 tensors .*\.2\."):
        load({name: tensor for name, tensor in tensors.items() if name != gone})


def test_tensors_that_fit_no_family(tensors: Tensors, load: Any) -> None:
    for name, shape, message in (
        ("embeddings.position_embedding.weight", (18, 128), "17 positions, which make no square"),
        ("embeddings.patch_embedding.weight", (128, 192), r"patch embedding has shape \(128, 192\)"),
        ("embeddings.patch_embedding.weight", (32, 3, 8, 8), "width 32, for which no number of"),
        ("embeddings.patch_embedding.weight", None, r"it has no .*patch_embedding\.weight"),
        ("encoder.layers.0.self_attn.k_proj.weight", (7, 7), "cannot be loaded as clip_vision_model"),
    ):
        others = {key: tensor for key, tensor in tensors.items() if key != f"vision_model.{name}"}
        changed = {f"vision_model.{name}": torch.zeros(shape)} if shape else {}
        with pytest.raises(BackboneError, match=message):
            load({**others, **changed})


def test_broken_header(tensors: Tensors, load: Any) -> None:
    for header, message in (
        ("{", "not a JSON object"),
        ('{"input_size": "big"}', "input_size .*'big'"),
        ('{"heads": 2}', r"unknown keys \['heads'\]"),
    ):
        with pytest.raises(BackboneError, match=message):
            load(tensors, header)


# width, tokens, patch → heads, activation, size: what ComfyUI's own configurations for these files say
PUBLISHED = [
    ("CLIP B/32", "clip", 768, 50, 32, 12, "quick_gelu", 224),
    ("CLIP L/14 336", "clip", 1024, 577, 14, 16, "quick_gelu", 336),
    ("CLIP H/14", "clip", 1280, 257, 14, 16, "gelu", 224),
    ("CLIP bigG/14", "clip", 1664, 257, 14, 16, "gelu", 224),
    ("SigLIP B/16", "siglip", 768, 196, 16, 12, "gelu_pytorch_tanh", 224),
    ("SigLIP so400m 512", "siglip", 1152, 1024, 16, 16, "gelu_pytorch_tanh", 512),
    ("DINOv2 g", "dinov2", 1536, 1370, 14, 24, "gelu", 518),
    ("DINOv3 L", "dinov3", 1024, 4, 16, 16, "gelu", 224),
    ("DINOv3 H+", "dinov3 gated", 1280, 4, 16, 20, "silu", 224),
    ("DINOv3 7B", "dinov3 gated", 4096, 4, 16, 32, "silu", 224),
]


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row[0])
def test_published_models_are_known(row: Any) -> None:
    _, family, width, tokens, patch, heads, act, size = row
    shapes: dict[str, tuple[int, ...]] = {
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": (tokens, width),
        "vision_model.encoder.layers.0.mlp.fc1.weight": (4 * width, width),
    }
    if family == "clip":
        shapes["vision_model.embeddings.class_embedding"] = (width,)
    if family.startswith("dinov3"):
        pytest.importorskip("transformers.models.dinov3_vit")
        mlp = (4 * width, width)
        shapes = {
            "embeddings.register_tokens": (1, tokens, width),
            "embeddings.patch_embeddings.weight": (width, 3, patch, patch),
            "layer.0.mlp.up_proj.weight": mlp,
            **({"layer.0.mlp.gate_proj.weight": mlp} if "gated" in family else {}),
        }
    if family == "dinov2":
        shapes = {
            "embeddings.cls_token": (1, 1, width),
            "embeddings.position_embeddings": (1, tokens, width),
            "embeddings.patch_embeddings.projection.weight": (width, 3, patch, patch),
            "encoder.layer.0.mlp.fc1.weight": (4 * width, width),
        }
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    config = read_architecture(tensors, {}, "file:x")
    assert (config.num_attention_heads, config.hidden_act, config.image_size) == (heads, act, size)

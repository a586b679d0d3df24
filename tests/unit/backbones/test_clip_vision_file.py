"""Single files as ComfyUI keeps them in models/clip_vision, in every naming, against `transformers`."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file
from torch import Tensor

from ganrm_core.backbones.clip_vision_file import HEADER_KEY
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.weights_lookup import find_by_sha256
from ganrm_core.utils.errors import BackboneError

transformers = pytest.importorskip("transformers")

# Heads are guessed as 64 wide, so the narrowest model that needs no header is 64 wide.
SHAPE = {"hidden_size": 128, "intermediate_size": 96, "num_hidden_layers": 5, "num_attention_heads": 2}
VISION = {**SHAPE, "image_size": 32, "patch_size": 8}
DINOV2 = {key: value for key, value in VISION.items() if key != "intermediate_size"}
TEXT = {**SHAPE, "num_hidden_layers": 1, "vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1}


def clip() -> Any:
    return transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(**VISION, projection_dim=24)
    )


def clip_with_text() -> Any:
    config = transformers.CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=24)
    return transformers.CLIPModel(config)


def clip_without_projection() -> Any:
    return transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**VISION))


def siglip() -> Any:
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**VISION))


def siglip_without_head() -> Any:
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**VISION, vision_use_head=False))


def dinov2() -> Any:
    return transformers.Dinov2Model(transformers.Dinov2Config(**DINOV2, mlp_ratio=2))


def dinov2_giant_like() -> Any:
    return transformers.Dinov2Model(transformers.Dinov2Config(**DINOV2, use_swiglu_ffn=True))


def dinov2_with_registers() -> Any:
    if not hasattr(transformers, "Dinov2WithRegistersConfig"):
        pytest.skip("transformers is too old for registers")
    config = transformers.Dinov2WithRegistersConfig(**DINOV2, mlp_ratio=2, num_register_tokens=3)
    return transformers.Dinov2WithRegistersModel(config)


FAMILIES = {
    maker.__name__: maker
    for maker in (
        clip,
        clip_with_text,
        clip_without_projection,
        siglip,
        siglip_without_head,
        dinov2,
        dinov2_giant_like,
        dinov2_with_registers,
    )
}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_features_equal_the_library(family: str, tmp_path: Path, pixels: Tensor) -> None:
    model = _model(family)
    backbone = load_backbone(f"file:{_save(_tensors(model), tmp_path / 'model.safetensors')}")
    with torch.no_grad():
        features = dict(zip((tap.name for tap in backbone.spec.taps), backbone.features(pixels), strict=True))
        tower = model.vision_model if family == "clip_with_text" else model
        output = tower(pixel_values=pixels, output_hidden_states=True)
    prefix = {"siglip": 0, "siglip_without_head": 0, "dinov2_with_registers": 4}.get(family, 1)
    for depth in (1, 2, 4, 5):
        expected = output.hidden_states[depth]
        torch.testing.assert_close(features[f"block{depth}"], expected[:, prefix:], atol=1e-5, rtol=0)
        assert (f"block{depth}.cls" in features) == (prefix > 0)
    embedding = {
        "clip": lambda: output.image_embeds,
        "clip_with_text": lambda: model.visual_projection(output.pooler_output),
        "siglip_without_head": lambda: output.last_hidden_state.mean(dim=1),
    }.get(family, lambda: output.pooler_output)()
    torch.testing.assert_close(features["embedding"], embedding.unsqueeze(1), atol=1e-5, rtol=0)
    assert [tap.width for tap in backbone.spec.taps] == [tap.shape[-1] for tap in features.values()]
    assert backbone.spec.name == "file:model.safetensors"


def test_old_transformers_naming_of_siglip(tmp_path: Path, pixels: Tensor) -> None:
    """transformers 5 dropped the prefix that files of models/clip_vision have."""
    model = _model("siglip")
    tensors = {f"vision_model.{name.removeprefix('vision_model.')}": t for name, t in _tensors(model).items()}
    backbone = load_backbone(f"file:{_save(tensors, tmp_path / 'model.safetensors')}")
    with torch.no_grad():
        expected = model(pixel_values=pixels).pooler_output
    torch.testing.assert_close(backbone.features(pixels)[-1][:, 0], expected, atol=1e-5, rtol=0)
    assert backbone.spec.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("prefix", ["visual.", ""])
@pytest.mark.parametrize("quick_gelu", [True, False])
def test_openclip_naming(prefix: str, quick_gelu: bool, tmp_path: Path, pixels: Tensor) -> None:
    open_clip = pytest.importorskip("open_clip")
    model = open_clip.CLIP(
        embed_dim=24,
        vision_cfg={"image_size": 32, "layers": 5, "width": 128, "head_width": 64, "patch_size": 8},
        text_cfg={"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1},
        quick_gelu=quick_gelu,
    ).eval()
    with torch.no_grad():
        for parameter in model.visual.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    tensors = model.state_dict() if prefix else model.visual.state_dict()
    header = {} if quick_gelu else {"hidden_act": "gelu"}
    backbone = load_backbone(f"file:{_save(tensors, tmp_path / 'model.safetensors', header)}")
    with torch.no_grad():
        theirs = model.visual.forward_intermediates(pixels, output_fmt="NLC", output_extra_tokens=True)
        features = dict(zip((tap.name for tap in backbone.spec.taps), backbone.features(pixels), strict=True))
        embedding = model.encode_image(pixels)
    for depth in (1, 2, 4, 5):
        tokens, cls = (theirs[f"image_intermediates{key}"][depth - 1] for key in ("", "_prefix"))
        torch.testing.assert_close(features[f"block{depth}"], tokens, atol=1e-5, rtol=0)
        torch.testing.assert_close(features[f"block{depth}.cls"], cls, atol=1e-5, rtol=0)
    torch.testing.assert_close(features["embedding"][:, 0], embedding, atol=1e-5, rtol=0)


def test_header_settles_what_tensors_cannot(tmp_path: Path, pixels: Tensor) -> None:
    config = transformers.CLIPVisionConfig(**{**VISION, "num_attention_heads": 8}, hidden_act="gelu")
    model = transformers.CLIPVisionModelWithProjection(config).eval()
    header = {"num_attention_heads": 8, "hidden_act": "gelu", "image_mean": [0.1, 0.2, 0.3]}
    backbone = load_backbone(f"file:{_save(_tensors(model), tmp_path / 'm.safetensors', header)}")
    torch.testing.assert_close(
        backbone.features(pixels)[-1][:, 0], model(pixel_values=pixels).image_embeds, atol=1e-5, rtol=0
    )
    assert backbone.spec.mean == (0.1, 0.2, 0.3)
    assert backbone.spec.std[0] == 0.26862954


def test_dinov2_is_fed_as_its_authors_feed_it(tmp_path: Path) -> None:
    model = transformers.Dinov2Model(transformers.Dinov2Config(**{**DINOV2, "image_size": 256}, mlp_ratio=2))
    backbone = load_backbone(f"file:{_save(_tensors(model), tmp_path / 'm.safetensors')}")
    assert backbone.spec.input_size == 224
    assert [tap.shape[1] for tap in backbone.features(torch.zeros(1, 3, 224, 224))][:2] == [28 * 28, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(dtype: torch.dtype, tmp_path: Path, pixels: Tensor) -> None:
    model = _model("clip")
    tensors = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    backbone = load_backbone(f"file:{_save(tensors, tmp_path / 'half.safetensors')}")
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    torch.testing.assert_close(
        backbone.features(pixels)[-1][:, 0], model(pixel_values=pixels).image_embeds, atol=1e-5, rtol=0
    )


def test_found_by_path_by_name_and_by_content(tmp_path: Path) -> None:
    path = _save(_tensors(_model("clip")), tmp_path / "deep" / "er" / "model.safetensors")
    spec = load_backbone(f"file:{path}").spec
    assert load_backbone(spec.name, search_folders=[tmp_path / "no such folder", tmp_path]).spec == spec
    assert load_backbone("file:er/model.safetensors", search_folders=[tmp_path / "deep"]).spec == spec
    renamed = path.rename(path.parent / "other.safetensors")
    assert spec.weights_sha256 == hashlib.sha256(renamed.read_bytes()).hexdigest()
    assert find_by_sha256(spec.weights_sha256, [tmp_path]) == renamed
    assert find_by_sha256("0" * 64, [tmp_path]) is None


def test_features_do_not_depend_on_the_batch(family: str, tmp_path: Path, pixels: Tensor) -> None:
    backbone = load_backbone(f"file:{_save(_tensors(_model(family)), tmp_path / 'm.safetensors')}")
    order = [4, 2, 6, 0, 5, 1, 3]
    with torch.no_grad():
        together = backbone.features(pixels)
        alone, shuffled = backbone.features(pixels[3:4]), backbone.features(pixels[order])
    for whole, one, mixed in zip(together, alone, shuffled, strict=True):
        assert (one[0] - whole[3]).abs().max() < 1e-5
        assert (mixed[order.index(3)] - whole[3]).abs().max() < 1e-5


def test_loaded_in_inference_mode_it_can_be_trained_through(
    family: str, tmp_path: Path, pixels: Tensor
) -> None:
    path = _save(_tensors(_model(family)), tmp_path / "m.safetensors")
    with torch.inference_mode():
        backbone = load_backbone(f"file:{path}")
    names, modules = backbone.adaptable_modules(1), dict(backbone.named_modules())
    assert len(names) in ((5, 6, 7) if family == "dinov2_giant_like" else (6,))
    for name in names:
        modules[name].requires_grad_(True)
    torch.stack([tap.square().mean() for tap in backbone.features(pixels)]).sum().backward()
    for name in names:
        gradient = modules[name].weight.grad
        assert gradient is not None
        assert gradient.abs().sum() > 0


def test_missing_file_names_close_ones(tmp_path: Path) -> None:
    (tmp_path / "clip_vision_h.safetensors").touch()
    with pytest.raises(
        BackboneError, match=r"no file clip_vison_h.*models/clip_vision.*clip_vision_h\.safetensors\?"
    ):
        load_backbone("file:clip_vison_h.safetensors", search_folders=[tmp_path])


def test_only_safetensors_are_read(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "model.bin")
    with pytest.raises(BackboneError, match=r"not a \.safetensors file"):
        load_backbone(f"file:{tmp_path / 'model.bin'}")


@pytest.mark.parametrize("keep", [0, 4, 200, -2000])
def test_truncated_file(keep: int, tmp_path: Path) -> None:
    path = _save(_tensors(_model("clip")), tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BackboneError, match=r"cannot be read .*download it again"):
        load_backbone(f"file:{path}")


def test_unknown_architecture_names_what_was_found(tmp_path: Path) -> None:
    path = _save({"decoder.up.0.weight": torch.zeros(2)}, tmp_path / "vae.safetensors")
    with pytest.raises(
        BackboneError, match=r"no vision model .* 1 tensors begin with decoder\.up\.0\.weight"
    ):
        load_backbone(f"file:{path}")


def test_timm_tower_in_openclip_naming(tmp_path: Path) -> None:
    path = _save({"visual.trunk.pos_embed": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(BackboneError, match=r"timm vision tower.*Use open_clip:"):
        load_backbone(f"file:{path}")


def test_openclip_variant_with_tensors_of_its_own(tmp_path: Path) -> None:
    tensors = {"visual.transformer.resblocks.0.attn.in_proj_weight": torch.zeros(6, 2)}
    tensors["visual.attn_pool.query"] = torch.zeros(2)
    path = _save(tensors, tmp_path / "coca.safetensors")
    with pytest.raises(BackboneError, match=r"it has attn_pool\.query\. Use open_clip:"):
        load_backbone(f"file:{path}")


@pytest.mark.parametrize("family", ["clip", "siglip", "dinov2"], indirect=True)
def test_a_tensor_too_many_or_too_few(family: str, tmp_path: Path) -> None:
    tensors = _tensors(_model(family))
    block = next(name for name in tensors if ".0." in name).split(".0.")[0]
    odd = f"{block}.0.q_norm.weight"
    with pytest.raises(BackboneError, match=r"has unknown 1 tensors .*q_norm"):
        load_backbone(f"file:{_save({**tensors, odd: torch.zeros(2)}, tmp_path / 'more.safetensors')}")
    gone = next(name for name in tensors if ".2." in name)
    fewer = {name: tensor for name, tensor in tensors.items() if name != gone}
    with pytest.raises(BackboneError, match=r"lacks 1 tensors .*\.2\."):
        load_backbone(f"file:{_save(fewer, tmp_path / 'fewer.safetensors')}")


def test_an_incomplete_head_is_no_head(tmp_path: Path) -> None:
    tensors = {name: t for name, t in _tensors(_model("siglip")).items() if "head.mlp" not in name}
    backbone = load_backbone(f"file:{_save(tensors, tmp_path / 'model.safetensors')}")
    assert backbone.spec.taps[-1].width == 128


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings.position_embedding.weight": (18, 128)}, "17 positions, which make no square"),
        ({"embeddings.patch_embedding.weight": (128, 192)}, "NaFlex"),
        (
            {"embeddings.patch_embedding.weight": None},
            "it has no vision_model.embeddings.patch_embedding.weight",
        ),
        ({"encoder.layers.0.self_attn.k_proj.weight": (7, 7)}, "cannot be loaded as clip_vision_model"),
    ],
)
def test_tensors_that_fit_no_family(
    change: Mapping[str, tuple[int, ...] | None], message: str, tmp_path: Path
) -> None:
    tensors = _tensors(_model("clip"))
    for name, shape in change.items():
        tensors.pop(f"vision_model.{name}")
        if shape:
            tensors[f"vision_model.{name}"] = torch.zeros(shape)
    with pytest.raises(BackboneError, match=message):
        load_backbone(f"file:{_save(tensors, tmp_path / 'model.safetensors')}")


def test_width_without_known_heads(tmp_path: Path) -> None:
    config = transformers.CLIPVisionConfig(**{**VISION, "hidden_size": 32})
    tensors = _tensors(transformers.CLIPVisionModelWithProjection(config))
    with pytest.raises(BackboneError, match="width 32, for which no number of attention heads is known"):
        load_backbone(f"file:{_save(tensors, tmp_path / 'model.safetensors')}")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"input_size": "big"}', "input_size .*'big'"),
        ('{"heads": 2}', r"unknown keys \['heads'\]"),
    ],
)
def test_broken_header(header: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(_tensors(_model("clip")), path, metadata={HEADER_KEY: header})
    with pytest.raises(BackboneError, match=message):
        load_backbone(f"file:{path}")


def _model(family: str) -> Any:
    torch.manual_seed(7)
    model = FAMILIES[family]().eval()
    with torch.no_grad():
        for parameter in model.parameters():  # initial values are too tame to tell two models apart
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def _tensors(model: Any) -> dict[str, Tensor]:
    """As they stand in a published file: the library's names in memory are others."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tensors = load(Path(folder, "model.safetensors").read_bytes())
    has_head = getattr(model.config, "vision_use_head", True)  # old versions make one all the same
    return {name: tensor for name, tensor in tensors.items() if has_head or "head." not in name}


def _save(tensors: Mapping[str, Tensor], path: Path, header: Mapping[str, Any] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"format": "pt"} | ({HEADER_KEY: json.dumps(header)} if header else {})
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata=metadata)
    return path

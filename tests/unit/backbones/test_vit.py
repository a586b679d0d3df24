"""Vision transformers in the format of `transformers`, against that library's own forward pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ganrm_core.backbones.base import Backbone, BackboneSpec
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.vit import VitBackbone, tap_depths
from ganrm_core.backbones.vit_trunk import Trunk
from ganrm_core.utils.errors import BackboneError

transformers = pytest.importorskip("transformers")

DEPTH = 5
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": DEPTH, "num_attention_heads": 4}
VISION = {**SHAPE, "image_size": 32, "patch_size": 8}
TEXT = {**SHAPE, "num_hidden_layers": 1, "vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1}
DINOV2 = {key: value for key, value in VISION.items() if key != "intermediate_size"}


def clip() -> Any:
    return transformers.CLIPModel(
        transformers.CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=24)
    )


def clip_vision_with_projection() -> Any:
    return transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(**VISION, projection_dim=24)
    )


def clip_vision() -> Any:
    return transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**VISION))


def siglip() -> Any:
    text = {**TEXT, "projection_size": 32}
    return transformers.SiglipModel(transformers.SiglipConfig(vision_config=VISION, text_config=text))


def siglip_vision() -> Any:
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**VISION))


def dinov2() -> Any:
    return transformers.Dinov2Model(transformers.Dinov2Config(**DINOV2, mlp_ratio=2))


def dinov2_with_registers() -> Any:
    if not hasattr(transformers, "Dinov2WithRegistersConfig"):
        pytest.skip("transformers is too old for registers")
    config = transformers.Dinov2WithRegistersConfig(**DINOV2, num_register_tokens=3, use_swiglu_ffn=True)
    return transformers.Dinov2WithRegistersModel(config)


def vit() -> Any:
    return transformers.ViTModel(transformers.ViTConfig(**VISION))


def vit_without_pooler() -> Any:
    return transformers.ViTForImageClassification(transformers.ViTConfig(**VISION))


FAMILIES: dict[str, Callable[[], Any]] = {
    maker.__name__: maker
    for maker in (
        clip,
        clip_vision_with_projection,
        clip_vision,
        siglip,
        siglip_vision,
        dinov2,
        dinov2_with_registers,
        vit,
        vit_without_pooler,
    )
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(family, tmp_path_factory.mktemp("models") / f"{family}-tiny")


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return load_backbone(f"transformers:{folder}")


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_features_equal_the_library(family: str, folder: Path, backbone: Backbone, pixels: Tensor) -> None:
    with torch.no_grad():
        features = dict(zip((tap.name for tap in backbone.spec.taps), backbone.features(pixels), strict=True))
        hidden_states, embedding = _reference(family, folder, pixels)
    prefix = {"siglip": 0, "siglip_vision": 0, "dinov2_with_registers": 4}.get(family, 1)
    assert list(features)[-1] == backbone.spec.embedding == "embedding"
    for depth in (1, 2, 4, 5):
        expected = hidden_states[depth]
        torch.testing.assert_close(features[f"block{depth}"], expected[:, prefix:], atol=1e-5, rtol=0)
        assert (f"block{depth}.cls" in features) == (prefix > 0)
        if prefix:
            torch.testing.assert_close(features[f"block{depth}.cls"], expected[:, :1], atol=1e-5, rtol=0)
    torch.testing.assert_close(features["embedding"], embedding.unsqueeze(1), atol=1e-5, rtol=0)


def test_spec_tells_the_shapes_and_survives_json(backbone: Backbone, folder: Path, pixels: Tensor) -> None:
    spec, features = backbone.spec, backbone.features(pixels)
    assert spec.name == f"transformers:{folder.name}"
    assert spec.input_size == 32
    assert [tap.width for tap in spec.taps] == [tap.shape[-1] for tap in features]
    assert all(tap.shape[1] == 1 for about, tap in zip(spec.taps, features, strict=True) if about.pooled)
    assert BackboneSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_found_again_by_its_bare_name(backbone: Backbone, folder: Path) -> None:
    again = load_backbone(backbone.spec.name, search_folders=[folder.parent])
    assert again.spec == backbone.spec


def test_only_the_vision_half_is_kept(backbone: Backbone) -> None:
    assert not any("text" in name for name, _ in backbone.named_parameters())


def test_features_do_not_depend_on_the_batch(backbone: Backbone, pixels: Tensor) -> None:
    order = [4, 2, 6, 0, 5, 1, 3]
    with torch.no_grad():
        together = backbone.features(pixels)
        alone, shuffled = backbone.features(pixels[3:4]), backbone.features(pixels[order])
    for whole, one, mixed in zip(together, alone, shuffled, strict=True):
        assert (one[0] - whole[3]).abs().max() < 1e-5
        assert (mixed[order.index(3)] - whole[3]).abs().max() < 1e-5


def test_loaded_in_inference_mode_it_can_be_trained_through(folder: Path, pixels: Tensor) -> None:
    with torch.inference_mode():
        backbone = load_backbone(f"transformers:{folder}")
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    names = backbone.adaptable_modules(2)
    modules = dict(backbone.named_modules())
    assert {f".{DEPTH - 2}.", f".{DEPTH - 1}."} == {
        f".{n}." for n in range(DEPTH) for m in names if f".{n}." in m
    }
    for name in names:
        assert type(modules[name]) is torch.nn.Linear
        modules[name].requires_grad_(True)
    # A block's outputs, not the embedding alone: a family's embedding may pass some layers by.
    sum(tap.square().mean() for tap in backbone.features(pixels)).backward()  # type: ignore[union-attr]
    for name in names:
        gradient = modules[name].weight.grad
        assert gradient is not None
        assert gradient.abs().sum() > 0


def test_adaptable_modules_stop_at_the_first_block(backbone: Backbone) -> None:
    assert backbone.adaptable_modules(0) == []
    assert backbone.adaptable_modules(99) == backbone.adaptable_modules(DEPTH)


@pytest.mark.parametrize("above", [1, 3, 99])
def test_blocks_above_a_trunk_go_on_from_its_states(
    backbone: VitBackbone, pixels: Tensor, above: int
) -> None:
    trunk = Trunk(backbone, above)
    ran: list[int] = []
    row = list(backbone.net.get_submodule(backbone.layout.blocks).children())
    hooks = [
        layer.register_forward_hook(lambda *_, place=place: ran.append(place))
        for place, block in enumerate(row)
        for layer in [next(m for m in block.modules() if isinstance(m, torch.nn.LayerNorm))]
    ]
    with torch.no_grad():
        whole = backbone.features(pixels)
        read, state = trunk.read(pixels)
        ran.clear()
        again = trunk.go_on(state)
    for hook in hooks:
        hook.remove()
    first = max(0, DEPTH - above)
    assert ran == list(range(first, DEPTH))
    below = {depth for depth in tap_depths(DEPTH) if depth <= first}
    assert {int(name[5:].split(".")[0]) for name in trunk.frozen_taps} == below
    for tap, expected, one, other in zip(backbone.spec.taps, whole, read, again, strict=True):
        assert torch.equal(one, expected)
        if tap.name not in trunk.frozen_taps:
            torch.testing.assert_close(other, expected, atol=1e-5, rtol=0)
    # The network is left as it was.
    with torch.no_grad():
        assert all(map(torch.equal, backbone.features(pixels), whole))


def test_a_transformer_that_cannot_be_cut_says_so(
    backbone: VitBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding = backbone.embedding
    monkeypatch.setattr(backbone, "embedding", lambda pixels: embedding(pixels) + pixels.mean())
    with pytest.raises(BackboneError, match=r"cannot be run by themselves.*Set adapt to none"):
        Trunk(backbone, 1)
    assert not any(module._forward_pre_hooks for module in backbone.modules())


def test_plan_is_fixed_per_device(backbone: Backbone) -> None:
    assert (backbone.plan("cpu").batch_size, backbone.plan("cuda").batch_size) == (8, 64)
    assert not backbone.plan("cpu").channels_last


def test_hooks_do_not_stay_behind_when_the_network_fails(backbone: Backbone, pixels: Tensor) -> None:
    with pytest.raises((RuntimeError, ValueError), match=r"channel"):
        backbone.features(pixels[:, :2])
    assert not any(module._forward_hooks for module in backbone.modules())


@pytest.mark.parametrize(
    ("depth", "expected"), [(1, (1,)), (2, (1, 2)), (12, (3, 6, 9, 12)), (27, (7, 14, 20, 27))]
)
def test_tap_depths(depth: int, expected: tuple[int, ...]) -> None:
    assert tap_depths(depth) == expected


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    model = dinov2().half()
    model.save_pretrained(tmp_path / "half")
    assert {p.dtype for p in load_backbone(f"transformers:{tmp_path / 'half'}").parameters()} == {
        torch.float32
    }


def test_normalisation_and_size_come_from_the_preprocessing(tmp_path: Path) -> None:
    folder = _save("dinov2", tmp_path / "model")
    about = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "do_center_crop": True}
    about |= {"crop_size": {"height": 24, "width": 24}, "size": {"shortest_edge": 28}}
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    spec = load_backbone(f"transformers:{folder}").spec
    assert (spec.mean, spec.std, spec.input_size) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 24)
    (folder / "preprocessor_config.json").write_text(json.dumps({**about, "do_center_crop": False}))
    assert load_backbone(f"transformers:{folder}").spec.input_size == 28


def test_clip_keeps_the_size_it_was_trained_at(tmp_path: Path) -> None:
    folder = _save("clip", tmp_path / "model")
    (folder / "preprocessor_config.json").write_text(json.dumps({"crop_size": 64, "size": 64}))
    assert load_backbone(f"transformers:{folder}").spec.input_size == 32


@pytest.mark.parametrize(("name", "mean"), [("clip", 0.48145466), ("siglip", 0.5), ("dinov2", 0.485)])
def test_family_defaults_without_preprocessing(name: str, mean: float, tmp_path: Path) -> None:
    assert load_backbone(f"transformers:{_save(name, tmp_path / 'model')}").spec.mean[0] == mean


def test_weights_in_several_files(tmp_path: Path, pixels: Tensor) -> None:
    model = clip()
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    one, many = (load_backbone(f"transformers:{tmp_path / name}") for name in ("one", "many"))
    assert torch.equal(one.features(pixels)[-1], many.features(pixels)[-1])
    assert one.spec.weights_sha256 != many.spec.weights_sha256
    next((tmp_path / "many").glob("*.safetensors")).unlink()
    with pytest.raises(BackboneError, match=r"lacks model-0.*Download"):
        load_backbone(f"transformers:{tmp_path / 'many'}")


def test_weights_as_bin_are_read_and_code_in_them_is_not_run(tmp_path: Path, pixels: Tensor) -> None:
    folder = _save("dinov2", tmp_path / "model")
    expected = load_backbone(f"transformers:{folder}").features(pixels)[-1]
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    assert torch.equal(load_backbone(f"transformers:{folder}").features(pixels)[-1], expected)
    torch.save({**tensors, "layernorm.bias": _Malice(str(tmp_path / "trace"))}, folder / "pytorch_model.bin")
    with pytest.raises(BackboneError, match="cannot be loaded as dinov2"):
        load_backbone(f"transformers:{folder}")
    assert not (tmp_path / "trace").exists()


def test_folder_without_weights(tmp_path: Path) -> None:
    folder = _save("dinov2", tmp_path / "model")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match=r"holds no weights\. Put model\.safetensors"):
        load_backbone(f"transformers:{folder}")


def test_hub_model_already_in_the_cache(
    tmp_path: Path, pixels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--somebody--tiny"
    folder = _save("siglip", repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    backbone = load_backbone("transformers:somebody/tiny")
    assert backbone.spec.name == "transformers:somebody/tiny"
    assert torch.equal(
        backbone.features(pixels)[-1], load_backbone(f"transformers:{folder}").features(pixels)[-1]
    )


def test_truncated_weights(tmp_path: Path) -> None:
    folder = _save("dinov2", tmp_path / "model")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BackboneError, match=r"cannot be loaded as dinov2.*download it again"):
        load_backbone(f"transformers:{folder}")


def test_weights_of_another_model(tmp_path: Path) -> None:
    folder, other = _save("clip_vision", tmp_path / "model"), _save("dinov2", tmp_path / "other")
    shutil.copy(other / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(BackboneError, match=r"lacks \d+ tensors for a clip_vision_model"):
        load_backbone(f"transformers:{folder}")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ('{"image_mean": [0.5]}', "image_mean is .*not three numbers")],
)
def test_broken_preprocessing(text: str, message: str, tmp_path: Path) -> None:
    folder = _save("dinov2", tmp_path / "model")
    (folder / "preprocessor_config.json").write_text(text)
    with pytest.raises(BackboneError, match=message):
        load_backbone(f"transformers:{folder}")


class _Malice:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def _save(family: str, folder: Path) -> Path:
    torch.manual_seed(7)
    model = FAMILIES[family]().eval()
    with torch.no_grad():
        for parameter in model.parameters():  # initial values are too tame to tell two models apart
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def _reference(family: str, folder: Path, pixels: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    model_class = type(FAMILIES[family]())
    model = model_class.from_pretrained(folder).eval()
    if family in ("clip", "siglip"):
        embedding = model.get_image_features(pixel_values=pixels)
        # transformers 5 returns the whole output, older ones the tensor.
        embedding = embedding if isinstance(embedding, Tensor) else embedding.pooler_output
        output = model.vision_model(pixel_values=pixels, output_hidden_states=True)
        return output.hidden_states, embedding
    if family == "vit_without_pooler":
        output = model.vit(pixel_values=pixels, output_hidden_states=True)
        return output.hidden_states, output.last_hidden_state.mean(dim=1)
    output = model(pixel_values=pixels, output_hidden_states=True)
    return output.hidden_states, output.image_embeds if "projection" in family else output.pooler_output

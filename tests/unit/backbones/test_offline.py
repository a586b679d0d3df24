"""Told to stay offline, no family asks for an address, and what is missing is said."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.utils.errors import BackboneError

open_clip = pytest.importorskip("open_clip")
transformers = pytest.importorskip("transformers")

VISION = {"image_size": 32, "layers": 4, "width": 32, "head_width": 8, "patch_size": 8}
TEXT = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
CONFIG = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
ABOUT = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}
SHAPE = {"image_size": 32, "patch_size": 8, "hidden_size": 64, "num_attention_heads": 1}
PREPROCESSING = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was looked up on the network; nothing may be."""
    seen: list[Any] = []

    def refuse(*address: Any, **_: Any) -> Any:
        seen.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield seen
    assert seen == []


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's local cache of somebody/tiny, with no file in it yet."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    repository = tmp_path / "cache" / "models--somebody--tiny"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return snapshot


@pytest.fixture(autouse=True)
def _tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-offline", CONFIG)
    about = {"hf_hub": "somebody/tiny/", "url": "https://example.org/weights-0123.pt", "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-offline", {"mine": about})


@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_tag_in_the_hubs_cache(file: str, cache: Path) -> None:
    _save_weights(cache / file)
    assert _loaded("open_clip:tiny-offline/mine").spec.name == "open_clip:tiny-offline/mine"


@pytest.mark.usefixtures("cache")
def test_tag_in_openclips_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    _save_weights(tmp_path / ".cache" / "clip" / "weights-0123.pt")
    assert _loaded("open_clip:tiny-offline/mine").spec.name == "open_clip:tiny-offline/mine"


def test_tag_that_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save_weights(tmp_path / "weights.pt")
    tags = {"mine": {"file": str(tmp_path / "weights.pt")}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-offline", tags)
    assert _loaded("open_clip:tiny-offline/mine").spec.name == "open_clip:tiny-offline/mine"


@pytest.mark.usefixtures("cache")
def test_tag_that_is_nowhere(tmp_path: Path) -> None:
    wanted = (
        r"open_clip:tiny-offline/mine are not on this machine.*get open_clip_model\.safetensors or "
        r"open_clip_pytorch_model\.bin from huggingface\.co/somebody/tiny and "
    )
    file = r"save it as open_clip--tiny-offline--mine\.safetensors or \.bin in .*weights"
    with pytest.raises(BackboneError, match=wanted + file):
        _loaded("open_clip:tiny-offline/mine", tmp_path / "weights")
    with pytest.raises(BackboneError, match=wanted + r"use open_clip:tiny-offline/<path of that file>"):
        _loaded("open_clip:tiny-offline/mine")


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_hub_repository_of_openclip(place: str, cache: Path, tmp_path: Path) -> None:
    home = cache if place == "cache" else tmp_path / "weights" / "tiny"
    _save_weights(home / "open_clip_model.safetensors")
    (home / "open_clip_config.json").write_text(json.dumps(ABOUT))
    backbone = _loaded("open_clip:hf-hub:somebody/tiny", tmp_path / "weights")
    assert backbone.spec.name == "open_clip:hf-hub:somebody/tiny"
    assert backbone.spec.mean == (0.1, 0.2, 0.3)


@pytest.mark.parametrize("with_config", [True, False])
def test_hub_repository_of_openclip_that_is_not_here(with_config: bool, cache: Path, tmp_path: Path) -> None:
    if with_config:
        (cache / "open_clip_config.json").write_text(json.dumps(ABOUT))
    message = (
        r"hf-hub:somebody/tiny is not on this machine.*open_clip_config\.json and open_clip_model.* into "
    )
    with pytest.raises(BackboneError, match=message + r".*weights.tiny\."):
        _loaded("open_clip:hf-hub:somebody/tiny", tmp_path / "weights")
    with pytest.raises(BackboneError, match=message + "a folder of that name"):
        _loaded("open_clip:hf-hub:somebody/tiny")


@pytest.mark.parametrize("repo", ["../tiny", "somebody/../../tiny", "/tiny", "somebody/", "tiny"])
def test_hub_repository_that_is_a_path(repo: str) -> None:
    with pytest.raises(BackboneError, match="is no hub repository"):
        _loaded(f"open_clip:hf-hub:{repo}")


def test_tower_that_is_described_on_the_hub(cache: Path) -> None:
    vision = {"timm_model_name": "hf-hub:somebody/else", "image_size": 32}
    (cache / "open_clip_config.json").write_text(json.dumps({"embed_dim": 24, "vision_cfg": vision}))
    (cache / "open_clip_model.safetensors").touch()
    with pytest.raises(BackboneError, match="is built on hf-hub:somebody/else"):
        _loaded("open_clip:hf-hub:somebody/tiny")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_broken_description(text: str, cache: Path) -> None:
    (cache / "open_clip_config.json").write_text(text)
    (cache / "open_clip_model.safetensors").touch()
    with pytest.raises(BackboneError, match=r"open_clip_config\.json .*Download it again"):
        _loaded("open_clip:hf-hub:somebody/tiny")


@pytest.mark.parametrize("shards", [False, True])
def test_transformers_in_the_hubs_cache(shards: bool, cache: Path) -> None:
    _save_vision_model(cache, shards)
    (cache / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    backbone = _loaded("transformers:somebody/tiny")
    assert (backbone.spec.name, backbone.spec.mean) == ("transformers:somebody/tiny", (0.1, 0.2, 0.3))


def test_transformers_whose_preprocessing_was_never_asked_for(cache: Path) -> None:
    _save_vision_model(cache)
    with pytest.raises(BackboneError, match=r"\(preprocessor_config\.json missing\).*put them into"):
        _loaded("transformers:somebody/tiny")
    absent = cache.parents[1] / ".no_exist" / COMMIT
    absent.mkdir(parents=True)
    for name in ("preprocessor_config.json", "processor_config.json"):
        (absent / name).touch()
    assert _loaded("transformers:somebody/tiny").spec.mean == (0.485, 0.456, 0.406)


@pytest.mark.usefixtures("cache")
def test_transformers_that_is_nowhere(tmp_path: Path) -> None:
    message = (
        r"somebody/tiny is not on this machine.*get config\.json, preprocessor_config\.json, model\.safe"
    )
    with pytest.raises(
        BackboneError, match=message + r".*huggingface\.co/somebody/tiny .*into .*weights.tiny"
    ):
        _loaded("transformers:somebody/tiny", tmp_path / "weights")


def test_transformers_in_a_folder(tmp_path: Path) -> None:
    _save_vision_model(tmp_path / "weights" / "tiny")
    assert (
        _loaded("transformers:somebody/tiny", tmp_path / "weights").spec.name == "transformers:somebody/tiny"
    )


def test_attention_from_the_hub_is_never_run(tmp_path: Path) -> None:
    _save_vision_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "attn_implementation": "somebody/kernel"}))
    for offline in (True, False):
        with pytest.raises(BackboneError, match=r"asks for code from the hub \(somebody/kernel\)"):
            load_backbone(f"transformers:{tmp_path}", offline=offline)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "file"])
def test_families_without_downloads(name: str, tmp_path: Path) -> None:
    if name == "file":
        _save_vision_model(tmp_path)
        name = f"file:{tmp_path / 'model.safetensors'}"
    assert _loaded(name).spec.input_size in (32, 224)


def _loaded(name: str, *folders: Path) -> Backbone:
    return load_backbone(name, search_folders=folders, offline=True)


def _save_weights(path: Path) -> None:
    torch.manual_seed(7)
    tensors = open_clip.CustomTextCLIP(embed_dim=24, vision_cfg=VISION, text_cfg=TEXT).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)


def _save_vision_model(folder: Path, shards: bool = False) -> None:
    config = transformers.Dinov2Config(**SHAPE, num_hidden_layers=4)
    transformers.Dinov2Model(config).save_pretrained(folder, max_shard_size="20KB" if shards else "1GB")

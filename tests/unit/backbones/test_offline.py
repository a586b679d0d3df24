"""Offline no family resolves an address, and the error says which files are missing."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from unit_support.tiny_encoders import OPEN_CLIP_CONFIG, random_model

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.utils.errors import BackboneError

open_clip = pytest.importorskip("open_clip")
pytest.importorskip("transformers")

PREPROCESSING = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
ABOUT = {"model_cfg": OPEN_CLIP_CONFIG, "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TAG, HUB, FOLDER = "open_clip:tiny-plain/mine", "open_clip:hf-hub:somebody/tiny", "transformers:somebody/tiny"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    seen: list[Any] = []

    def refuse(*address: Any, **_: Any) -> Any:
        seen.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield
    assert seen == []


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's local cache of somebody/tiny, with no file in it yet."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    repository = tmp_path / "cache" / "models--somebody--tiny"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return snapshot


@pytest.fixture
def weights(made: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """(path) → weights of `TAG` are there."""
    about = {"hf_hub": "somebody/tiny/", "url": "https://example.org/weights-0123.pt", "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-plain", {"mine": about})

    def save(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = made("tiny-plain")[1]
        shutil.copy(file, path) if path.suffix == file.suffix else torch.save(load_file(file), path)

    return save


def load(name: str, *folders: Path) -> Backbone:
    return load_backbone(name, search_folders=folders, offline=True)


def refused(name: str, message: str, *folders: Path) -> None:
    with pytest.raises(BackboneError, match=message):
        load(name, *folders)


def test_a_tag_in_a_cache(cache: Path, weights: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    places = [cache / "open_clip_model.safetensors", cache / "open_clip_pytorch_model.bin"]
    for path in (*places, tmp_path / ".cache" / "clip" / "weights-0123.pt"):
        weights(path)
        assert load(TAG).spec.name == TAG
        path.rename(tmp_path / "weights.pt")
        with pytest.raises(BackboneError):
            load(TAG)
    tags = {"mine": {"file": str(tmp_path / "weights.pt")}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-plain", tags)
    assert load(TAG).spec.name == TAG


@pytest.mark.usefixtures("weights")
def test_a_tag_that_is_nowhere(tmp_path: Path) -> None:
    wanted = (
        r"open_clip:tiny-plain/mine are not on this machine.*get open_clip_model\.safetensors or "
        r"open_clip_pytorch_model\.bin from huggingface\.co/somebody/tiny and "
    )
    file = r"save it as open_clip--tiny-plain--mine\.safetensors or \.bin in .*weights"
    refused(TAG, wanted + file, tmp_path / "weights")
    refused(TAG, wanted + r"use open_clip:tiny-plain/<path of that file>")


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_openclip_repository(place: str, cache: Path, weights: Any, tmp_path: Path) -> None:
    home = cache if place == "cache" else tmp_path / "weights" / "tiny"
    home.mkdir(parents=True, exist_ok=True)
    (home / "open_clip_config.json").write_text(json.dumps(ABOUT))
    missing = r"somebody/tiny is not on this machine.* open_clip_model.* into .*weights.tiny\."
    refused(HUB, missing if place == "cache" else "tiny holds no weights", tmp_path / "weights")
    weights(home / "open_clip_model.safetensors")
    backbone = load(HUB, tmp_path / "weights")
    assert (backbone.spec.name, backbone.spec.mean) == (HUB, (0.1, 0.2, 0.3))


def test_openclip_repository_that_is_nowhere_is_a_path_or_is_described_badly(cache: Path) -> None:
    refused(HUB, r"get open_clip_config\.json and open_clip_model.* into a folder of that name")
    for repo in ("../tiny", "somebody/../../tiny", "/tiny", "somebody/", "tiny"):
        refused(f"open_clip:hf-hub:{repo}", "is no hub repository")
    (cache / "open_clip_model.safetensors").touch()
    other = {"embed_dim": 24, "vision_cfg": {"timm_model_name": "hf-hub:somebody/else", "image_size": 32}}
    for about, message in (
        ("{", r"open_clip_config\.json .*Download it again"),
        ("[]", r"open_clip_config\.json .*Download it again"),
        (json.dumps(other), "is built on hf-hub:somebody/else"),
    ):
        (cache / "open_clip_config.json").write_text(about)
        refused(HUB, message)


@pytest.mark.parametrize("shard_size", ["1GB", "200KB"])
def test_transformers_in_the_hubs_cache(shard_size: str, cache: Path) -> None:
    random_model("dinov2").save_pretrained(cache, max_shard_size=shard_size)
    refused(FOLDER, r"\(preprocessor_config\.json missing\).*put them into")
    absent = cache.parents[1] / ".no_exist" / COMMIT
    absent.mkdir(parents=True)
    for name in ("preprocessor_config.json", "processor_config.json"):
        (absent / name).touch()  # the hub was asked before, and has none
    assert load(FOLDER).spec.mean == (0.485, 0.456, 0.406)
    (cache / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    assert load(FOLDER).spec.mean == (0.1, 0.2, 0.3)


def test_transformers_in_a_folder_or_nowhere(tmp_path: Path) -> None:
    message = r"is not on this machine.*get config\.json, preprocessor_config\.json, model\.safe.*into .*weights.tiny"
    refused(FOLDER, message, tmp_path / "weights")
    random_model("dinov2").save_pretrained(tmp_path / "weights" / "tiny")
    assert load(FOLDER, tmp_path / "weights").spec.name == FOLDER


def test_online_the_hubs_own_cache_is_used(
    cache: Path, weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    random_model("dinov2").save_pretrained(cache)
    assert load_backbone(FOLDER).spec.name == FOLDER
    weights(cache / "open_clip_model.safetensors")
    (cache / "open_clip_config.json").write_text(json.dumps(ABOUT))
    assert load_backbone(HUB).spec.mean == (0.1, 0.2, 0.3)
    assert load_backbone(TAG).spec.name == TAG

"""Weights fetched from a small hub on this machine: whole, stoppable, and failing in plain words."""

from __future__ import annotations

import errno
import hashlib
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_support import Hub, running
from safetensors.torch import save_file

from ganrm_core.backbones import hub_download
from ganrm_core.backbones.open_clip_weights import download, find_weights, is_downloaded
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.utils.errors import BackboneError, OutputError
from ganrm_core.utils.progress import Progress

open_clip = pytest.importorskip("open_clip")

VISION = {"image_size": 32, "layers": 4, "width": 32, "head_width": 8, "patch_size": 8}
TEXT = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
MODEL, NAME, STEM = "tiny-hub", "open_clip:tiny-hub/mine", "open_clip--tiny-hub--mine"
TAG = {"hf_hub": "somebody/tiny/", "quick_gelu": True, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
SAFE, BIN = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub_download, "_CHUNK", 4096)
        monkeypatch.setattr(hub_download, "_WAIT_S", 0.0)
        yield hub


@pytest.fixture(autouse=True)
def _tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, MODEL, config)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, MODEL, {"mine": TAG})


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One tiny model in both file formats."""
    torch.manual_seed(7)
    folder = tmp_path_factory.mktemp("weights")
    model = open_clip.CustomTextCLIP(embed_dim=24, vision_cfg=VISION, text_cfg=TEXT)
    save_file(model.state_dict(), folder / SAFE)
    torch.save(model.state_dict(), folder / BIN)
    return {name: (folder / name).read_bytes() for name in (SAFE, BIN)}


def test_downloaded_weights_are_used_as_the_tag_says(
    hub: Hub, weights: dict[str, bytes], tmp_path: Path
) -> None:
    hub.files = weights
    path = download(NAME, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / f"{STEM}.safetensors"
    assert path.read_bytes() == weights[SAFE]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert is_downloaded(NAME, [tmp_path, path.parent]) == find_weights(NAME, [path.parent]) == path
    asked = len(hub.requests)
    backbones = [load_backbone(NAME, search_folders=[path.parent], offline=no) for no in (True, False)]
    assert download(NAME, path.parent) == path
    assert len(hub.requests) == asked
    for backbone in backbones:
        assert backbone.spec.name == NAME
        assert backbone.spec.weights_sha256 == hashlib.sha256(weights[SAFE]).hexdigest()
        assert (backbone.spec.mean, backbone.spec.std) == (TAG["mean"], TAG["std"])
    torch.manual_seed(1)
    pixels = torch.randn(2, 3, 32, 32)
    model = open_clip.CustomTextCLIP(embed_dim=24, vision_cfg=VISION, text_cfg=TEXT, quick_gelu=True).eval()
    open_clip.load_checkpoint(model, str(path))
    torch.testing.assert_close(
        backbones[0].features(pixels)[-1][:, 0], model.encode_image(pixels), atol=1e-5, rtol=0
    )


def test_weights_without_a_safetensors_file(hub: Hub, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.files = {BIN: weights[BIN]}
    path = download(NAME, tmp_path)
    assert path.name == f"{STEM}.bin"
    assert load_backbone(NAME, search_folders=[tmp_path], offline=True).spec.name == NAME


def test_a_file_named_by_the_tag(
    hub: Hub, weights: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {"mine": {**TAG, "hf_hub": "somebody/tiny/other.pt"}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, MODEL, tags)
    hub.files = {"other.pt": weights[BIN]}
    assert download(NAME, tmp_path).name == f"{STEM}.pt"
    assert [request.split()[-1] for request in hub.requests[:2]] == ["other.safetensors", "other.pt"]


def test_code_in_a_downloaded_file_is_never_run(hub: Hub, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hub.files = {BIN: pickle.dumps(_Malice(str(trace)), protocol=2)}
    download(NAME, tmp_path)
    with pytest.raises(BackboneError, match="holds code, which is never run"):
        load_backbone(NAME, search_folders=[tmp_path], offline=True)
    assert not trace.exists()


def test_progress_counts_megabytes(hub: Hub, tmp_path: Path) -> None:
    save_file({"x": torch.zeros(900_000)}, tmp_path / "big.safetensors")
    hub.files = {SAFE: (tmp_path / "big.safetensors").read_bytes()}
    steps: list[Progress] = []
    download(NAME, tmp_path / "folder", steps.append)
    assert {step.stage for step in steps} == {f"downloading {NAME}"}
    assert (steps[0].done, steps[0].total) == (0, 0)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (steps[-1].done, steps[-1].total) == (4, 4)


@pytest.mark.parametrize("stall_at", [0, 10_000])
def test_cancel_while_the_connection_hangs(
    stall_at: int, hub: Hub, weights: dict[str, bytes], tmp_path: Path
) -> None:
    hub.files, hub.stall_at = weights, stall_at
    calls = []

    def cancel_later(step: Progress) -> None:
        calls.append(step)
        if len([seen for seen in calls if seen.total]) > 3:  # the size is known, the rest never comes
            raise _CancelledError

    with pytest.raises(_CancelledError):
        download(NAME, tmp_path, cancel_later)
    assert list(tmp_path.iterdir()) == []


def test_cancel_at_the_last_byte(hub: Hub, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.files = weights

    def cancel_when_full(step: Progress) -> None:
        if step.total and step.done == step.total:
            raise _CancelledError

    with pytest.raises(_CancelledError):
        download(NAME, tmp_path, cancel_when_full)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_connection_is_taken_up_again(hub: Hub, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.files, hub.cuts = weights, [50_000, 0, 0, 20_000]
    assert download(NAME, tmp_path).read_bytes() == weights[SAFE]
    assert [request for request in hub.requests if "bytes=" in request]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_connection_that_stays_broken(
    knows_ranges: bool, hub: Hub, weights: dict[str, bytes], tmp_path: Path
) -> None:
    hub.files, hub.knows_ranges = weights, knows_ranges
    hub.cuts = [50_000] + [0] * 20 if knows_ranges else [50_000]
    _fails(rf"broke off after 0 of 0 MB.*Nothing was kept.*try again.*save it as {STEM}", tmp_path)


def test_hub_that_cannot_be_reached(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    _fails(
        rf"the hub cannot be reached.*get {SAFE} or {BIN} from huggingface\.co/somebody/tiny and save it as "
        rf"{STEM}\.safetensors or \.bin in ",
        tmp_path,
    )
    assert hub.requests == []


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, rf"has no {SAFE} or {BIN} in somebody/tiny .*HTTP 404.*choose another"),
        (401, r"HTTP 401.*moved or closed"),
        (503, "answers with HTTP 503"),
    ],
)
def test_hub_that_refuses(status: int, message: str, hub: Hub, tmp_path: Path) -> None:
    hub.status = status
    _fails(message, tmp_path)


def test_a_login_page_in_the_hubs_place(hub: Hub, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.files, hub.is_hub = weights, False
    _fails("proxy or a login page", tmp_path)


def test_content_altered_on_its_way(hub: Hub, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.files, hub.alters = weights, True
    _fails("arrived damaged", tmp_path)


@pytest.mark.parametrize("tells_sha256", [True, False])
def test_content_that_is_no_weights_file(tells_sha256: bool, hub: Hub, tmp_path: Path) -> None:
    hub.files, hub.tells_sha256 = {SAFE: b"<html>sorry</html>" * 99}, tells_sha256
    _fails("is no safetensors file", tmp_path)


def test_too_little_space(
    hub: Hub, weights: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = weights
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))  # type: ignore[attr-defined]
    _fails(r"the disk has 0\.00 GB left. Free some space", tmp_path, OutputError)


def test_disk_that_fills_up(
    hub: Hub, weights: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = weights
    real = Path.open

    def full(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        file = real(path, mode, *args, **options)
        if mode != "wb":
            return file
        file.close()
        return _FullDisk()

    monkeypatch.setattr(Path, "open", full)
    _fails("the disk is full. Free some space", tmp_path, OutputError)


def test_folder_that_is_a_file(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        download(NAME, tmp_path / "folder")
    assert hub.requests == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("transformers:somebody/tiny", "cannot be downloaded into a folder"),
        ("efficientnet_lite0", "cannot be downloaded into a folder"),
        ("open_clip:hf-hub:somebody/tiny", "cannot be downloaded into a folder"),
        ("open_clip:tiny-hub/other", "no pretrained tag 'other'"),
        ("open_clip:../../tiny-hub/mine", "no model '..'"),
        ("open_clip:tiny-hub", "does not say which weights"),
    ],
)
def test_names_that_cannot_be_downloaded(name: str, message: str, hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=message):
        download(name, tmp_path)
    with pytest.raises(BackboneError, match=message):
        find_weights(name, [tmp_path])
    assert is_downloaded(name, [tmp_path]) is None
    assert (hub.requests, list(tmp_path.iterdir())) == ([], [])


def test_tag_without_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {"mine": {"url": "https://example.org/weights-0123.pt"}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, MODEL, tags)
    _fails(rf"get https://example\.org/weights-0123\.pt and save it as {STEM}\.pt", tmp_path)


def test_found_under_either_spelling_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "open_clip--M--a_b.pth"
    path.touch()
    assert (
        is_downloaded("open_clip:M/a_b", [tmp_path]) == is_downloaded("open_clip:M/A-b", [tmp_path]) == path
    )
    (tmp_path / "below").mkdir()
    for name in ("open_clip:M/../a_b", "open_clip:M/a_b\n", "open_clip:M/a_b/c", "file:a_b", "open_clip:M/a"):
        assert is_downloaded(name, [tmp_path, tmp_path / "absent"]) is None
    assert is_downloaded("open_clip:M/a_b", [tmp_path / "below"]) is None


def _fails(message: str, folder: Path, kind: type[Exception] = BackboneError) -> None:
    with pytest.raises(kind, match=message):
        download(NAME, folder)
    assert list(folder.iterdir()) == []


class _CancelledError(Exception):
    pass


class _FullDisk:
    def __enter__(self) -> _FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class _Malice:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))

"""Downloads from a local HTTP hub: complete, cancellable, and failing with clear errors."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_support import Hub, running
from safetensors.torch import load_file

from ganrm_core.backbones import hub_download
from ganrm_core.backbones.open_clip_weights import KNOWN, download, find_weights, is_downloaded
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.utils.errors import BackboneError, OutputError
from ganrm_core.utils.progress import Progress

open_clip = pytest.importorskip("open_clip")

MODEL, NAME, STEM = "tiny-plain", "open_clip:tiny-plain/mine", "open_clip--tiny-plain--mine"
TAG = {"hf_hub": "somebody/tiny/", "quick_gelu": True, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
SAFE, BIN = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"


class _CancelledError(Exception):
    pass


@pytest.fixture(autouse=True)
def tag(made: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """(description) → sets the description of `NAME`'s weights."""

    def describe(about: dict[str, Any]) -> None:
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, MODEL, {"mine": about})

    describe(TAG)
    return describe


@pytest.fixture(scope="module")
def weights(made: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One tiny model in both file formats."""
    file = made(MODEL)[1]
    other = tmp_path_factory.mktemp("weights") / BIN
    torch.save(load_file(file), other)
    return {SAFE: file.read_bytes(), BIN: other.read_bytes()}


@pytest.fixture
def hub(weights: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running() as hub:
        hub.files = weights
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub_download, "_CHUNK", 4096)
        monkeypatch.setattr(hub_download, "_WAIT_S", 0.0)
        yield hub


def fails(message: str, folder: Path, kind: type[Exception] = BackboneError) -> None:
    with pytest.raises(kind, match=message):
        download(NAME, folder)
    assert list(folder.iterdir()) == []


def test_downloaded_weights_are_used_as_the_tag_says(hub: Hub, tmp_path: Path) -> None:
    path = download(NAME, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / f"{STEM}.safetensors"
    assert path.read_bytes() == hub.files[SAFE]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert is_downloaded(NAME, [tmp_path, path.parent]) == find_weights(NAME, [path.parent]) == path
    asked = len(hub.requests)
    for offline in (True, False):
        spec = load_backbone(NAME, search_folders=[path.parent], offline=offline).spec
        assert (spec.name, spec.mean, spec.std) == (NAME, TAG["mean"], TAG["std"])
        assert spec.weights_sha256 == hashlib.sha256(hub.files[SAFE]).hexdigest()
    assert download(NAME, path.parent) == path
    assert len(hub.requests) == asked


def test_weights_without_a_safetensors_file(hub: Hub, tag: Any, tmp_path: Path) -> None:
    hub.files = {BIN: hub.files[BIN], "other.pt": hub.files[BIN]}
    assert download(NAME, tmp_path).name == f"{STEM}.bin"
    assert load_backbone(NAME, search_folders=[tmp_path], offline=True).spec.name == NAME
    tag({**TAG, "hf_hub": "somebody/tiny/other.pt"})
    hub.requests.clear()
    assert download(NAME, tmp_path / "other").name == f"{STEM}.pt"
    assert [request.split()[-1] for request in hub.requests[:2]] == ["other.safetensors", "other.pt"]


@pytest.mark.parametrize("stall_at", [0, 10_000, None])
def test_cancel(stall_at: int | None, hub: Hub, tmp_path: Path) -> None:
    """While the connection hangs, or at the last byte."""
    hub.stall_at = stall_at
    calls = []

    def cancel(step: Progress) -> None:
        calls.append(step)
        known = len([seen for seen in calls if seen.total])
        if known > 3 if stall_at is not None else step.total and step.done == step.total:
            raise _CancelledError

    with pytest.raises(_CancelledError):
        download(NAME, tmp_path, cancel)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_connection_is_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [50_000, 0, 0, 20_000]
    assert download(NAME, tmp_path).read_bytes() == hub.files[SAFE]
    assert [request for request in hub.requests if "bytes=" in request]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_connection_that_stays_broken(knows_ranges: bool, hub: Hub, tmp_path: Path) -> None:
    hub.knows_ranges = knows_ranges
    hub.cuts = [50_000] + [0] * 20 if knows_ranges else [50_000]
    fails(rf"broke off after 0 of \d MB.*Nothing was kept.*try again.*save it as {STEM}", tmp_path)


def test_hub_that_cannot_be_reached(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    instead = rf"get {SAFE} or {BIN} from huggingface\.co/somebody/tiny and save it as {STEM}"
    fails(rf"the hub cannot be reached.*{instead}\.safetensors or \.bin", tmp_path)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"status": 404}, rf"has no {SAFE} or {BIN} in somebody/tiny .*HTTP 404.*choose another"),
        ({"status": 401}, r"HTTP 401.*moved or closed"),
        ({"status": 503}, "answers with HTTP 503"),
        ({"is_hub": False}, "proxy or a login page"),
        ({"alters": True}, "arrived damaged"),
        ({"files": {SAFE: b"<html>sorry</html>" * 99}}, "is no safetensors file"),
        ({"files": {SAFE: b"<html>" * 99}, "tells_sha256": False}, "is no safetensors file"),
    ],
    ids=str,
)
def test_hub_that_misbehaves(behaviour: dict[str, Any], message: str, hub: Hub, tmp_path: Path) -> None:
    for name, value in behaviour.items():
        setattr(hub, name, value)
    fails(message, tmp_path)


@pytest.mark.usefixtures("hub")
def test_places_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))  # type: ignore[attr-defined]
        fails(r"the disk has 0\.00 GB left. Free some space", tmp_path, OutputError)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ganrm_core.backbones.open_clip_weights._write", full)
    fails("the disk is full. Free some space", tmp_path, OutputError)
    (tmp_path / "folder").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        download(NAME, tmp_path / "folder")


def test_names_that_cannot_be_downloaded(hub: Hub, tmp_path: Path) -> None:
    for name, message in (
        ("transformers:somebody/tiny", "cannot be downloaded into a folder"),
        ("open_clip:hf-hub:somebody/tiny", "cannot be downloaded into a folder"),
        ("open_clip:tiny-plain/other", "no pretrained tag 'other'"),
        ("open_clip:../../tiny-plain/mine", r"no model '\.\.'"),
        ("open_clip:tiny-plain", "does not say which weights"),
    ):
        with pytest.raises(BackboneError, match=message):
            download(name, tmp_path)
        with pytest.raises(BackboneError, match=message):
            find_weights(name, [tmp_path])
        assert is_downloaded(name, [tmp_path]) is None
        assert (hub.requests, list(tmp_path.iterdir())) == ([], [])


def test_tag_that_is_not_on_the_hub(tag: Any, tmp_path: Path) -> None:
    tag({"url": "https://example.org/weights-0123.pt"})
    fails(rf"get https://example\.org/weights-0123\.pt and save it as {STEM}\.pt", tmp_path)


def test_found_under_either_spelling_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "open_clip--M--a_b.pth"
    path.touch()
    assert (
        is_downloaded("open_clip:M/a_b", [tmp_path]) == is_downloaded("open_clip:M/A-b", [tmp_path]) == path
    )
    for name in ("open_clip:M/../a_b", "open_clip:M/a_b\n", "file:a_b"):
        assert is_downloaded(name, [tmp_path, tmp_path / "absent"]) is None
    assert is_downloaded("open_clip:M/a_b", [tmp_path.parent]) is None


def test_recommended_weights_are_on_the_hub_and_named_once() -> None:
    assert 8 <= len({known.name for known in KNOWN}) == len(KNOWN)
    for known in KNOWN:
        model, _, tag = known.name.removeprefix("open_clip:").partition("/")
        about = open_clip.get_pretrained_cfg(model, tag)
        assert not about or about["hf_hub"].endswith("/"), f"{known.name} is no file on the hub"

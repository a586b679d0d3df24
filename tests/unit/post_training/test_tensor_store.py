"""Kept tensors: they come back, damage counts as absent, old ones go first, and a full disk stops nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save
from unit_support.failing_disk import refuse_creating

from ganrm_core.post_training.tensor_store import TensorStore, entry_key, tensor_hash
from ganrm_core.utils.partial_files import partial_file


def entry(value: float = 0.0, size: int = 250) -> dict[str, torch.Tensor]:
    return {"latents": torch.full((size,), float(value)), "thumbnails": torch.zeros(2, dtype=torch.uint8)}


def test_what_was_stored_comes_back_and_can_be_trained_on(tmp_path: Path) -> None:
    TensorStore(tmp_path / "groups").store("key", entry(3.0))
    with torch.inference_mode():
        found = TensorStore(tmp_path / "groups").load("key")
    assert found is not None
    assert torch.equal(found["latents"], entry(3.0)["latents"])
    assert found["thumbnails"].dtype == torch.uint8
    assert not found["latents"].is_inference()
    assert TensorStore(tmp_path / "groups").load("other") is None


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, None])
def test_a_damaged_entry_is_absent_and_removed(tmp_path: Path, damage: bytes | None) -> None:
    TensorStore(tmp_path).store("key", entry())
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\1" if damage is None else damage)
    assert TensorStore(tmp_path).load("key") is None
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_go_first_but_never_those_in_use(tmp_path: Path) -> None:
    earlier = TensorStore(tmp_path, most_bytes=5000)
    for number in range(3):
        earlier.store(f"old{number}", entry(number))
    for path in tmp_path.iterdir():
        age = 1000 if path.name.startswith("old1") else 500
        os.utime(path, (time.time() - age,) * 2)
    store = TensorStore(tmp_path, most_bytes=5000)
    assert store.load("old0")
    store.store("new0", entry(10))
    store.store("new1", entry(11))
    left = {path.name.partition("-")[0] for path in tmp_path.iterdir()}
    assert left == {"old0", "old2", "new0", "new1"}
    for number in range(2, 9):
        store.store(f"new{number}", entry(number))
    assert "set aside" in store.problem
    assert store.load("new0")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5000


@pytest.mark.parametrize("cause", ["creating", "nearly full"])
def test_a_full_disk_is_told_once_and_nothing_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    store = TensorStore(tmp_path)
    if cause == "creating":
        refuse_creating(errno.ENOSPC, monkeypatch)
    else:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=400_000_000))
    store.store("key", entry())
    assert "full" in store.problem
    monkeypatch.undo()
    store.store("key", entry())
    assert list(tmp_path.iterdir()) == []


def test_rests_of_a_crash_are_cleared_away_and_work_in_progress_is_not(tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef.part.safetensors").touch()
    with partial_file(tmp_path / "theirs.safetensors") as theirs:
        TensorStore(tmp_path).store("key", entry())
        assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == [theirs]


def test_the_last_one_stored_counts_also_when_the_clock_was_set_back(tmp_path: Path) -> None:
    store = TensorStore(tmp_path)
    store.store("key", entry())
    (kept,) = tmp_path.iterdir()
    os.utime(kept, (4e9, 4e9))
    store.store("key", {"a": torch.full((3,), 5.0)})  # as `replace`, ended before the first one was removed
    assert len(list(tmp_path.iterdir())) == 2
    found = TensorStore(tmp_path).load("key")
    assert found is not None
    assert found["a"].tolist() == [5, 5, 5]


def test_what_earlier_versions_kept_is_found(tmp_path: Path) -> None:
    key = "bcd275c8b93e6110f0966fa9ad11393a96eb7fde"
    assert entry_key("latents", seeds=[1, 2], model="m") == key
    content = save({"latents": torch.ones(2)})
    (tmp_path / f"{key}-{hashlib.sha256(content).hexdigest()[:24]}.safetensors").write_bytes(content)
    found = TensorStore(tmp_path).load(key)
    assert found is not None
    assert found["latents"].tolist() == [1, 1]


def test_keys_tell_inputs_apart() -> None:
    inputs: list[dict[str, Any]] = [{"a": 1, "b": [2]}, {"a": 2, "b": [2]}, {"a": 1, "b": [3]}]
    keys = {entry_key(kind, **each) for kind in ("latents", "scores") for each in inputs}
    assert len(keys) == 6
    assert entry_key("latents", a=1, b=[2]) == entry_key("latents", b=[2], a=1)
    zeros = torch.zeros(1, 4, 2, 3)
    hashes = {tensor_hash(each) for each in (zeros, zeros.half(), zeros.view(1, 4, 3, 2), zeros + 1)}
    assert len(hashes) == 4

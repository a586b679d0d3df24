"""Checkpoint files: round trip, atomic writing, and refusal of damaged ones."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ganrm_core.rewards.discriminator.checkpoint import (
    FORMAT_VERSION,
    Checkpoint,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from ganrm_core.utils.errors import CheckpointError, OutputError

WEIGHT = {"w": torch.ones(3)}
NOT_UTF8 = os.fsdecode(b"caf\xe9")


def example() -> Checkpoint:
    shared = torch.arange(6.0).reshape(2, 3)
    tensors = {
        "rpl.head.weight": torch.nn.Parameter(shared.clone()),
        "rpl.head.bias": torch.tensor(0.5),
        "adapter.a": shared,
        "adapter.b": shared,
        "adapter.c": torch.ones(4, 2).half().T,
    }
    card = {"taps": ["a"], "name": f"Grüße 猫 {NOT_UTF8}", "metrics": {"auc": [0.9, 0.8]}, "leak_audit": None}
    return Checkpoint(tensors, card)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "taste.safetensors"


@pytest.fixture
def saved(path: Path) -> Path:
    save_checkpoint(example(), path)
    return path


def with_header(path: Path, header: bytes) -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def with_card(path: Path, card: str) -> Path:
    return with_header(path, json.dumps({"__metadata__": {"ganrm": card}}).encode())


def refuse(path: Path, message: str | None = None, reader: Any = load_checkpoint) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        reader(path)
    assert str(path) in str(caught.value)


def test_tensors_and_card_come_back(saved: Path) -> None:
    loaded = load_checkpoint(saved)
    assert loaded.card == read_card(saved) == {**example().card, "format_version": FORMAT_VERSION}
    assert set(loaded.tensors) == set(example().tensors)
    for name, tensor in example().tensors.items():
        assert torch.equal(loaded.tensors[name], tensor)
        assert loaded.tensors[name].dtype == tensor.dtype


def test_equal_checkpoints_give_equal_bytes(saved: Path, tmp_path: Path) -> None:
    tensors, card = (dict(reversed(list(part.items()))) for part in (example().tensors, example().card))
    again = tmp_path / "again.safetensors"
    save_checkpoint(Checkpoint(tensors, {**card, "format_version": 1}), again)
    assert again.read_bytes() == saved.read_bytes(), "whatever the order, and in the writer's format"


def test_an_existing_file_stays_unless_overwriting(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(OutputError, match=saved.name):
        save_checkpoint(Checkpoint(WEIGHT, {}), saved)
    with pytest.raises(TypeError):
        save_checkpoint(Checkpoint(WEIGHT, {"when": object()}), saved, overwrite=True)
    assert saved.read_bytes() == before
    save_checkpoint(Checkpoint(WEIGHT, {}), saved, overwrite=True)
    assert list(load_checkpoint(saved).tensors) == ["w"]
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_names_that_no_model_may_have(tmp_path: Path) -> None:
    for name, message in (
        ("a.features.safetensors", "name of a model's features"),
        ("a.part.safetensors", "not complete yet"),
        ("x" * 300, "too long"),
    ):
        with pytest.raises(OutputError, match=message):
            save_checkpoint(example(), tmp_path / name)


def test_cut_short_anywhere_or_extended(saved: Path) -> None:
    whole = saved.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for length in (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(whole) - 1):
        saved.write_bytes(whole[:length])
        refuse(saved, "damaged")
    saved.write_bytes(whole + b"\0")
    refuse(saved, "damaged")


@pytest.mark.parametrize(
    "header",
    [b"[]", b"3", b"null", b"{", b"\xff\xfe{}", b"{}{}", b"[" * 200_000]
    + [b'{"__metadata__":%b}' % metadata for metadata in (b"[]", b"null", b"7", b'"ganrm"')],
    ids=lambda header: repr(header[:30]),
)
def test_a_header_without_an_object(path: Path, header: bytes) -> None:
    refuse(with_header(path, header))
    path.write_bytes(b"\xff" * 8 + header)
    refuse(path, "damaged")


def test_missing_and_other_safetensors_files(path: Path) -> None:
    refuse(path, "no checkpoint")
    refuse(path.parent, "no checkpoint")
    for metadata in (None, {"format": "pt"}):
        save_file(WEIGHT, str(path), metadata=metadata)
        refuse(path, "not a GAN-RM checkpoint")


@pytest.mark.parametrize(
    "card",
    ["", "{", "[1]", "7", "null", "{}"]
    + [f'{{"format_version": {version}}}' for version in ('"1"', "0", "-3", "true")]
    + ['{"format_version": 1, "metrics": [1]}', '{"format_version": 1, "x": ' + "[" * 200_000],
    ids=lambda card: card[:40],
)
def test_a_card_that_is_none_or_of_a_newer_format(path: Path, card: str) -> None:
    refuse(with_card(path, card))
    refuse(path, reader=read_card)
    newer = FORMAT_VERSION + 1
    refuse(with_card(path, json.dumps({"format_version": newer})), f"format {newer}.*pip install --upgrade")

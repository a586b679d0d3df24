from __future__ import annotations

import json
import os
import random
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


def example() -> Checkpoint:
    tensors = {
        "rpl.head.weight": torch.arange(6.0).reshape(2, 3),
        "rpl.head.bias": torch.tensor(0.5),
        "adapter.b": torch.ones(4, 2).half().T,
    }
    card = {"taps": ["a", "b"], "name": "Grüße 猫", "metrics": {"auc": [0.9, 0.8, 0.95]}, "leak_audit": None}
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


def refuse(path: Path, reader: Any = load_checkpoint) -> str:
    with pytest.raises(CheckpointError) as caught:
        reader(path)
    message = str(caught.value)
    assert str(path) in message
    return message


class TestRoundTrip:
    def test_tensors_and_card_come_back(self, saved: Path) -> None:
        loaded = load_checkpoint(saved)
        assert loaded.card == {**example().card, "format_version": FORMAT_VERSION}
        assert set(loaded.tensors) == set(example().tensors)
        for name, tensor in example().tensors.items():
            assert torch.equal(loaded.tensors[name], tensor)
            assert loaded.tensors[name].dtype == tensor.dtype

    def test_the_card_alone(self, saved: Path) -> None:
        assert read_card(saved) == load_checkpoint(saved).card

    def test_bytes_repeat_whatever_the_order_of_the_entries(self, saved: Path, tmp_path: Path) -> None:
        tensors = dict(reversed(list(example().tensors.items())))
        card = dict(reversed(list(example().card.items())))
        again = tmp_path / "again.safetensors"
        save_checkpoint(Checkpoint(tensors, card), again)
        assert again.read_bytes() == saved.read_bytes()

    def test_a_parameter_that_needs_gradients(self, path: Path) -> None:
        weight = torch.nn.Parameter(torch.ones(3))
        save_checkpoint(Checkpoint({"w": weight}, {}), path)
        assert load_checkpoint(path).tensors["w"].tolist() == [1, 1, 1]

    def test_a_loaded_checkpoint_is_saved_in_the_format_of_the_writer(self, path: Path) -> None:
        save_checkpoint(Checkpoint({"w": torch.ones(1)}, {"format_version": FORMAT_VERSION - 1}), path)
        assert read_card(path)["format_version"] == FORMAT_VERSION

    def test_a_name_that_is_no_valid_text(self, path: Path) -> None:
        card = {"name": os.fsdecode(b"caf\xe9")}
        save_checkpoint(Checkpoint({"w": torch.ones(1)}, card), path)
        assert read_card(path)["name"] == card["name"]

    def test_tensors_that_share_memory(self, path: Path) -> None:
        shared = torch.ones(3)
        save_checkpoint(Checkpoint({"a": shared, "b": shared}, {}), path)
        assert load_checkpoint(path).tensors["b"].tolist() == [1, 1, 1]

    def test_the_card_is_json_for_strict_readers_too(self, path: Path) -> None:
        save_checkpoint(Checkpoint({"w": torch.ones(1)}, {"auc": [float("nan"), 0.1, 0.2]}), path)
        assert b"NaN" not in path.read_bytes()


class TestOverwriting:
    def test_an_existing_file_stays(self, saved: Path) -> None:
        before = saved.read_bytes()
        with pytest.raises(OutputError, match=saved.name):
            save_checkpoint(Checkpoint({"w": torch.ones(1)}, {}), saved)
        assert saved.read_bytes() == before

    def test_unless_it_is_meant(self, saved: Path) -> None:
        save_checkpoint(Checkpoint({"w": torch.ones(1)}, {}), saved, overwrite=True)
        assert list(load_checkpoint(saved).tensors) == ["w"]
        assert [p.name for p in saved.parent.iterdir()] == [saved.name]

    def test_what_cannot_be_serialised_leaves_no_file(self, path: Path) -> None:
        with pytest.raises(TypeError):
            save_checkpoint(Checkpoint({"w": torch.ones(1)}, {"when": object()}), path)
        assert list(path.parent.iterdir()) == []


class TestRefused:
    def test_missing(self, path: Path) -> None:
        assert "no checkpoint" in refuse(path)
        assert "no checkpoint" in refuse(path.parent)

    def test_cut_short_anywhere(self, saved: Path) -> None:
        whole = saved.read_bytes()
        header = 8 + int.from_bytes(whole[:8], "little")
        for length in (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(whole) - 1):
            saved.write_bytes(whole[:length])
            assert "damaged" in refuse(saved), length

    def test_something_appended(self, saved: Path) -> None:
        saved.write_bytes(saved.read_bytes() + b"\0")
        assert "damaged" in refuse(saved)

    @pytest.mark.parametrize("seed", range(20))
    def test_random_bytes(self, path: Path, seed: int) -> None:
        generator = random.Random(seed)
        path.write_bytes(generator.randbytes(generator.randint(1, 3000)))
        assert "damaged" in refuse(path)

    @pytest.mark.parametrize("seed", range(20))
    def test_random_bytes_behind_a_plausible_length(self, path: Path, seed: int) -> None:
        assert "damaged" in refuse(with_header(path, random.Random(seed).randbytes(200)))

    @pytest.mark.parametrize("seed", range(40))
    def test_flipped_bytes_in_the_header_never_crash(self, saved: Path, seed: int) -> None:
        generator, content = random.Random(seed), bytearray(saved.read_bytes())
        for _ in range(3):
            content[generator.randrange(int.from_bytes(saved.read_bytes()[:8], "little"))] ^= (
                1 << generator.randrange(8)
            )
        saved.write_bytes(content)
        message = str(saved)
        try:
            load_checkpoint(saved)
        except CheckpointError as error:
            message = str(error)
        assert str(saved) in message

    def test_an_endless_length(self, path: Path) -> None:
        path.write_bytes(b"\xff" * 8 + b"{}")
        assert "damaged" in refuse(path)

    @pytest.mark.parametrize("header", [b"[]", b"3", b'"x"', b"null", b"{", b"\xff\xfe{}", b"{}{}"])
    def test_a_header_that_is_no_object(self, path: Path, header: bytes) -> None:
        refuse(with_header(path, header))

    @pytest.mark.parametrize("metadata", [{}, {"format": "pt"}])
    def test_other_safetensors_files(self, path: Path, metadata: dict[str, str]) -> None:
        save_file({"w": torch.ones(2)}, str(path), metadata=metadata or None)
        assert "not a GAN-RM checkpoint" in refuse(path)

    @pytest.mark.parametrize("metadata", ["[]", "null", "7", '"ganrm"'])
    def test_metadata_that_are_no_object(self, path: Path, metadata: str) -> None:
        refuse(with_header(path, f'{{"__metadata__":{metadata}}}'.encode()))

    def test_newer(self, path: Path) -> None:
        message = refuse(with_card(path, json.dumps({"format_version": FORMAT_VERSION + 1})))
        assert str(FORMAT_VERSION + 1) in message
        assert "pip install --upgrade" in message

    @pytest.mark.parametrize("card", ["", "{", "[1]", "7", "null", "{}", '{"format_version": "1"}'])
    def test_a_card_that_is_none(self, path: Path, card: str) -> None:
        refuse(with_card(path, card))
        refuse(path, read_card)

    @pytest.mark.parametrize("version", ["0", "-3", "true"])
    def test_a_version_that_never_was(self, path: Path, version: str) -> None:
        refuse(with_card(path, f'{{"format_version": {version}}}'), read_card)

    def test_nested_beyond_reason(self, path: Path) -> None:
        refuse(with_header(path, b"[" * 200_000))
        refuse(with_card(path, '{"format_version": 1, "x": ' + "[" * 200_000))

"""Model files made to use up memory or time: refused in one line that names the file, within 500 MB and 10 s."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit_support.limited import ends
from unit_support.tiny_encoders import Malice

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")

CARD = json.dumps({"format_version": 1, "backbone": {}})


def safetensors(header: bytes | dict[str, Any], data: int = 0) -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + bytes(data)


def tensor(shape: list[int], start: int, end: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


def checkpoint(data: int, **tensors: Any) -> bytes:
    return safetensors({"__metadata__": {"ganrm": CARD}, **tensors}, data)


CHECKPOINTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a header longer than any file": (lambda: struct.pack("<Q", 2**40) + b"{}", "cut off"),
    "a header of many objects": (
        lambda: safetensors(b'{"a":[' + b"{}," * 6_000_000 + b"{}]}"),
        "larger than 8 MB",
    ),
    "as many as fit": (lambda: safetensors(b'{"a":[' + b"{}," * 2_600_000 + b"{}]}"), "not a GAN-RM"),
    "a deep header": (lambda: safetensors(b"[" * 4_000_000), "damaged"),
    "a deep card": (
        lambda: safetensors({"__metadata__": {"ganrm": "[" * 3_000_000}}),
        "damaged",
    ),
    "a card of many objects": (
        lambda: safetensors({"__metadata__": {"ganrm": "[" + "{}," * 2_500_000 + "{}]"}}),
        "damaged",
    ),
    "a huge number": (
        lambda: safetensors({"__metadata__": {"ganrm": '{"format_version":' + "9" * 3_000_000 + "}"}}),
        "damaged",
    ),
    "overlapping tensors": (
        lambda: checkpoint(16, a=tensor([2], 0, 8), b=tensor([2], 4, 12)),
        "damaged",
    ),
    "a shape beyond its bytes": (lambda: checkpoint(8, a=tensor([10**6, 10**6], 0, 8)), "damaged"),
    "a shape that overflows": (lambda: checkpoint(8, a=tensor([2**62, 2**62, 4], 0, 8)), "damaged"),
    "bytes beyond the file": (lambda: checkpoint(8, a=tensor([10**9], 0, 4 * 10**9)), "damaged"),
    "a type there is not": (lambda: checkpoint(8, a=tensor([2], 0, 8, "OBJ")), "damaged"),
}


def test_checkpoints(tmp_path: Path) -> None:
    paths = []
    for number, (make, _) in enumerate(CHECKPOINTS.values()):
        paths.append(tmp_path / f"{number}.safetensors")
        paths[-1].write_bytes(make())
    sparse = tmp_path / "sparse.safetensors"
    sparse.write_bytes(checkpoint(0, a=tensor([2**30], 0, 4 * 2**30)))
    os.truncate(sparse, sparse.stat().st_size + 4 * 2**30)
    planted = tmp_path / "planted"
    pickled = tmp_path / "pickled.safetensors"
    pickled.write_bytes(pickle.dumps(Malice(planted)))
    found = ends(
        [*paths, sparse, pickled],
        "from pathlib import Path; from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint",
        "load_checkpoint(Path(path))",
    )
    expected = {path.name: said for path, (_, said) in zip(paths, CHECKPOINTS.values(), strict=True)}
    expected |= {sparse.name: "more than 1 GB", pickled.name: "damaged"}
    for name, said in expected.items():
        assert said in found[name], name
        assert name in found[name]
        assert "\n" not in found[name]
        assert len(found[name]) < 1000
    assert not planted.exists()


def combination(path: Path, file: Path, parts: int) -> Path:
    """A combination of one file, named many times."""
    part = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "weight": 1.0}
    path.write_text(json.dumps({"ganrm_combination": 1, "name": path.stem, "parts": [part] * parts}))
    return path


def test_combinations(tmp_path: Path) -> None:
    nothing = tmp_path / "no_model.safetensors"
    nothing.write_bytes(checkpoint(0))
    deep = nothing
    for level in range(12):
        deep = combination(tmp_path / f"deep_{level}.json", deep, 1)
    huge = tmp_path / "huge.json"
    huge.write_bytes(b"")
    os.truncate(huge, 2**30)
    nested = tmp_path / "nested.json"
    nested.write_bytes(b"[" * 900_000)
    many = tmp_path / "objects.json"
    many.write_bytes(b'{"ganrm_combination": 1, "parts": [' + b"{}," * 300_000 + b"{}]}")
    found = ends(
        [deep, huge, nested, many],
        "from pathlib import Path; from ganrm_core.rewards.combination_file import load_reward",
        "load_reward(Path(path), offline=True)",
    )
    for path, said in (
        (deep, "more than 8 deep"),
        (huge, "larger than 1 MB"),
        (nested, "nested"),
        (many, "damaged"),
    ):
        assert said in found[path.name], path.name
        assert path.name in found[path.name]
        assert "\n" not in found[path.name]


def test_a_model_named_billions_of_times_is_loaded_a_few_times(model_files: Any, tmp_path: Path) -> None:
    from ganrm_core.rewards import combination_file
    from ganrm_core.utils.errors import CheckpointError

    for name in (model_files.checkpoints[0], model_files.backbone):
        (tmp_path / name).symlink_to(model_files.folder / name)
    bomb = tmp_path / model_files.checkpoints[0]
    for level in range(7):
        bomb = combination(tmp_path / f"bomb_{level}.json", bomb, 100)
    with pytest.raises(CheckpointError, match=r"bomb_6\.json.*more than 64 models in all.*Combine fewer"):
        combination_file.load_reward(bomb, search_folders=[tmp_path], offline=True)

"""No widget of any node, whatever a workflow puts there, reads or writes outside when the node is queued or fingerprinted.

What happens when nodes run is measured on a real server: `python -m benchmarks.hostile_workflows`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack
from host_support.audit_pack.watched import watch
from host_support.drawn_pictures import fill_folder
from host_support.hostile_names import Attack, attacks

SECRET = "what no workflow may see"


@pytest.fixture
def outside(folders: Folders) -> Path:
    """A folder beside ComfyUI's own with pictures, prompts and what might be a model; input/liked is inside."""
    folder = folders.input.parent / "outside"
    fill_folder(folder / "pictures", "liked", 3)
    fill_folder(folders.input / "liked", "liked", 3)
    for name in ("prompts.txt", "prompts.csv", "taste.safetensors"):
        (folder / name).write_text(SECRET, encoding="utf-8")
    return folder


@pytest.fixture
def touched(outside: Path) -> Iterator[list[str]]:
    found: list[str] = []
    end = watch(str(outside), found.append)
    yield found
    end()


def test_the_watch_sees_what_is_read_and_written(outside: Path, touched: list[str]) -> None:
    (outside / "prompts.txt").read_text()
    list((outside / "pictures").iterdir())
    (outside / "new").mkdir()
    assert [words.split()[0] for words in touched] == ["open", "os.listdir", "os.mkdir"]


def test_queueing_touches_nothing_outside(
    pack: Pack, folders: Folders, outside: Path, touched: list[str], errors: Any
) -> None:
    before = every_file(folders.input.parent)
    cases = list(widgets(pack))
    assert len(cases) > 50
    faults = set()
    for node, name in cases:
        for attack in attacks(outside):
            refusal = ""
            try:
                queue(pack, node, name, attack)
            except errors.GanRMError as error:
                refusal = str(error)
            except Exception as error:  # each is a fault, and all are told at once
                faults.add((node, name, attack.kind, type(error).__name__))
            if SECRET in refusal or not refusal.isprintable():
                faults.add((node, name, attack.kind, refusal[:100]))
    assert faults == set()
    assert touched == []
    assert every_file(folders.input.parent) == before


def widgets(pack: Pack) -> Iterator[tuple[str, str]]:
    """(node, input) of every widget that takes text or a choice."""
    for node in pack.ids:
        for socket in pack.schema(node).inputs:
            if "STRING" in socket.get_io_type().split(",") or socket.get_io_type() == "COMBO":
                yield node, socket.id


def queue(pack: Pack, node: str, name: str, attack: Attack) -> None:
    """What ComfyUI asks a node before it runs. Raises what the node raises against the value."""
    found, value = pack.node(node), attack.value
    socket = next(each for each in pack.schema(node).inputs if each.id == name)
    if socket.get_io_type() == "STRING" and value is not None:
        value = str(value)  # as ComfyUI does before it asks
    given = [value] if pack.schema(node).is_input_list else value
    if name in inspect.signature(found.fingerprint_inputs).parameters:
        found.fingerprint_inputs(**{name: given})
    if name in inspect.signature(found.validate_inputs).parameters:
        found.validate_inputs(**{name: given})


def every_file(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))

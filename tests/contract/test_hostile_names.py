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
    touched.clear()  # of that look itself
    cases = list(widgets(pack))
    assert len(cases) > 50
    faults = set()
    by_kind: dict[str, list[Attack]] = {}
    for attack in attacks(outside):
        by_kind.setdefault(attack.kind, []).append(attack)
    for number, (node, name) in enumerate(cases):
        # One of each kind, another one for each widget: all of them at every widget would take minutes.
        for attack in (each[7 * number % len(each)] for each in by_kind.values()):
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
    schema = pack.schema(node)
    sockets = {socket.id: socket for socket in schema.inputs}
    if sockets.pop(name).get_io_type() == "STRING" and value is not None:
        value = str(value)  # as ComfyUI does before it asks
    given = [value] if schema.is_input_list else value
    for ask in (found.fingerprint_inputs, found.validate_inputs):
        parameters = inspect.signature(ask).parameters
        if name in parameters:
            needed = [key for key, each in parameters.items() if each.default is each.empty]
            ask(**{key: sockets[key].options[0] for key in needed if key in sockets}, **{name: given})


def every_file(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))

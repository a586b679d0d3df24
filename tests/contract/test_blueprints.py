"""Blueprints that newer hosts list: whole graphs of known nodes, made from the shipped workflows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack

from scripts.make_blueprints import BLUEPRINTS, FOLDER, as_text

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_they_are_those_of_the_generator() -> None:
    made = {blueprint.name: as_text(blueprint) for blueprint in (make() for make in BLUEPRINTS)}
    assert {name: Path(FOLDER, f"{name}.json").read_text(encoding="utf-8") for name in NAMES} == made, (
        "the workflows have changed: run python scripts/make_blueprints.py"
    )


@pytest.mark.parametrize("name", NAMES)
class TestBlueprint:
    def test_every_link_has_two_ends_of_one_type(self, name: str) -> None:
        file = read(name)
        (definition,) = file["definitions"]["subgraphs"]
        nodes = {node["id"]: node for node in definition["nodes"]}
        ends = {
            -10: {"outputs": [{**each, "links": each["linkIds"]} for each in definition["inputs"]]},
            -20: {"inputs": [{**each, "link": each["linkIds"][0]} for each in definition["outputs"]]},
        }
        for link in definition["links"]:
            source = {**nodes, **ends}[link["origin_id"]]["outputs"][link["origin_slot"]]
            target = {**nodes, **ends}[link["target_id"]]["inputs"][link["target_slot"]]
            assert link["id"] in source["links"]
            assert target["link"] == link["id"]
            assert source["type"] == target["type"] == link["type"]
        assert file["nodes"][0]["type"] == definition["id"]
        assert [each["name"] for each in file["nodes"][0]["outputs"]] == [
            each["name"] for each in definition["outputs"]
        ]

    def test_the_nodes_are_those_of_the_pack_as_it_is(self, name: str, pack: Pack, folders: Folders) -> None:
        file = read(name)
        (definition,) = file["definitions"]["subgraphs"]
        (preview,) = (node["id"] for node in definition["nodes"] if node["type"] == "PreviewImage")
        ours = [node for node in definition["nodes"] if node["id"] != preview]
        schemas = {node["id"]: pack.schema(node["type"]) for node in ours}
        for node in ours:
            sockets = [each for each in schemas[node["id"]].inputs if not _has_widget(each)]
            assert [each["name"] for each in node["inputs"]] == [each.id for each in sockets]
            assert len(node["outputs"]) == len(schemas[node["id"]].outputs)
            assert len(node["widgets_values"]) == len(schemas[node["id"]].inputs) - len(sockets)
        *widgets, shown = file["nodes"][0]["properties"]["proxyWidgets"]
        assert shown == [str(preview), "$$canvas-image-preview"]
        for number, widget in widgets:
            assert widget in [each.id for each in schemas[int(number)].inputs if _has_widget(each)]


def _has_widget(socket: Any) -> bool:
    return socket.get_io_type() in _WIDGETS and not getattr(socket, "force_input", False)

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
            slots = [each["name"] for each in node["inputs"] if "widget" not in each]
            assert slots == [each.id for each in sockets]
            assert len(node["outputs"]) == len(schemas[node["id"]].outputs)
            assert len(node["widgets_values"]) == len(schemas[node["id"]].inputs) - len(sockets)
        (shown,) = file["nodes"][0]["properties"]["proxyWidgets"]
        assert shown == [str(preview), "$$canvas-image-preview"]
        for number, widget, kind in _opened(ours):
            kinds = {each.id: each.get_io_type() for each in schemas[number].inputs if _has_widget(each)}
            assert kinds[widget] == kind

    def test_what_is_set_from_outside_has_a_name_of_its_own(self, name: str) -> None:
        file = read(name)
        (definition,) = file["definitions"]["subgraphs"]
        outside = file["nodes"][0]["inputs"]
        assert [each["name"] for each in outside] == [each["name"] for each in definition["inputs"]]
        assert len({each["name"] for each in outside}) == len(outside)
        shown = [each for each in outside if "widget" in each]
        assert [each["widget"]["name"] for each in shown] == [each["name"] for each in shown]
        assert len(shown) == len(_opened(definition["nodes"]))


def _opened(nodes: list[Any]) -> list[tuple[int, str, str]]:
    """(number, name, type) of every widget that is set from outside."""
    return [
        (node["id"], slot["name"], slot["type"])
        for node in nodes
        for slot in node["inputs"]
        if "widget" in slot
    ]


def _has_widget(socket: Any) -> bool:
    return socket.get_io_type() in _WIDGETS and not getattr(socket, "force_input", False)

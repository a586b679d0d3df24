"""Names for the page: the English file follows the schemas, the Chinese one has every key and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.make_locales import ENGLISH, as_text, english_names

ROOT = Path(__file__).parents[2]


def _schemas(pack: Any) -> list[Any]:
    return [pack.schema(node) for node in pack.ids]


def _chinese() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
    return told


def test_the_english_names_are_those_of_the_schemas(pack: Any) -> None:
    assert ENGLISH.read_text(encoding="utf-8") == as_text(english_names(_schemas(pack))), (
        "the schemas have changed: run python scripts/make_locales.py"
    )


def test_no_input_shows_an_id_of_several_words(pack: Any) -> None:
    shown = {
        f"{schema.node_id}.{socket.id}": socket.display_name or socket.id
        for schema in _schemas(pack)
        for socket in [*schema.inputs, *schema.outputs]
    }
    assert [name for name, text in shown.items() if "_" in text] == []


def test_the_chinese_file_has_every_key_and_no_other(pack: Any) -> None:
    told = _chinese()
    assert sorted(told) == sorted(pack.ids)
    for schema in _schemas(pack):
        node = told[schema.node_id]
        assert set(node) == {"display_name", "description", "inputs", "outputs"}, schema.node_id
        sockets = [*node["inputs"].values(), *node["outputs"].values()]
        assert all(set(entry) - {"options"} == {"name", "tooltip"} for entry in sockets), schema.node_id


# Names of files, networks and formats, and core's own samplers, are called the same in every language.
_NAMES = {"model", "backbone", "folder", "format", "sampler_name", "scheduler"}


def test_every_choice_has_a_chinese_label_and_no_other(pack: Any) -> None:
    told = _chinese()
    for schema in _schemas(pack):
        inputs = told[schema.node_id]["inputs"]
        choices = {
            socket.id: set(socket.options)
            for socket in schema.inputs
            if getattr(socket, "options", None) and socket.id not in _NAMES
        }
        assert {
            name: set(entry["options"]) for name, entry in inputs.items() if "options" in entry
        } == choices


def test_every_node_is_found_by_words_of_its_own(pack: Any) -> None:
    for schema in _schemas(pack):
        assert schema.search_aliases, schema.node_id
        assert len(set(schema.search_aliases)) == len(schema.search_aliases), schema.node_id
        sent = pack.node(schema.node_id).GET_NODE_INFO_V1()
        assert sent["search_aliases"] == schema.search_aliases

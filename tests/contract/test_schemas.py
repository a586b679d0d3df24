"""Node schemas: ids and their order never change, and every node has tooltips, help pages and a Chinese translation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack

from scripts.make_locales import ENGLISH, as_text, english_names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "nodes" / "web" / "docs"
IDS = sorted(path.stem for path in DOCS.glob("*.md"))
RECORDED = json.loads(Path(__file__).with_name("schemas.json").read_text(encoding="utf-8"))
CHINESE = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
# Options that depend on the machine, and names that are the same in every language.
UNTRANSLATED = {
    "model",
    "backbone",
    "folder",
    "file",
    "format",
    "sampler_name",
    "scheduler",
    "start_file",
    "text_encoder",
}
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")


def described(schema: Any) -> dict[str, Any]:
    """What saved workflows depend on, as schemas.json has it."""

    def widget(socket: Any) -> str:
        options = socket.id not in UNTRANSLATED and getattr(socket, "options", None)
        default = getattr(socket, "default", None)
        parts = [
            f"{socket.id}{'?' if socket.optional else ''}: {socket.get_io_type()}",
            f"= {default}" if default not in (None, "") else "",
            f"[{', '.join(options)}]" if options else "",
            "advanced" if (socket.extra_dict or {}).get("advanced") else "",
            "randomised" if getattr(socket, "control_after_generate", False) else "",
        ]
        return " ".join(part for part in parts if part)

    return {
        "inputs": [widget(socket) for socket in schema.inputs],
        "outputs": [f"{s.id}: {s.io_type}{' list' if s.is_output_list else ''}" for s in schema.outputs],
        "takes lists": schema.is_input_list,
        "output node": schema.is_output_node,
    }


def test_every_node_has_a_help_page_and_every_page_a_node(pack: Pack) -> None:
    assert sorted(pack.ids) == IDS == sorted(CHINESE) == sorted(RECORDED)


def test_the_english_names_are_those_of_the_schemas(pack: Pack) -> None:
    assert ENGLISH.read_text(encoding="utf-8") == as_text(english_names(map(pack.schema, pack.ids))), (
        "the schemas have changed: run python scripts/make_locales.py"
    )


@pytest.mark.parametrize("node", IDS)
class TestNode:
    @pytest.fixture
    def schema(self, pack: Pack, folders: Folders, node: str) -> Any:
        return pack.schema(node)

    def test_ids_types_defaults_and_their_order_are_for_ever(self, schema: Any, node: str) -> None:
        assert described(schema) == RECORDED[node]

    def test_everything_is_described(self, pack: Pack, schema: Any, node: str) -> None:
        sockets = [*schema.inputs, *schema.outputs]
        assert schema.description
        assert all(socket.tooltip for socket in sockets)
        assert [socket.id for socket in sockets if "_" in (socket.display_name or socket.id)] == []
        assert len({socket.id for socket in sockets}) == len(sockets), "inputs and outputs share no id"
        assert schema.search_aliases
        assert len(set(schema.search_aliases)) == len(schema.search_aliases)
        assert pack.node(node).GET_NODE_INFO_V1()["search_aliases"] == schema.search_aliases

    def test_the_chinese_names_have_every_key_and_no_other(self, schema: Any, node: str) -> None:
        told = CHINESE[node]
        assert set(told) == {"display_name", "description", "inputs", "outputs"}
        assert list(told["inputs"]) == [socket.id for socket in schema.inputs]
        assert list(told["outputs"]) == [str(i) for i in range(len(schema.outputs))]
        for entry in [*told["inputs"].values(), *told["outputs"].values()]:
            assert set(entry) - {"options"} == {"name", "tooltip"}
            assert all(entry.values())
        assert {name: set(entry.get("options", ())) for name, entry in told["inputs"].items()} == {
            socket.id: set(getattr(socket, "options", None) or ()) if socket.id not in UNTRANSLATED else set()
            for socket in schema.inputs
        }

    def test_the_help_pages_name_every_input_and_output(self, schema: Any, node: str) -> None:
        english, told = (DOCS / f"{node}.md").read_text(encoding="utf-8"), CHINESE[node]
        assert english.startswith(f"# {schema.display_name}\n")
        for socket in [*schema.inputs, *schema.outputs]:
            assert re.search(rf"\*{re.escape(socket.display_name or socket.id)}\*", english), socket.id
        (picture,) = PICTURE.findall(english)
        assert (DOCS / picture).is_file()
        chinese = (DOCS / node / "zh.md").read_text(encoding="utf-8")
        assert chinese.startswith(f"# {told['display_name']}\n")
        for entry in [*told["inputs"].values(), *told["outputs"].values()]:
            assert f"**{entry['name']}**" in chinese
        assert PICTURE.findall(chinese) == [picture]

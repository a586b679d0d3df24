"""Every node has its help page, its Chinese names, a tooltip everywhere, and no id twice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
IDS = sorted(path.stem for path in (ROOT / "nodes" / "web" / "docs").glob("*.md"))


def test_every_node_has_a_help_page_and_every_page_a_node(pack: Any) -> None:
    assert sorted(pack.ids) == IDS


@pytest.mark.parametrize("node", IDS)
class TestNode:
    def test_everything_has_a_tooltip(self, pack: Any, node: str) -> None:
        schema = pack.schema(node)
        assert schema.description
        assert all(socket.tooltip for socket in [*schema.inputs, *schema.outputs])

    def test_inputs_and_outputs_share_no_id(self, pack: Any, node: str) -> None:
        schema = pack.schema(node)
        ids = [socket.id for socket in [*schema.inputs, *schema.outputs]]
        assert len(ids) == len(set(ids))

    def test_the_help_page_names_every_input_and_output(self, pack: Any, node: str) -> None:
        text = (ROOT / "nodes" / "web" / "docs" / f"{node}.md").read_text(encoding="utf-8")
        schema = pack.schema(node)
        assert text.startswith(f"# {schema.display_name}\n")
        for socket in [*schema.inputs, *schema.outputs]:
            assert f"**{socket.display_name or socket.id}**" in text or f"*{socket.display_name}*" in text, (
                socket.id
            )
        (picture,) = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
        assert (ROOT / "nodes" / "web" / "docs" / picture).is_file()

    def test_the_chinese_translation_is_whole(self, pack: Any, node: str) -> None:
        told = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))[node]
        schema = pack.schema(node)
        assert told["display_name"]
        assert list(told["inputs"]) == [socket.id for socket in schema.inputs]
        assert list(told["outputs"]) == [str(i) for i in range(len(schema.outputs))]
        for entry in [*told["inputs"].values(), *told["outputs"].values()]:
            assert entry["name"]
            assert entry["tooltip"]

    def test_the_chinese_help_page_names_every_input_and_output(self, pack: Any, node: str) -> None:
        told = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))[node]
        text = (ROOT / "nodes" / "web" / "docs" / node / "zh.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {told['display_name']}\n")
        for entry in [*told["inputs"].values(), *told["outputs"].values()]:
            assert f"**{entry['name']}**" in text
        english = (ROOT / "nodes" / "web" / "docs" / f"{node}.md").read_text(encoding="utf-8")
        pictures = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
        assert pictures.findall(text) == pictures.findall(english)

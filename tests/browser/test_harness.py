"""The page driver and the maker of workflow files, where no other test would fail with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from browser_support.make_workflow import LayoutError, pack_version, write_workflow
from browser_support.page import ComfyPage, OpenPage
from browser_support.panels import TOAST, close_dialogs, missing_nodes_dialog, open_dialogs, open_help
from browser_support.pictures import near, node_image, node_screenshot, screenshot, shown_picture
from PIL import Image

Json = dict[str, Any]

PROMPT: Json = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 320, "height": 200, "batch_size": 1, "color": 0x3366CC},
        "_meta": {"title": "A blue picture"},
    },
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    "3": {"class_type": "GANRMHarness", "inputs": {"images": ["1", 0], "text": "", "seed": 7}},
}
BLUE, GREEN = (0x33, 0x66, 0xCC), (0x22, 0xAA, 0x44)
LAYOUT: Json = {
    "nodes": {
        "1": {"pos": [0, 60], "size": [270, 130]},
        "2": {"pos": [340, 60], "size": [300, 260], "title": "What comes out", "color": "green"},
        "3": {"pos": [340, 400], "size": [300, 420], "color": "#223333"},
    },
    "notes": [{"title": "Note", "text": "# Read me\n\nPress **Run**.", "pos": [0, 260], "size": [270, 140]}],
    "groups": [{"title": "Outputs", "nodes": ["2", "3"], "color": "#3f789e"}],
}
UNKNOWN: Json = {
    "last_node_id": 1,
    "last_link_id": 0,
    "nodes": [
        {"id": 1, "type": "GANRMNeverWritten", "pos": [100, 100], "size": [200, 100], "flags": {}, "order": 0,
         "mode": 0, "inputs": [], "outputs": [], "properties": {"cnr_id": "gan-rm"}, "widgets_values": []}
    ],
    "links": [], "groups": [], "config": {}, "extra": {}, "version": 0.4,
}  # fmt: skip


@pytest.fixture
def workflow(page: ComfyPage, tmp_path: Path) -> Path:
    """The prompt above as a workflow file made by this page."""
    return write_workflow(page, "first", PROMPT, LAYOUT, tmp_path)[0]


@pytest.mark.parametrize("nodes", ["classic", "vue"])
def test_pictures_of_nodes_and_of_the_graph_are_those_of_the_latest_run(
    open_comfy: OpenPage, workflow: Path, nodes: str, tmp_path: Path
) -> None:
    with open_comfy(nodes=nodes, pixel_ratio=2) as fresh:
        if nodes == "vue" and fresh.older_than(1, 28):
            pytest.skip("page 1.27 has only a first sketch of DOM nodes: it crops their pictures")
        fresh.drop_file(workflow)
        for number, colour in ((0x3366CC, BLUE), (0x22AA44, GREEN)):
            fresh.set_widget(1, "color", number)
            fresh.run_and_wait()
            assert node_image(fresh, 2).size == (320, 200)
            for picture in (node_image(fresh, 2), shown_picture(fresh, 2)):
                assert share_of(picture, colour) > 0.9
            assert share_of(node_screenshot(fresh, 2), colour) > 0.2
        assert share_of(screenshot(fresh, tmp_path / "whole.png", width=2000), GREEN) > 0.02


def test_an_unknown_node_is_reported(page: ComfyPage, tmp_path: Path) -> None:
    path = tmp_path / "unknown.json"
    path.write_text(json.dumps(UNKNOWN), encoding="utf-8")
    page.drop_file(path)
    assert "GANRMNeverWritten" in missing_nodes_dialog(page)
    close_dialogs(page)
    assert open_dialogs(page) == ""
    page.console.clear()  # the page's own warning


def test_a_notice_nobody_asked_for_fails_the_test(open_comfy: OpenPage) -> None:
    with pytest.raises(AssertionError, match=r"(?s)Fire.*Burnt"):
        _show_a_toast_and_an_alert(open_comfy)


def _show_a_toast_and_an_alert(open_comfy: OpenPage) -> None:
    """The toast is gone again when the page closes."""
    with open_comfy() as page:
        page.raw.evaluate("app.extensionManager.toast.add({severity: 'warn', summary: 'Burnt', life: 500})")
        page.raw.locator(TOAST).first.wait_for()
        page.raw.locator(TOAST).first.wait_for(state="detached")
        page.raw.evaluate("alert('Fire')")


def test_help_shows_the_page_and_finds_lost_pictures(page: ComfyPage) -> None:
    found = open_help(page, "GANRMHarness")
    assert "A help page" in found.text
    assert found.pictures == 2
    assert [address.rpartition("/")[2] for address in found.broken_pictures] == ["gone.png"]
    (complaint,) = page.console.mentioning("gone")
    assert complaint.where.endswith("gone.png")
    page.console.clear()


def test_workflow_files_are_the_same_every_time_and_say_what_the_layout_says(
    page: ComfyPage, workflow: Path, tmp_path: Path
) -> None:
    made = [workflow, workflow.parent / "api" / workflow.name]
    again = write_workflow(page, "first", PROMPT, LAYOUT, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]
    graph, api = (json.loads(path.read_text(encoding="utf-8")) for path in made)
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert list(nodes) == [1, 2, 3, 4]
    assert [nodes[1]["title"], nodes[2]["title"]] == ["A blue picture", "What comes out"]
    assert (nodes[3]["pos"], nodes[3]["size"]) == ([340, 400], [300, 420])
    assert nodes[3]["widgets_values"] == ["", 7, "fixed"]
    assert nodes[3]["properties"]["cnr_id"] == "gan-rm"
    assert nodes[3]["properties"]["ver"] == pack_version()
    assert nodes[4]["type"] == "MarkdownNote"
    assert "Press **Run**" in nodes[4]["widgets_values"][0]
    assert [group["title"] for group in graph["groups"]] == ["Outputs"]
    assert {key: node["inputs"] for key, node in api.items()} == {
        key: node["inputs"] for key, node in PROMPT.items()
    }


def test_a_layout_that_does_not_fit_lists_all_its_faults(page: ComfyPage, tmp_path: Path) -> None:
    nodes = {"1": {"pos": [0, 0], "size": [10, 10]}, "2": {"pos": [20, 0]}, "9": {}}
    with pytest.raises(LayoutError) as caught:
        write_workflow(page, "bad", PROMPT, {"nodes": nodes}, tmp_path)
    for fault in ("size 10,10 is less", "names node 9", "gives node 3 no pos", "overlap"):
        assert fault in str(caught.value)


def share_of(picture: Image.Image, colour: tuple[int, int, int]) -> float:
    return float(near(picture, colour, 6).mean())

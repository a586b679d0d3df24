"""The page driver and the maker of workflow files, tried on core nodes and a pack of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_support.make_workflow import LayoutError, make_workflow, pack_version, write_workflow
from browser_support.page import ComfyPage, OpenPage, RunFailedError, RunRefusedError
from browser_support.panels import (
    TOAST,
    close_dialogs,
    error_text,
    missing_nodes_dialog,
    open_dialogs,
    open_help,
    open_template,
    open_templates,
)
from browser_support.pictures import (
    node_image,
    node_screenshot,
    previews_seen,
    screenshot,
    shown_picture,
    wait_preview,
    watch_previews,
)
from host_support.server import Server
from PIL import Image, ImageStat

Json = dict[str, Any]

PROMPT: Json = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 320, "height": 200, "batch_size": 1, "color": 0x3366CC},
        "_meta": {"title": "A blue picture"},
    },
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    "3": {"class_type": "GANRMHarness", "inputs": {"images": ["1", 0], "steps": 5, "error": "", "seed": 7}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "saved"}},
}
BLUE = (0x33, 0x66, 0xCC)
RED = (255, 0, 0)
LAYOUT: Json = {
    "nodes": {
        "1": {"pos": [0, 60], "size": [270, 130]},
        "2": {"pos": [340, 60], "size": [300, 260], "title": "What comes out", "color": "green"},
        "3": {"pos": [340, 400], "size": [300, 420]},
        "4": {"pos": [720, 60], "size": [320, 320], "color": "#223333"},
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
def test_a_dropped_workflow_runs_and_shows_its_pictures(
    open_comfy: OpenPage, page: ComfyPage, workflow: Path, nodes: str, tmp_path: Path
) -> None:
    if nodes == "vue" and page.version.startswith("1.27."):
        pytest.skip("page 1.27 has only a first sketch of DOM nodes: it crops their pictures")
    with open_comfy(nodes=nodes, pixel_ratio=2) as fresh:
        fresh.drop_file(workflow)
        assert missing_nodes_dialog(fresh) == ""
        assert open_dialogs(fresh) == ""
        assert same_prompt(fresh.graph()["output"], PROMPT)

        # A node served from the cache sends no previews.
        fresh.set_widget(3, "seed", {"classic": 1, "vue": 2}[nodes])
        watch_previews(fresh, 3)
        prompt_id = fresh.run()
        assert colour(wait_preview(fresh, 3))[1:] == pytest.approx(RED[1:], abs=8)
        fresh.wait_done(prompt_id)

        assert node_image(fresh, 2).size == (320, 200)
        assert colour(node_image(fresh, 2)) == pytest.approx(BLUE, abs=2)
        assert colour(shown_picture(fresh, 2)) == pytest.approx(BLUE, abs=3)
        reds = [colour(preview)[0] for preview in previews_seen(fresh, 3)]
        assert len(reds) > 1
        assert reds == sorted(reds)
        # A node that sent previews keeps the last one.
        assert colour(node_image(fresh, 3)) == pytest.approx(RED, abs=3)
        assert colour(shown_picture(fresh, 3)) == pytest.approx(RED, abs=4)

        whole = screenshot(fresh, tmp_path / "whole.png")
        assert share_of(whole, BLUE) > 0.02
        assert share_of(whole, RED) > 0.02
        assert share_of(node_screenshot(fresh, 2), BLUE) > 0.2
        assert screenshot(fresh, tmp_path / "window.png", chrome=True).size == (3200, 2000)
        assert fresh.console.unexpected() == []


def test_a_second_run_shows_its_own_picture(page: ComfyPage, workflow: Path) -> None:
    page.drop_file(workflow)
    page.run_and_wait()
    page.set_widget(1, "color", 0x22AA44)
    page.run_and_wait()
    assert colour(node_image(page, 2)) == pytest.approx((0x22, 0xAA, 0x44), abs=2)
    assert colour(node_image(page, 4)) == pytest.approx((0x22, 0xAA, 0x44), abs=2)


def test_a_saved_picture_opens_its_graph(page: ComfyPage, workflow: Path, page_server: Server) -> None:
    page.drop_file(workflow)
    page.run_and_wait()
    made = page.graph()
    saved = max(page_server.folder("output").glob("saved_*.png"))
    page.raw.evaluate("app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    page.raw.wait_for_function("app.graph._nodes.length === 0")
    page.drop_file(saved)
    assert page.graph()["output"] == made["output"]
    assert len(page.graph()["workflow"]["nodes"]) == 5


def test_an_unknown_node_is_reported(page: ComfyPage, tmp_path: Path) -> None:
    path = tmp_path / "unknown.json"
    path.write_text(json.dumps(UNKNOWN), encoding="utf-8")
    page.drop_file(path)
    assert "GANRMNeverWritten" in missing_nodes_dialog(page)
    close_dialogs(page)
    assert open_dialogs(page) == ""
    page.console.clear()  # the page's own warning


def test_a_failing_node_is_shown_with_its_message(page: ComfyPage, workflow: Path) -> None:
    page.drop_file(workflow)
    page.set_widget(3, "error", "look in models/ganrm")
    with pytest.raises(RunFailedError, match="look in models/ganrm"):
        page.run_and_wait()
    assert "look in models/ganrm" in error_text(page)


def test_a_prompt_the_server_refuses_says_why(page: ComfyPage, workflow: Path) -> None:
    page.drop_file(workflow)
    page.raw.evaluate("__harness.node(2).disconnectInput(0)")
    page.raw.evaluate("__harness.node(3).disconnectInput(0)")
    with pytest.raises(RunRefusedError, match=r"required_input_missing|no_outputs|failed validation"):
        page.run()
    assert error_text(page)
    page.console.clear()


def test_a_notice_nobody_asked_for_fails_the_test(open_comfy: OpenPage) -> None:
    with pytest.raises(AssertionError, match=r"(?s)Fire.*Burnt"):
        _show_a_toast_and_an_alert(open_comfy)


def _show_a_toast_and_an_alert(open_comfy: OpenPage) -> None:
    """The toast is gone again when the page closes."""
    with open_comfy() as page:
        assert page.unexpected_notices() == []
        page.raw.evaluate("app.extensionManager.toast.add({severity: 'warn', summary: 'Burnt', life: 500})")
        page.raw.locator(TOAST).first.wait_for()
        page.raw.locator(TOAST).first.wait_for(state="detached")
        page.raw.evaluate("alert('Fire')")


def test_a_notice_that_was_asked_for_is_fine(page: ComfyPage) -> None:
    page.raw.evaluate("app.extensionManager.toast.add({severity: 'warn', summary: 'Burnt', life: 9000})")
    page.raw.locator(TOAST).first.wait_for()
    assert len(page.unexpected_notices()) == 1
    page.expect_notices(TOAST)
    assert page.unexpected_notices() == []


def test_help_shows_the_page_and_finds_lost_pictures(page: ComfyPage, workflow: Path, tmp_path: Path) -> None:
    page.drop_file(workflow)
    found = open_help(page, "GANRMHarness", tmp_path / "help.png")
    assert "A help page" in found.text
    assert found.pictures == 2
    assert [address.rpartition("/")[2] for address in found.broken_pictures] == ["gone.png"]
    assert Image.open(tmp_path / "help.png").width > 100
    assert [complaint.where.rpartition("/")[2] for complaint in page.console.mentioning(["gone"])] == [
        "gone.png"
    ]
    page.console.clear()


def test_templates_of_a_pack_are_listed_and_open(page: ComfyPage) -> None:
    templates = open_templates(page, "harness_pack")
    assert [(t.name, t.thumbnail_loaded) for t in templates] == [("first", True)]
    open_template(page, "first")
    assert [node["type"] for node in page.graph()["workflow"]["nodes"]] == ["Note"]


def test_workflow_files_are_the_same_every_time(page: ComfyPage, workflow: Path, tmp_path: Path) -> None:
    again = write_workflow(page, "first", PROMPT, LAYOUT, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [
        workflow.read_bytes(),
        (workflow.parent / "api" / workflow.name).read_bytes(),
    ]


def test_workflow_files_say_what_the_layout_says(workflow: Path) -> None:
    graph = json.loads(workflow.read_text(encoding="utf-8"))
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert list(nodes) == [1, 2, 3, 4, 5]
    assert [nodes[1]["title"], nodes[2]["title"]] == ["A blue picture", "What comes out"]
    assert nodes[4]["pos"] == [720, 60]
    assert nodes[4]["size"] == [320, 320]
    assert nodes[3]["widgets_values"] == [5, "", 7, "fixed"]
    assert nodes[3]["properties"]["cnr_id"] == "gan-rm"
    assert nodes[3]["properties"]["ver"] == pack_version()
    assert nodes[5]["type"] == "MarkdownNote"
    assert "Press **Run**" in nodes[5]["widgets_values"][0]
    assert [group["title"] for group in graph["groups"]] == ["Outputs"]
    assert same_prompt(
        json.loads((workflow.parent / "api" / "first.json").read_text(encoding="utf-8")), PROMPT
    )


def test_a_layout_that_does_not_fit_lists_all_its_faults(page: ComfyPage) -> None:
    nodes = {"1": {"pos": [0, 0], "size": [10, 10]}, "2": {"pos": [20, 0]}, "3": {"pos": [900, 0]}, "9": {}}
    with pytest.raises(LayoutError) as caught:
        make_workflow(page, "bad", PROMPT, {"nodes": nodes})
    for fault in ("size 10,10 is less", "names node 9", "gives node 4 no pos", "overlap"):
        assert fault in str(caught.value)


def same_prompt(made: Json, wanted: Json) -> bool:
    """Whether both have the same nodes, values and links; titles aside."""
    return {key: (node["class_type"], node["inputs"]) for key, node in made.items()} == {
        key: (node["class_type"], node["inputs"]) for key, node in wanted.items()
    }


def colour(picture: Image.Image) -> tuple[float, ...]:
    """Mean colour of the middle half: JPEG and scaling blur edges."""
    w, h = picture.size
    return tuple(ImageStat.Stat(picture.crop((w // 4, h // 4, 3 * w // 4, 3 * h // 4))).mean)


def share_of(picture: Image.Image, wanted: tuple[int, int, int]) -> float:
    """Share of the pixels within 6 of a colour."""
    distance = np.abs(np.asarray(picture, dtype=np.int16) - np.array(wanted, dtype=np.int16)).max(axis=-1)
    return float((distance <= 6).mean())

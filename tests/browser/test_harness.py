"""Page driver: trouble that the page shows is noticed, where no other test would fail with the driver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser_support.page import ComfyPage, OpenPage
from browser_support.panels import TOAST, close_dialogs, missing_nodes_dialog, open_dialogs


def test_an_unknown_node_is_reported(page: ComfyPage, tmp_path: Path) -> None:
    node = {
        "id": 1,
        "type": "GANRMNeverWritten",
        "pos": [100, 100],
        "size": [200, 100],
        "flags": {},
        "mode": 0,
    }
    node |= {
        "order": 0,
        "inputs": [],
        "outputs": [],
        "properties": {"cnr_id": "gan-rm"},
        "widgets_values": [],
    }
    graph = {"last_node_id": 1, "last_link_id": 0, "nodes": [node], "links": [], "groups": [], "version": 0.4}
    path = tmp_path / "unknown.json"
    path.write_text(json.dumps({**graph, "config": {}, "extra": {}}), encoding="utf-8")
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

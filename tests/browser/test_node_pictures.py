"""The picture a node shows at the end of a run, finished or stopped: one, large, and not looking alive."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from browser_support.page import ComfyPage, OpenPage
from browser_support.pictures import near, node_screenshot, wait_preview, watch_previews
from browser_support.shipped_workflows import GOLD, drop_shipped

Nodes = Literal["classic", "vue"]
PAGE, STOPPED_BAR = (24, 24, 25), (158, 158, 163)
TRAIN = "1 Train your taste"


def shown_once(page: ComfyPage, node_id: int) -> tuple[int, int, int, int]:
    """Where the node's only picture lies in a screenshot of the node: left, top, right, bottom of its dark ground."""
    page.raw.wait_for_timeout(1000)  # the page takes up to 0.4 s to drop what it no longer shows
    dark = near(node_screenshot(page, node_id), PAGE, 3)
    rows = np.flatnonzero(dark.sum(axis=1) > 60)
    pieces = np.split(rows, np.flatnonzero(np.diff(rows) > 24) + 1)
    assert len(pieces) == 1, f"{len(pieces)} pictures below each other"
    columns = np.flatnonzero(dark[rows].any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


@pytest.mark.parametrize("nodes", ["classic", "vue"])
def test_a_result_after_live_pictures_is_shown_once_and_large(
    open_comfy: OpenPage, nodes: Nodes, tmp_path: Path
) -> None:
    with open_comfy(nodes=nodes) as page:
        _skip_if_unfinished(page, nodes)
        train = drop_shipped(page, TRAIN, tmp_path)["GANRMTrain"]
        for _ in range(2):  # the second time from the cache
            page.run_and_wait()
            left, _, right, _ = shown_once(page, train)
            assert right - left >= 380, "its smallest letters are too small to read"


@pytest.mark.parametrize("nodes", ["classic", "vue"])
def test_a_run_that_was_stopped_does_not_look_alive(
    open_comfy: OpenPage, nodes: Nodes, tmp_path: Path
) -> None:
    """The last picture of such a run has a grey bar, where one of a run that goes on has a golden one."""
    with open_comfy(nodes=nodes) as page:
        _skip_if_unfinished(page, nodes)
        train = drop_shipped(page, TRAIN, tmp_path)["GANRMTrain"]
        page.set_widget(train, "views", 16)
        page.set_widget(train, "seed", 1 + ["classic", "vue"].index(nodes))
        watch_previews(page, train)
        prompt = page.run()
        wait_preview(page, train)
        page.raw.wait_for_timeout(1500)
        page.raw.evaluate("app.api.interrupt()")
        assert page.wait_outcome(prompt, seconds=120)["type"] == "execution_interrupted"
        page.raw.wait_for_timeout(1000)
        picture = node_screenshot(page, train)
        page.expect_notices("*")
        page.console.clear()
    assert not near(picture, GOLD, 30).any()
    assert near(picture, STOPPED_BAR, 8).sum() > 100


def _skip_if_unfinished(page: ComfyPage, nodes: Nodes) -> None:
    if nodes == "vue" and page.older_than(1, 28):
        pytest.skip("this page's Nodes 2.0 crop pictures and do not keep to their size yet")

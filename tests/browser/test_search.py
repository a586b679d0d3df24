"""Search for nodes by artists' words: the box that a double-click opens, and the node library."""

from __future__ import annotations

import pytest
from browser_support.page import ComfyPage, OpenPage
from host_support.server import Server

_WORDS = [
    *("aesthetic", "rating", "rate", "quality", "judge", "taste", "score", "rank", "compare", "reward"),
    *("filter", "pick", "select", "choose", "best", "curate", "cull", "train"),
    *(
        "preference",
        "favorite",
        "favourite",
        "vlm",
        "best of n",
        "aesthetic score",
        "rank images",
        "filter images",
    ),
]
_FIRST_FEW = 4
_INPUT = ".comfy-vue-node-search-box input, .p-autocomplete input, [role=dialog] input[role=combobox]"
_FOUND = ".comfy-vue-node-search-box .option-display-name, #results-list [data-testid=result-item]"


@pytest.fixture
def ours(page_server: Server) -> set[str]:
    """Display names of the pack's nodes."""
    with page_server.client() as client:
        return {
            node["display_name"] for kind, node in client.object_info().items() if kind.startswith("GANRM")
        }


def test_artists_words_find_our_nodes(page: ComfyPage, ours: set[str]) -> None:
    _open_search(page)
    found = {word: _search(page, word) for word in _WORDS}
    missing = {
        word: names[:8] for word, names in found.items() if not ours & {*_first_few(names, word, ours)}
    }
    assert not missing
    assert found["taste"][0] in ours, found["taste"][:5]


def test_chinese_words_find_our_nodes(open_comfy: OpenPage) -> None:
    with open_comfy(locale="zh") as page:
        _open_search(page)
        for word in ("品味", "审美", "挑选", "筛选", "打分"):
            assert any("GAN-RM" in name for name in _search(page, word)[:_FIRST_FEW]), word


def test_core_nodes_are_found_as_before(page: ComfyPage) -> None:
    _open_search(page)
    assert "KSampler" in _search(page, "ksampler")[0]
    assert "Save Image" in _search(page, "save image")[0]
    assert "Train LoRA" in _search(page, "train")[0], "a word in a node's own name counts more"


def _first_few(names: list[str], word: str, ours: set[str]) -> list[str]:
    """The first few, not counting other nodes that have the word in their own name."""
    return [name for name in names if name in ours or word not in name.lower()][:_FIRST_FEW]


def _open_search(page: ComfyPage) -> None:
    page.raw.mouse.dblclick(900, 500)  # bare canvas
    page.raw.locator(_INPUT).first.wait_for()
    page.expect_notices(".p-dialog, [role=dialog]")


def _search(page: ComfyPage, word: str) -> list[str]:
    box = page.raw.locator(_INPUT).first
    box.fill(word)
    page.raw.wait_for_timeout(400)  # the box waits for the next letter
    return [text.split("\n")[0].strip() for text in page.raw.locator(_FOUND).all_inner_texts()]

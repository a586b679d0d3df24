"""Dialogs, errors, help panel and template browser of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from .page import ComfyPage

# Page 1.27 opens dialogs; page 1.58 an overlay that names the trouble and a side panel with the details.
_DIALOG = ".p-dialog"
_OVERLAY = "[data-testid=error-overlay]"
_ISSUES = "[data-testid=properties-panel]"
_MISSING = ".p-dialog:has(.comfy-missing-nodes), [data-testid=missing-node-card]"
TOAST = ".p-toast-message, [data-testid=toast]"
"""CSS selector of the short messages at the window's rim."""

_HELP = ".node-help-content:visible"
_CARDS = "[data-testid^=template-workflow-]"
_NOT_CARDS = ("template-workflow-detail", "template-workflows-content")


@dataclass(frozen=True)
class Help:
    """A node's help page as shown: its text, and the addresses of pictures in it that did not load."""

    text: str
    pictures: int
    broken_pictures: list[str]


@dataclass(frozen=True)
class Template:
    name: str
    title: str
    thumbnail_loaded: bool


_CLICK_SHOWS_WITHIN_MS = 2000
_CARDS_FOLLOW_WITHIN_MS = 1000


def missing_nodes_dialog(page: ComfyPage) -> str:
    """What the page says about nodes it does not know in the open workflow; empty when it is content."""
    page.raw.evaluate("__harness.frames(10)")
    if page.raw.evaluate(_UNKNOWN):
        page.raw.locator(f"{_MISSING}, {_OVERLAY}:visible").first.wait_for(state="attached", timeout=5000)
    # The overlay names a single node; of several only the details do, and those are folded.
    overlay = _texts(_visible(page, _OVERLAY)) if page.raw.evaluate(_UNKNOWN) else ""
    _open_details(page)
    page.expect_notices(f"{_MISSING}, {_OVERLAY}")
    for fold in page.raw.locator("[data-testid=missing-node-pack-expand][aria-expanded=false]").all():
        fold.click()
    return "\n".join(filter(None, (overlay, _texts(page.raw.locator(_MISSING)))))


def error_text(page: ComfyPage) -> str:
    """The text of the error dialog, once it comes; page 1.58 shows a node's own message only among the details."""
    _visible(page, _DIALOG, _OVERLAY).first.wait_for(timeout=5000)
    page.expect_notices(f"{_DIALOG}, {_OVERLAY}")
    overlay = _texts(_visible(page, _OVERLAY))
    _open_details(page)
    return "\n".join(filter(None, (overlay, _texts(_visible(page, _DIALOG, _ISSUES)))))


def open_dialogs(page: ComfyPage) -> str:
    """The text of whatever stands in front of the graph now; empty when nothing does."""
    return _texts(_visible(page, _DIALOG, _OVERLAY, "[role=dialog]"))


def close_dialogs(page: ComfyPage) -> None:
    for selector in (".p-dialog-close-button:visible", "[data-testid=error-overlay-dismiss]:visible"):
        for button in reversed(page.raw.locator(selector).all()):
            button.click()
    if page.raw.locator("[role=dialog]:visible").count():
        page.raw.keyboard.press("Escape")
    page.raw.wait_for_function("!document.querySelector('.p-dialog, [data-testid=error-overlay]')")


def open_help(page: ComfyPage, node_type: str) -> Help:
    """Open a node's help as an artist does: select it (added if there is none), press the info button above it."""
    node_id = page.raw.evaluate(_FIND_OR_ADD, node_type)
    frame = "{x: 700, y: 200, width: 500, height: 600}"
    page.raw.evaluate(f"async id => __harness.show(__harness.nodeBounds(id), {frame}, 1)", node_id)
    page.raw.evaluate("id => __harness.select(id)", node_id)
    page.raw.get_by_test_id("info-button").click()
    content = page.raw.locator(_HELP).first
    content.wait_for()
    page.raw.wait_for_function(_HELP_READY)
    # Pictures far down load only when they come into view.
    for picture in content.locator("img").all():
        picture.scroll_into_view_if_needed()
    page.raw.wait_for_function(f"{_HELP_PICTURES}.every((img) => img.complete)")
    broken = page.raw.evaluate(f"{_HELP_PICTURES}.filter((img) => !img.naturalWidth).map((img) => img.src)")
    return Help(content.inner_text(), content.locator("img").count(), broken)


def open_templates(page: ComfyPage, pack: str) -> list[Template]:
    """Open the template browser at the pack's own entry (`pack`: its folder's name) and list what it offers."""
    page.raw.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    dialog = page.raw.get_by_role("dialog")
    dialog.first.wait_for()
    page.expect_notices("[role=dialog]")
    dialog.get_by_text(pack, exact=True).first.click()
    # The cards of the entry before are replaced a moment later.
    page.raw.wait_for_function(
        "() => !document.querySelector('[data-testid=template-workflow-default]')"
        f" && document.querySelector('{_CARDS} img')"
    )
    _scroll_to_last_card(dialog.locator(_CARDS))
    return [_template(card) for card in dialog.locator(_CARDS).all() if _test_id(card) not in _NOT_CARDS]


def open_template(page: ComfyPage, name: str) -> None:
    """Click a card of the open template browser and wait for its graph.

    Page 1.27 may lose a click while its dialog still comes up; one does then as a person would and clicks again.
    """
    before = page.raw.evaluate("__harness.opened()")
    card = page.raw.get_by_test_id(f"template-workflow-{name}").first
    card.click()
    page.raw.wait_for_timeout(_CLICK_SHOWS_WITHIN_MS)
    if page.raw.evaluate("__harness.opened()") == before and card.is_visible():
        card.click()
    page.wait_opened(before)


def skip_tour(page: ComfyPage) -> None:
    """Close the tour that pages from 1.48 on offer whoever opens an app for the first time."""
    skip = page.raw.get_by_role("button", name="Skip", exact=True)
    skip.wait_for()
    page.expect_notices("[role=dialog]")
    skip.click()


def _open_details(page: ComfyPage) -> None:
    details = page.raw.get_by_test_id("error-overlay-see-errors")
    if details.count():
        details.first.click()
        _visible(page, _ISSUES).first.wait_for()
        before = ""
        for _ in range(20):  # they fill in bit by bit
            page.raw.evaluate("__harness.frames(10)")
            if (now := _texts(_visible(page, _ISSUES))) == before:
                break
            before = now


def _scroll_to_last_card(cards: Locator) -> None:
    """Page 1.27 shows twelve cards, and more as one scrolls down."""
    shown = 0
    while cards.count() > shown:
        shown = cards.count()
        cards.last.scroll_into_view_if_needed()
        cards.page.wait_for_timeout(_CARDS_FOLLOW_WITHIN_MS)


def _visible(page: ComfyPage, *selectors: str) -> Locator:
    return page.raw.locator(", ".join(f"{selector}:visible" for selector in selectors))


def _texts(found: Locator) -> str:
    return "\n".join(element.inner_text() for element in found.all())


def _template(card: Locator) -> Template:
    # A picture far down has no size until it loads, and loads only when its card comes into view.
    card.scroll_into_view_if_needed()
    picture = card.locator("img").first
    picture.wait_for(state="visible")
    loaded = picture.evaluate(
        "async (img) => { await img.decode().catch(() => {}); return img.complete && img.naturalWidth > 0 }"
    )
    title = card.inner_text().strip().removeprefix("Node graph").strip().split("\n")[0]
    return Template(_test_id(card).removeprefix("template-workflow-"), title, bool(loaded))


def _test_id(card: Locator) -> str:
    return cast(str, card.get_attribute("data-testid"))


_UNKNOWN = "__harness.unknownNodes().length > 0"

_HELP_PICTURES = "[...document.querySelectorAll('.node-help-content img')]"

# The text comes after the panel, from a file of the pack.
_HELP_READY = """() => [...document.querySelectorAll(".node-help-content")].some(
  (e) => e.offsetParent && e.innerText.trim() && !e.querySelector(".p-progressspinner"))"""

_FIND_OR_ADD = """(type) => {
  const found = app.graph._nodes.find((n) => n.type === type);
  if (found) return String(found.id);
  const made = LiteGraph.createNode(type);
  if (!made) throw new Error(`the page knows no node ${type}`);
  app.graph.add(made);
  return String(made.id);
}"""

"""*Train your taste (App)*: its settings without the graph where the page has apps, an ordinary workflow elsewhere."""

from __future__ import annotations

from browser_support.page import ComfyPage, OpenPage
from browser_support.panels import open_template, open_templates
from browser_support.shipped_workflows import APP, WORKFLOWS
from host_support.server import PACK_FOLDER, Server

_SETTINGS = ["Pictures you like", "Ordinary pictures", "Name of your taste"]
_LABELS = "[data-testid=linear-widgets] [data-testid=builder-widget-label]"
_RESULT = "[data-testid=linear-center-panel] img[src*='/view']"


def test_a_taste_is_trained_without_the_graph(page: ComfyPage, page_server: Server) -> None:
    page.drop_file(WORKFLOWS / f"{APP}.json")
    if _has_apps(page):
        assert page.raw.locator(_LABELS).all_inner_texts() == _SETTINGS
        page.raw.get_by_test_id("linear-widgets").get_by_role("textbox").last.fill("my_app_taste")
    else:
        assert page.raw.locator(_LABELS).count() == 0
        page.set_widget(1, "value", "my_app_taste")
    page.run_and_wait()
    assert list(page_server.folder("models", "ganrm").glob("my_app_taste*.safetensors"))
    if _has_apps(page):
        picture = page.raw.locator(_RESULT).last
        picture.wait_for()
        wide, high = picture.evaluate(
            "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
        )
        assert wide > 500
        assert high < 1.5 * wide  # the node's card, not the long report


def test_the_template_opens_as_an_app_and_its_graph_can_be_shown(open_comfy: OpenPage) -> None:
    with open_comfy(nodes="vue") as page:
        open_templates(page, PACK_FOLDER)
        open_template(page, APP)
        if _has_apps(page):
            assert page.raw.locator(_LABELS).all_inner_texts() == _SETTINGS
            page.raw.locator("[aria-label='Enter node graph']:visible").click()
            page.raw.get_by_text("Put pictures you like into").first.wait_for()
        else:  # Page 1.27 has no Nodes 2.0: the text of a note is drawn, or in a text box.
            notes = [
                node["widgets_values"] for node in page.graph()["workflow"]["nodes"] if "Note" in node["type"]
            ]
            assert any("Put pictures you like into" in text for note in notes for text in note), notes


def _has_apps(page: ComfyPage) -> bool:
    return not page.older_than(1, 41)

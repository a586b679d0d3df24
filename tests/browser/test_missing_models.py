"""A shipped workflow on a ComfyUI that lacks its checkpoint: the page names the file and where it comes from."""

from __future__ import annotations

from browser_support.page import OpenPage
from browser_support.panels import close_dialogs, error_text
from browser_support.shipped_workflows import WORKFLOWS
from host_support.server import Server, link


def test_a_missing_checkpoint_is_offered(open_comfy: OpenPage, page_server: Server) -> None:
    checkpoint = page_server.folder("models", "checkpoints", "sd_xl_base_1.0.safetensors")
    original = checkpoint.resolve()
    checkpoint.unlink()
    try:
        with open_comfy(untouched=True) as page:
            page.drop_file(WORKFLOWS / "2 Best 4 of 16.json")
            said = error_text(page)
            close_dialogs(page)
    finally:
        link(original, checkpoint)
    assert checkpoint.name in said
    assert "Download" in said

"""ComfyUI's web server, where there is one: other runtimes run nodes without."""

from __future__ import annotations

import sys
from typing import Any


def running_server() -> Any | None:
    """The `PromptServer` that serves the page; None where there is none, or a stand-in that answers nobody."""
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    return server if hasattr(server, "app") else None

"""ComfyUI's web server, if one is running: other runtimes execute nodes without it."""

from __future__ import annotations

import sys
from typing import Any


def running_server() -> Any | None:
    """The running `PromptServer`; None if there is none, or only a stub without an app."""
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    return server if hasattr(server, "app") else None

"""ComfyUI entry point of the node pack. Imports nothing until ComfyUI asks for the nodes."""

from __future__ import annotations

from typing import Any

WEB_DIRECTORY = "./nodes/web"


async def comfy_entrypoint() -> Any:
    """Return the extension. ComfyUI calls this once, at its start."""
    from .nodes.extension import start

    return start()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]

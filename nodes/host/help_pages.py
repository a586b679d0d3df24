"""Help pages in the page's language, and in English where they are not translated.

A page asks for docs/<node>/<locale>.md and, after an error in its console, for docs/<node>.md. Here the first question
has an answer in every language.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .running_server import running_server

_PACK = Path(__file__).parents[2]
_DOCS = _PACK / "nodes" / "web" / "docs"
_NODE = "GANRM[A-Za-z]+"
_LOCALE = "[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*"


def serve() -> None:
    """To be called once, while ComfyUI loads its nodes."""
    server = running_server()
    if server is None:
        return
    from aiohttp import web  # the server's own

    async def answer(request: Any) -> Any:
        return web.FileResponse(help_page(**request.match_info))

    path = f"/extensions/{_PACK.name}/docs/{{node:{_NODE}}}/{{locale:{_LOCALE}}}.md"
    server.routes.get(path)(answer)


def help_page(node: str, locale: str) -> Path:
    """The file to show; it need not exist for a node that is none of ours."""
    translated = _DOCS / node / f"{locale}.md"
    return translated if translated.is_file() else _DOCS / f"{node}.md"

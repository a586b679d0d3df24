"""HTTP route for help pages: the requested locale, or English where there is no translation.

The page requests docs/<node>/<locale>.md, and docs/<node>.md only after logging a 404. This route answers the first
request in every locale.
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
    """Register the route. To be called once, while ComfyUI loads its nodes."""
    server = running_server()
    if server is None:
        return
    from aiohttp import web  # the server's own

    async def answer(request: Any) -> Any:
        return web.FileResponse(help_page(**request.match_info))

    path = f"/extensions/{_PACK.name}/docs/{{node:{_NODE}}}/{{locale:{_LOCALE}}}.md"
    server.routes.get(path)(answer)


def help_page(node: str, locale: str) -> Path:
    """The file to serve; it need not exist for a node of another pack."""
    translated = _DOCS / node / f"{locale}.md"
    return translated if translated.is_file() else _DOCS / f"{node}.md"

"""Routes that tell tests what is alive in the server: objects, threads, modules, and what the echoes got."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from typing import Any

import server
from aiohttp import web

from . import ends

Json = dict[str, Any]


def add() -> None:
    """Registers POST /probe/gc and GET and DELETE /probe/echo."""
    routes = server.PromptServer.instance.routes
    routes.post("/probe/gc")(_gc)
    routes.get("/probe/echo")(_echo)
    routes.delete("/probe/echo")(_forget)


def end_with_parent() -> None:
    """The server ends when the tests that started it do, even if they were killed and could not stop it."""
    parent = os.environ.get("HOST_TEST_PARENT")
    if parent is None or os.name != "posix":
        return
    threading.Thread(target=_watch, args=(int(parent),), name="probe-watch", daemon=True).start()


async def _gc(request: web.Request) -> web.Response:
    asked: Json = await request.json()
    return web.json_response(_alive(asked.get("classes", []), asked.get("modules", [])))


async def _echo(_: web.Request) -> web.Response:
    return web.json_response(ends.records)


async def _forget(_: web.Request) -> web.Response:
    ends.records.clear()
    return web.json_response({})


def _alive(classes: list[str], modules: list[str]) -> Json:
    """classes: ends of `module.Class` names to count live objects of. modules: beginnings of module names to list."""
    for _ in range(3):  # what a first round frees may hold what only a second one reaches
        gc.collect()
    counts = dict.fromkeys(classes, 0)
    for each in gc.get_objects():
        kind = type(each)
        name = f"{kind.__module__}.{kind.__qualname__}"
        for wanted in classes:
            counts[wanted] += name.endswith(wanted)
    return {
        "classes": counts,
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "modules": sorted(name for name in list(sys.modules) if name.startswith(tuple(modules)))
        if modules
        else [],
        "pid": os.getpid(),
    }


def _watch(parent: int) -> None:
    # Asked by number: what starts ComfyUI's Python may stand between the two.
    try:
        while True:
            os.kill(parent, 0)
            time.sleep(0.5)
    except ProcessLookupError:
        os._exit(1)

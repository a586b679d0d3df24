"""Probe routes: POST /probe/gc counts live objects by class, /probe/echo reads or clears what the echoes got."""

from __future__ import annotations

import gc
import os
import threading
import time
from typing import Any

import server
from aiohttp import web

from . import ends

Json = dict[str, Any]


def add() -> None:
    """Registers the routes with ComfyUI's server."""
    routes = server.PromptServer.instance.routes
    routes.post("/probe/gc")(_gc)
    routes.get("/probe/echo")(_echo)
    routes.delete("/probe/echo")(_forget)


def end_with_parent() -> None:
    """The server ends when the tests that started it do, even if they were killed and could not stop it."""
    parent = os.environ.get("HOST_TEST_PARENT")
    if parent is not None:
        threading.Thread(target=_watch, args=(int(parent),), name="probe-watch", daemon=True).start()


async def _gc(request: web.Request) -> web.Response:
    """Body: ends of `module.Class` names. Answer: how many objects of each are alive."""
    for _ in range(3):  # what a first round frees may hold what only a second one reaches
        gc.collect()
    counts: dict[str, int] = dict.fromkeys(await request.json(), 0)
    for each in gc.get_objects():
        name = f"{type(each).__module__}.{type(each).__qualname__}"
        for wanted in counts:
            counts[wanted] += name.endswith(wanted)
    return web.json_response(counts)


async def _echo(_: web.Request) -> web.Response:
    return web.json_response(ends.records)


async def _forget(_: web.Request) -> web.Response:
    ends.records.clear()
    return web.json_response({})


def _watch(parent: int) -> None:
    # Asked by number: what starts ComfyUI's Python may stand between the two.
    try:
        while True:
            os.kill(parent, 0)
            time.sleep(0.5)
    except ProcessLookupError:
        os._exit(1)

"""Probe routes: live objects by class (POST /probe/gc), memory in use (POST /probe/memory), what the echoes got."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from collections import Counter
from functools import cache
from typing import Any

import server
from aiohttp import web

from . import ends

Json = dict[str, Any]


def add() -> None:
    """Registers the routes with ComfyUI's server."""
    routes = server.PromptServer.instance.routes
    routes.post("/probe/gc")(_gc)
    routes.post("/probe/memory")(_memory)
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


async def _memory(_: web.Request) -> web.Response:
    """Frees garbage, and gives what the C heap does not use back to the system. Linux with glibc only.

    Answer: `heap` in use, in bytes; `blocks` of Python's allocator in use; `objects`: how many are alive, by `module.Class`.
    """
    for _round in range(3):
        gc.collect()
    libc = _libc()
    libc.malloc_trim(0)
    heap = libc.mallinfo2()
    counts = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    blocks = sys.getallocatedblocks()
    return web.json_response({"heap": heap.uordblks + heap.hblkhd, "blocks": blocks, "objects": counts})


async def _echo(_: web.Request) -> web.Response:
    return web.json_response(ends.records)


async def _forget(_: web.Request) -> web.Response:
    ends.records.clear()
    return web.json_response({})


@cache
def _libc() -> ctypes.CDLL:
    """Opened once, for each opening makes classes that stay."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = _HeapInfo
    return libc


class _HeapInfo(ctypes.Structure):
    """`struct mallinfo2` of malloc.h: `uordblks` and `hblkhd` are the bytes in use on the heap and in mappings."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    )


def _watch(parent: int) -> None:
    # Asked by number: what starts ComfyUI's Python may stand between the two.
    try:
        while True:
            os.kill(parent, 0)
            time.sleep(0.5)
    except ProcessLookupError:
        os._exit(1)

"""Execution order: letting other ready nodes run before one that takes long."""

from __future__ import annotations

import asyncio


async def others_first() -> None:
    """Let everything run that is ready by now, such as the sheet of pictures just made, before long work begins.

    Among nodes that are ready ComfyUI picks one by chance. One that waits is set aside until no other is ready.
    """
    await asyncio.sleep(0)

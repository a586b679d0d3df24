"""Execution order: let other ready nodes run before a long one."""

from __future__ import annotations

import asyncio


async def run_ready_nodes_first() -> None:
    """Yield once, so that all other ready nodes (such as a preview of fresh images) run before long work begins.

    ComfyUI picks among ready nodes arbitrarily, and resumes one that awaits only when no other is ready.
    """
    await asyncio.sleep(0)

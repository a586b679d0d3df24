"""Empty outputs: what depends on them is skipped, and the rest of the graph runs."""

from __future__ import annotations

from typing import Any

try:
    from comfy_execution.graph_utils import ExecutionBlocker
except ImportError:  # a runtime without ComfyUI's own executor brings a stand-in
    from comfy_api.latest._io import ExecutionBlocker


def or_blocked(values: list[Any]) -> Any:
    """`values`, or a blocker where there are none: an empty list would crash the nodes behind the output."""
    return values if values else blocked()


def blocked() -> Any:
    """The value of an empty output: ComfyUI skips the nodes that depend on it."""
    return ExecutionBlocker(None)

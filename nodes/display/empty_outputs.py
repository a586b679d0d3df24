"""How a node leaves an output empty without stopping the rest of the graph."""

from __future__ import annotations

from typing import Any

try:
    from comfy_execution.graph_utils import ExecutionBlocker
except ImportError:  # a runtime without ComfyUI's own executor brings a stand-in
    from comfy_api.latest._io import ExecutionBlocker


def or_blocked(values: list[Any]) -> Any:
    """`values`, or what makes ComfyUI skip the nodes behind this output: an empty list would crash them."""
    return values if values else blocked()


def blocked() -> Any:
    """For an output that holds nothing this time."""
    return ExecutionBlocker(None)

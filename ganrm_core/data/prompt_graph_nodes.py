"""Access to a ComfyUI graph in API form: {id: {"class_type": …, "inputs": {name: value or [id, output]}}}."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Link(NamedTuple):
    """Output number `slot` of a node."""

    node: str
    slot: int


class Graph:
    """Nodes by id. Whatever is malformed counts as absent: graphs come out of files."""

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self._nodes = {str(name): node for name, node in nodes.items() if isinstance(node, Mapping)}

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def kind(self, node: str) -> str:
        """The node's class, such as "KSampler"."""
        return str(self._nodes[node].get("class_type", ""))

    def inputs(self, node: str) -> Mapping[str, Any]:
        found = self._nodes[node].get("inputs")
        return found if isinstance(found, Mapping) else {}

    def link(self, value: Any) -> Link | None:
        """The output that `value` links to; None for a value that is no link to a node of this graph."""
        if isinstance(value, Link):
            return value
        if not isinstance(value, (list, tuple)) or len(value) != 2 or isinstance(value[1], bool):
            return None
        node, slot = value
        return Link(str(node), slot) if isinstance(slot, int) and str(node) in self._nodes else None

    def links(self, node: str) -> list[tuple[str, Link]]:
        """The inputs of a node that are linked."""
        each = ((str(name), self.link(value)) for name, value in self.inputs(node).items())
        return [(name, link) for name, link in each if link is not None]

    def literal(self, value: Any) -> Any:
        """A number or switch given as such, or by a primitive node; None where it is not known."""
        link = self.link(value)
        if link is None:
            return None if isinstance(value, (list, tuple)) else value
        inner = self.inputs(link.node).get("value")
        return None if self.link(inner) or isinstance(inner, (list, tuple)) else inner

"""Finds the sampler seed upstream of a node in the queued prompt graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_NAMES = ("seed", "noise_seed")
_OURS = "GANRM"


def upstream_seed(prompt: Mapping[str, Any], node: str, through: str = "images") -> int | None:
    """The seed of the nearest node upstream of input `through` of `node`, by breadth-first search; None if ambiguous.

    Our own nodes only pass images on: their seeds belong to a training, and of their inputs only `images` is followed.
    Two equally near nodes with different seeds are ambiguous: a wrong seed is worse than none.
    """
    level = _sources(prompt, node, (through,))
    seen = {node}
    while level:
        found: list[int | None] = []
        following: list[str] = []
        for source in level:
            if source in seen or source not in prompt:
                continue
            seen.add(source)
            ours = str(prompt[source].get("class_type", "")).startswith(_OURS)
            if not ours:
                found += _seeds(prompt, source)
            following += _sources(prompt, source, ("images",) if ours else None)
        if found:
            return found[0] if len(set(found)) == 1 else None
        level = following
    return None


def _seeds(prompt: Mapping[str, Any], node: str) -> Iterator[int | None]:
    """The node's seed, if it has one; None for a linked seed of unknown value."""
    inputs = _inputs(prompt, node)
    for name in _NAMES:
        if name in inputs:
            value = inputs[name]
            yield _linked(prompt, value) if isinstance(value, list) else _as_int(value)
            return
    # In custom sampling the seed belongs to the noise node; it counts as the sampler's own.
    if isinstance(inputs.get("noise"), list) and (seed := _linked(prompt, inputs["noise"])) is not None:
        yield seed


def _linked(prompt: Mapping[str, Any], link: list[Any]) -> int | None:
    inputs = _inputs(prompt, str(link[0])) if link else {}
    return next(
        (seed for name in (*_NAMES, "value") if (seed := _as_int(inputs.get(name))) is not None), None
    )


def _as_int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _sources(prompt: Mapping[str, Any], node: str, names: tuple[str, ...] | None) -> list[str]:
    inputs = _inputs(prompt, node)
    chosen = [value for name, value in inputs.items() if names is None or name in names]
    return [str(value[0]) for value in chosen if isinstance(value, list) and len(value) == 2]


def _inputs(prompt: Mapping[str, Any], node: str) -> Mapping[str, Any]:
    inputs: Mapping[str, Any] = (prompt.get(node) or {}).get("inputs") or {}
    return inputs

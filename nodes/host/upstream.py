"""Identity of what a queued prompt computes upstream of a node, by the rule of ComfyUI's own cache."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from comfy_api.internal import _ComfyNodeInternal, first_real_override

Prompt = Mapping[str, Any]

_SEEDS = ("seed", "noise_seed")
_READS_FOLDERS = re.compile("folder|directory|dataset", re.IGNORECASE)
"""Names of classes, such as core's LoadImageDataSetFromFolder, that read folders without watching them."""


def upstream_hash(prompt: Prompt | None, node: str, through: str, *, seeds: bool = True) -> str | None:
    """SHA-256 (hex) of all that leads to the input `through` of `node`: classes, settings, files that nodes watch.

    Without `seeds` inputs called seed or noise_seed do not count. None where it cannot be known: no
    link there, a node that always runs again, or one that is not in the queued prompt (inside an expanded node).
    """
    link = ((prompt or {}).get(node) or {}).get("inputs", {}).get(through)
    if not prompt or not _is_link(link):
        return None
    try:
        return _link_hash(prompt, link, seeds, {})
    except (KeyError, AttributeError, TypeError, ValueError, RecursionError):
        return None  # an unknown class, no JSON, NaN, a circle


def _link_hash(prompt: Prompt, link: list[Any], seeds: bool, known: dict[str, str]) -> str:
    source = str(link[0])
    if source not in known:
        known[source] = _node_hash(prompt, source, seeds, known)
    return f"{known[source]}:{link[1]}"


def _node_hash(prompt: Prompt, node: str, seeds: bool, known: dict[str, str]) -> str:
    entry = prompt[node]
    kind = entry["class_type"]
    if "is_changed" not in entry and (_READS_FOLDERS.search(kind) or _watches_something(kind)):
        raise ValueError(f"{kind} reads what may change, and the host does not say what it saw")
    inputs = {
        name: {"from": _link_hash(prompt, value, seeds, known)} if _is_link(value) else value
        for name, value in entry["inputs"].items()
        if seeds or name not in _SEEDS
    }
    text = json.dumps([kind, entry.get("is_changed"), inputs], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _watches_something(kind: str) -> bool:
    """Whether nodes of this class say themselves when they have to run again."""
    # Not imported: this pack has a package of that name too.
    node = sys.modules["nodes"].NODE_CLASS_MAPPINGS[kind]
    if not issubclass(node, _ComfyNodeInternal):
        return hasattr(node, "IS_CHANGED")
    found: Callable[..., Any] | None = first_real_override(node, "fingerprint_inputs")
    return found is not None


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)

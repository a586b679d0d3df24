"""Custom socket types (GANRM_…) and what all node schemas share."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from comfy_api.latest import io

from ..ganrm_core.data.labelled_files import PictureSet

CATEGORY = "GAN-RM"

GanRMReward = io.Custom("GANRM_REWARD")
"""Carries any implementation of the protocol `ganrm_core.rewards.base.Reward`."""

GanRMDataset = io.Custom("GANRM_DATASET")
"""Carries a `Dataset`."""

Dataset = PictureSet

GanRMPrompts = io.Custom("GANRM_PROMPTS")
"""Carries a `PromptSet`."""

GanRMGroups = io.Custom("GANRM_GROUPS")
"""Carries a `PromptedGroups`."""

_Input = TypeVar("_Input", bound=io.Input)


def advanced(socket: _Input) -> _Input:
    """Mark an input as advanced, so that newer pages fold it away. Older hosts have no such argument, but pass this on."""
    socket.extra_dict = {**(socket.extra_dict or {}), "advanced": True}
    return socket


def aliases(words: str, *phrases: str) -> list[str]:
    """The search aliases of a schema: single words, separated by spaces, and phrases of several."""
    return [*words.split(), *phrases]


def if_known(**words: Any) -> dict[str, Any]:
    """Keyword arguments of `io.Schema`, without those that this host is too old to know."""
    known = {each.name for each in fields(io.Schema)}
    return {name: value for name, value in words.items() if name in known}


def _schema() -> Any:
    """`io.Schema`; on hosts without `search_aliases`, a subclass that adds them and sends them to the page."""
    if if_known(search_aliases=[]):
        return io.Schema

    @dataclass
    class WithSearchAliases(io.Schema):
        search_aliases: list[str] = field(default_factory=list)

        def get_v1_info(self, cls: type[io.ComfyNode]) -> Any:
            plain = super().get_v1_info(cls)

            @dataclass
            class Info(type(plain)):  # type: ignore[misc]
                search_aliases: list[str] = field(default_factory=list)

            return Info(**vars(plain), search_aliases=self.search_aliases)

    return WithSearchAliases


Schema = _schema()
"""A node's schema. `search_aliases`: further words by which the page's search finds the node."""

EXPERIMENTAL = if_known(is_experimental=True)
"""Marks a schema's node as experimental."""

ESSENTIAL = if_known(essentials_category="Image Tools")
"""Offers a schema's node in the short list of essential nodes that newer pages have."""

RESULT_ON_NODE = if_known(has_intermediate_output=True)
"""Newer hosts show the result of a node that is no output node again when it comes from their cache."""

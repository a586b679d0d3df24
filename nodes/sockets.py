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


def aliases(words: str) -> list[str]:
    """The search aliases of a schema, written as words separated by spaces."""
    return words.split()


def _schema() -> Any:
    """`io.Schema`; on hosts without `search_aliases`, a subclass that adds them and sends them to the page."""
    if "search_aliases" in {known.name for known in fields(io.Schema)}:
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

EXPERIMENTAL: dict[str, Any] = (
    {"is_experimental": True} if "is_experimental" in {known.name for known in fields(io.Schema)} else {}
)
"""Keyword arguments of a schema that mark its node as experimental, where the host has a word for it."""

"""Encoded prompts (GANRM_PROMPTS), and scored samples together with them (GANRM_GROUPS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....ganrm_core.post_training.groups import Groups

Conditioning = list[list[Any]]
"""ComfyUI's CONDITIONING: entries of [tensor, options]."""


@dataclass(frozen=True)
class PromptSet:
    """`positive`: one conditioning per text; `negative`: one for all of them."""

    texts: tuple[str, ...]
    positive: tuple[Conditioning, ...]
    negative_text: str
    negative: Conditioning

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class PromptedGroups:
    """What travels on GANRM_GROUPS. `Group.prompt` counts the prompts of `prompts`."""

    groups: Groups
    prompts: PromptSet

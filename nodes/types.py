"""The socket types of the pack, named once, and what every schema shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from comfy_api.latest import io

CATEGORY = "GAN-RM"

GanRMReward = io.Custom("GANRM_REWARD")
"""Anything that follows `ganrm_core.reward.Reward`."""

GanRMDataset = io.Custom("GANRM_DATASET")
"""A `Dataset`."""


@dataclass(frozen=True)
class Dataset:
    """Picture files that belong together; nothing of them is loaded. `name` is for messages."""

    paths: tuple[Path, ...]
    name: str

    def __len__(self) -> int:
        return len(self.paths)


_Input = TypeVar("_Input", bound=io.Input)


def advanced(socket: _Input) -> _Input:
    """What few need: newer pages fold it away. Older hosts know no such argument, but pass this on."""
    socket.extra_dict = {**(socket.extra_dict or {}), "advanced": True}
    return socket

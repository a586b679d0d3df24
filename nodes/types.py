"""The socket types of the pack, named once, and what every schema shares."""

from __future__ import annotations

from typing import TypeVar

from comfy_api.latest import io

from ..ganrm_core.training_sets import PictureSet

CATEGORY = "GAN-RM"

GanRMReward = io.Custom("GANRM_REWARD")
"""Anything that follows `ganrm_core.reward.Reward`."""

GanRMDataset = io.Custom("GANRM_DATASET")
"""A `Dataset`."""

Dataset = PictureSet

_Input = TypeVar("_Input", bound=io.Input)


def advanced(socket: _Input) -> _Input:
    """What few need: newer pages fold it away. Older hosts know no such argument, but pass this on."""
    socket.extra_dict = {**(socket.extra_dict or {}), "advanced": True}
    return socket

"""Inputs and outputs that several nodes have."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..sockets import GanRMReward, advanced
from .candidates import UNITS


def images_input(*, lazy: bool = False) -> io.Input:
    """`lazy`: the node implements `check_lazy_status` by `ShownPictures`."""
    return io.Image.Input("images", lazy=lazy or None, tooltip="A batch, or a list of pictures of any sizes.")


def reward_input() -> io.Input:
    return GanRMReward.Input("reward", tooltip="The taste to judge by: from Load GAN-RM or Train GAN-RM.")


def group_size_input() -> io.Input:
    return io.Int.Input(
        "group_size",
        display_name="group size",
        default=0,
        min=0,
        max=10_000,
        tooltip="How many pictures in a row belong to one prompt and compete with each other. 0: all of them.",
    )


def candidate_input() -> io.Input:
    return advanced(
        io.Combo.Input(
            "candidate",
            options=list(UNITS),
            default=UNITS[0],
            tooltip="What competes: every image, or every list item as a whole, such as a clip of frames.",
        )
    )


def output(kind: Any, name: str, tooltip: str, *, is_list: bool = False) -> io.Output:
    """An output of a type such as `io.Image`; its display name is `name` with spaces for underscores."""
    display_name = name.replace("_", " ")
    result: io.Output = kind.Output(name, display_name=display_name, is_output_list=is_list, tooltip=tooltip)
    return result

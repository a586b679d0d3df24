"""Picking by number or by a click: the input `pick`, and what the page needs to show the pictures one by one."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...ganrm_core.reports.drawn_sheet import DrawnSheet
from .previews import in_node

_HOW = "Click the pictures after a run, or type the numbers drawn under them: 1 4 7-9, or all."


def pick_input(what: str, *, optional: bool = False) -> io.Input:
    """The input `pick`. Its tooltip says how to pick, and then `what` is done with what is picked."""
    return io.String.Input("pick", default="", optional=optional, tooltip=f"{_HOW} {what}")


def pickable(sheet: DrawnSheet, count: int, /, **values: list[Any]) -> dict[str, Any]:
    """`in_node` of a sheet whose pictures the page lets people click, out of `count` candidates.

    `tiles` has a dictionary for each picture on the sheet: `number`, `box` (left, top, width and height in pixels of the
    sheet) and `score` as drawn.
    """
    tiles = [{"number": tile.number, "box": list(tile.box), "score": tile.score} for tile in sheet.tiles]
    return in_node(sheet.image, tiles=tiles, candidates=[count], **values)

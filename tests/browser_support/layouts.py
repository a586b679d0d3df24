"""Layout of the open graph in the window: zoom, covered and overlapping nodes, groups' titles, size of the note's letters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .page import ComfyPage

_MEASURES = Path(__file__).with_name("layout_measures.js")


@dataclass(frozen=True)
class Box:
    """A node; `covered` names a point of it that lies outside the window or under the page's bars, if there is one."""

    type: str
    title: str
    covered: str | None


@dataclass(frozen=True)
class Note:
    """The first note's text as shown. Sizes in CSS pixels: smallest letters, smallest of the steps, what is cut off."""

    text: str
    smallest: float
    steps: float
    hidden: float


@dataclass(frozen=True)
class Layout:
    """`overflowing`: titles that are wider than their groups."""

    scale: float
    overlaps: list[str]
    overflowing: list[str]
    boxes: list[Box]
    note: Note


def measured_layout(page: ComfyPage) -> Layout:
    seen = page.raw.evaluate(_MEASURES.read_text(encoding="utf-8"))
    return Layout(
        seen["scale"],
        [" and ".join(pair) for pair in seen["overlaps"]],
        seen["overflowing"],
        [Box(**box) for box in seen["boxes"]],
        Note(**seen["note"]),
    )

"""A node's inputs and outputs as `object_info` describes them, in the order the page draws its widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
_UPLOADS = ("image_upload", "video_upload", "animated_image_upload", "audio_upload")
_SEEDS = ("seed", "noise_seed")


@dataclass(frozen=True)
class Input:
    """kind: the type's name; COMBO for both ways of writing one. options: what else the schema says."""

    name: str
    kind: str
    options: Json
    required: bool

    @property
    def choices(self) -> list[Any] | None:
        """A combo's legal values; None where the server names none (another type, or a remote list)."""
        values = self.options.get("options")
        return values if self.kind == "COMBO" and isinstance(values, list) else None

    @property
    def is_widget(self) -> bool:
        """Whether the page draws a widget, whose value is then one of `widgets_values`."""
        return self.widget_kind in _WIDGETS and not self.options.get("forceInput")

    @property
    def widget_kind(self) -> str:
        return str(self.options.get("widgetType", self.kind))

    @property
    def page_widgets(self) -> int:
        """How many widgets of its own the page puts right behind it: control after generate, its filter."""
        asked = self.options.get("control_after_generate")
        if self.kind == "INT":
            return int(bool(asked) if asked is not None else self.name in _SEEDS)
        if self.kind == "COMBO":
            return 2 if asked else 0
        return 0

    @property
    def default(self) -> Any:
        """What a new node has here; None where there is nothing."""
        first = self.choices[0] if self.choices else {"STRING": "", "BOOLEAN": False}.get(self.widget_kind)
        return self.options.get("default", first)


@dataclass(frozen=True)
class Node:
    """One node class."""

    name: str
    inputs: list[Input]
    outputs: list[str]
    is_output: bool

    @property
    def widgets(self) -> list[Input | None]:
        """What each of `widgets_values` belongs to, in order; None for the page's own widgets."""
        slots: list[Input | None] = []
        for required in (True, False):
            part = [i for i in self.inputs if i.required is required]
            for one in part:
                if one.is_widget:
                    slots += [one, *[None] * one.page_widgets]
            # The page adds an upload button behind the required inputs (two widgets for sound).
            for one in self.inputs if required else []:
                uploads = [name for name in _UPLOADS if one.options.get(name)]
                slots += [None] * len(uploads) + [None] * ("audio_upload" in uploads)
        return slots

    def input(self, name: str) -> Input | None:
        return next((one for one in self.inputs if one.name == name), None)


def node_of(name: str, object_info: Json) -> Node | None:
    """The description of a node class; None where the server has none of that name."""
    info = object_info.get(name)
    if info is None:
        return None
    order: Json = info.get("input_order") or {}
    inputs = [
        _input(key, info["input"][part][key], part == "required")
        for part in ("required", "optional")
        for key in order.get(part) or info["input"].get(part) or {}
    ]
    outputs = ["COMBO" if isinstance(kind, list) else str(kind) for kind in info["output"]]
    return Node(name, inputs, outputs, bool(info.get("output_node")))


def fits(given: str, wanted: str) -> bool:
    """Whether an output of one type may feed an input of another: "*" with any, lists where they overlap."""
    mine, theirs = ({part.strip() for part in kind.split(",")} for kind in (given, wanted))
    return "*" in mine | theirs or bool(mine & theirs)


def _input(name: str, spec: list[Any], required: bool) -> Input:
    kind, options = spec[0], dict(spec[1]) if len(spec) > 1 and spec[1] else {}
    if isinstance(kind, list):
        return Input(name, "COMBO", {**options, "options": kind}, required)
    return Input(name, str(kind), options, required)

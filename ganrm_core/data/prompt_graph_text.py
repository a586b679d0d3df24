"""The text behind an output of a ComfyUI graph, through guiders, conditioning, encoders and nodes for strings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .prompt_graph_nodes import Graph

_DEEPEST = 100
_LONGEST = 20_000  # more letters than any prompt has: nodes that double a text must not fill the memory
_NO_TEXT = ("ConditioningZeroOut", "RegexExtract", "RegexReplace", "JsonExtractString")
"""Nodes whose result holds no text, or one that cannot be told without running them."""

# In order of preference; where a row has several names, their texts belong together. The text encoders that read
# sentences stand before those that read keywords.
_TEXTS = (
    ("populated_text",),
    ("text",),
    ("prompt",),
    ("positive_prompt",),
    ("text_positive",),
    ("user_prompt",),
    ("t5xxl",),
    ("mt5xl",),
    ("llama",),
    ("qwen25_7b",),
    ("text_g", "text_l"),
    ("clip_g", "clip_l"),
    ("bert",),
    ("value",),
    ("string",),
)
_OTHER_TEXT = re.compile(r"text|prompt|string", re.IGNORECASE)
_NO_PROMPT = re.compile(
    r"negative|system|name|path|file|mode|prefix|suffix|delimiter|separator", re.IGNORECASE
)
_NO_WAY = (
    "model",
    "clip",
    "vae",
    "image",
    "images",
    "pixels",
    "samples",
    "latent",
    "latent_image",
    "negative",
    "mask",
)
_PART = re.compile(r"(?:text|string)_?(?:[a-z]|\d+)$", re.IGNORECASE)


class TextWalk:
    """Follows values of a graph to their text."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[tuple[str, bool], str] = {}

    def of(self, value: Any, depth: int = 0) -> str:
        """The text that `value` is or links to; "" where there is none or it cannot be told."""
        link = self._graph.link(value)
        if link is None:
            return value[:_LONGEST] if isinstance(value, str) else ""
        # Nodes that change both give the positive conditioning first and the negative one second.
        names = {name for name, _ in self._graph.links(link.node)}
        changes_both = {"positive", "negative"} <= names and "model" not in names
        key = (link.node, link.slot == 1 and changes_both)
        if key not in self._known:
            self._known[key] = ""  # while it is being followed: a circle has no text
            self._known[key] = self._at(*key, depth + 1)[:_LONGEST] if depth < _DEEPEST else ""
        return self._known[key]

    def _at(self, node: str, negative: bool, depth: int) -> str:
        kind, inputs = self._graph.kind(node), self._graph.inputs(node)
        if kind in _NO_TEXT:
            return ""
        if negative:
            return self.of(inputs["negative"], depth)
        special = self._special(kind, inputs, depth)
        if special is not None:
            return special
        for values in self._ways(node):
            found = (self.of(value, depth) for value in values)
            texts = dict.fromkeys(text for text in found if text.strip())
            if len(texts) == 1:
                return next(iter(texts))  # as it is: spaces at its ends count where strings are joined
            if texts:
                return ", ".join(text.strip() for text in texts)
        return ""

    def _ways(self, node: str) -> Iterator[list[Any]]:
        """Groups of inputs, in the order in which they are asked for text."""
        inputs, links = self._graph.inputs(node), self._graph.links(node)
        yield [value for name, value in inputs.items() if name == "guider"]
        # Of a conditioning that passes through, before the text that is added to it, such as for a region.
        yield [
            value
            for name, value in inputs.items()
            if name.startswith("positive") and not _NO_PROMPT.search(name)
        ]
        yield [link for name, link in links if name.startswith("cond")]
        for names in _TEXTS:
            yield [inputs[name] for name in names if name in inputs]
        for name, value in inputs.items():
            if _OTHER_TEXT.search(name) and not _NO_PROMPT.search(name):
                yield [value]
        for name, link in links:
            if name not in _NO_WAY and not _NO_PROMPT.search(name):
                yield [link]

    def _special(self, kind: str, inputs: Mapping[str, Any], depth: int) -> str | None:
        """The text of nodes that need more than the names of their inputs; None for others."""
        if "on_true" in inputs or "on_false" in inputs:
            chosen = self._graph.literal(inputs.get("switch", inputs.get("boolean")))
            return "" if chosen is None else self.of(inputs.get("on_true" if chosen else "on_false"), depth)
        if "cond1" in inputs:  # the second one of a guider with two is no positive prompt
            return self.of(inputs["cond1"], depth)
        if "select" in inputs and (wanted := f"input{self._graph.literal(inputs['select'])}") in inputs:
            return self.of(inputs[wanted], depth)
        if kind == "ConditioningAverage":
            weight = self._graph.literal(inputs.get("conditioning_to_strength"))
            if weight in (0, 1):
                return self.of(inputs.get("conditioning_to" if weight else "conditioning_from"), depth)
        return self._of_strings(kind, inputs, depth)

    def _of_strings(self, kind: str, inputs: Mapping[str, Any], depth: int) -> str | None:
        if re.search("concat|join", kind, re.IGNORECASE) and (parts := list(filter(_PART.match, inputs))):
            between = inputs.get("delimiter", inputs.get("separator", ""))
            texts = [self.of(inputs[name], depth) for name in parts]
            if kind != "StringConcatenate":  # other packs leave out empty ones
                texts = list(filter(None, texts))
            return (between if isinstance(between, str) else " ").join(texts)
        text = inputs.get("string")
        if kind == "StringReplace":
            find, replacement = self.of(inputs.get("find"), depth), self.of(inputs.get("replace"), depth)
            return self.of(text, depth).replace(find, replacement) if find else self.of(text, depth)
        if kind == "StringSubstring":
            start, end = (self._graph.literal(inputs.get(name)) for name in ("start", "end"))
            whole = isinstance(start, int) and isinstance(end, int)
            return self.of(text, depth)[start:end] if whole else ""
        if kind == "CaseConverter":
            change = {"UPPERCASE": str.upper, "lowercase": str.lower, "Capitalize": str.capitalize}
            return change.get(str(inputs.get("mode")), str.title)(self.of(text, depth))
        if kind == "StringFormat":
            return self._formatted(inputs, depth)
        return None

    def _formatted(self, inputs: Mapping[str, Any], depth: int) -> str:
        text = self.of(inputs.get("f_string"), depth)
        for name, value in inputs.items():
            if name.startswith("values."):
                text = text.replace(f"{{{name.removeprefix('values.')}}}", self.of(value, depth))
        return text

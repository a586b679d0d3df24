"""The prompt in a ComfyUI graph in API form: from the saved picture back to its sampler, and from there to the text.

Works on the names of inputs, which most packs share, and knows few nodes by name. Where it cannot tell, it gives none:
a wrong prompt is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from .prompt_graph_nodes import Graph
from .prompt_graph_text import TextWalk

_SAMPLING = ("seed", "noise_seed", "noise", "steps", "sigmas", "sampler_name")
_PICTURES = (
    "image",
    "images",
    "pixels",
    "samples",
    "latent",
    "latent_image",
    "latents",
    "destination",
    "source",
)
_OURS = "GANRM"


def prompts_in(graph: Mapping[str, Any], file_name: str = "") -> list[str]:
    """The different positive prompts that may have made the picture saved as `file_name`: one where it is clear.

    Of several samplers in a row, the last one's; where it has no text, that of the one before. A graph with several save
    nodes is told apart by their file name prefixes.
    """
    walk = _Walk(Graph(graph))
    found = (text for node in walk.savers(PurePath(file_name).stem) for text in walk.prompts_before(node))
    return list(dict.fromkeys(found))


class _Walk:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._text = TextWalk(graph)

    def savers(self, stem: str) -> list[str]:
        """The nodes that may have saved the file, those with a fitting prefix first of all."""
        graph = self._graph
        used = {source.node for node in graph for _, source in graph.links(node)}
        ends = [node for node in graph if any(_shows_picture(name) for name, _ in graph.links(node))]
        saving = [node for node in ends if "filename_prefix" in graph.inputs(node)]
        fitting = {node: _prefix_fit(graph.inputs(node)["filename_prefix"], stem) for node in saving}
        best = max(fitting.values(), default=-1)
        if best >= 0:
            return [node for node in saving if fitting[node] == best]
        return saving or [node for node in ends if node not in used]

    def prompts_before(self, node: str) -> list[str]:
        """The prompts of the nearest samplers before `node`, along the pictures; else along any link."""
        return self._nearest(node, strict=True) or self._nearest(node, strict=False)

    def _nearest(self, node: str, *, strict: bool) -> list[str]:
        """Breadth first, so that all samplers equally near count."""
        seen, level = {node}, self._sources(node, strict)
        while level:
            found: list[str] = []
            following: list[str] = []
            for source in dict.fromkeys(level):
                if source in seen:
                    continue
                seen.add(source)
                text = self._prompt_of_maker(source)
                if text:
                    found.append(text)
                following += self._sources(source, strict)
            if found:
                return found
            level = following
        return []

    def _sources(self, node: str, strict: bool) -> list[str]:
        # Of our own nodes only pictures are followed: their rewards were trained on other pictures.
        strict = strict or self._graph.kind(node).startswith(_OURS)
        return [link.node for name, link in self._graph.links(node) if not strict or _shows_picture(name)]

    def _prompt_of_maker(self, node: str) -> str:
        """The prompt of a node that makes pictures; "" for another node, or where it has no text."""
        inputs = self._graph.inputs(node)
        samples = any(name in inputs for name in _SAMPLING)
        for start in _starts(self._graph, node, samples):
            if text := self._text.of(start).strip():
                return text
        return ""


def _starts(graph: Graph, node: str, samples: bool) -> Iterator[Any]:
    """Where the prompt of a maker of pictures enters it."""
    inputs = graph.inputs(node)
    if "guider" in inputs:
        yield inputs["guider"]
    if not samples:
        return
    links = graph.links(node)
    for wanted in ("positive", "conditioning", "text_embeds", "positive_prompt", "prompt"):
        if wanted in inputs:
            yield inputs[wanted]
    yield from (link for name, link in links if "pipe" in name or "tuple" in name)


def _shows_picture(name: str) -> bool:
    """Whether an input of that name carries pictures or latents, also such as image1, images_2 or input_image."""
    plain = name.rstrip("0123456789_ ").lower()
    return plain in _PICTURES or plain.endswith(("image", "images", "latent", "samples"))


def _prefix_fit(prefix: Any, stem: str) -> int:
    """How many letters of a file name's beginning the prefix fixes; −1 where it does not fit."""
    if not isinstance(prefix, str) or not stem:
        return -1
    fixed = prefix.replace("\\", "/").rsplit("/", 1)[-1].split("%", 1)[0]
    return len(fixed) if stem.lower().startswith(fixed.lower()) else -1

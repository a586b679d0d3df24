"""Graphs of workflows 2 and 8 for generators other than SDXL."""

from __future__ import annotations

from functools import partial

import workflow_parts as parts
from generators import GENERATORS, Generator, load_generator
from workflow_parts import Graph

_NOTE = 340
_CHOOSE = "## 1. Choose your taste below, and write your prompt."


def best_of_16(generator: Generator) -> Graph:
    graph = _variant("2 Best 4 of 16", "Best 4 of 16", generator)
    first, second = graph.columns(360, 320)
    graph.note(
        first.place(_NOTE),
        f"The best 4 of 16, by {generator.name}",
        _CHOOSE,
        "## 2. Press **Run**: 16 pictures are made, the best 4 are saved with their score inside the file.",
        "### **keep** says how many are kept, **minimum score** drops what is not good enough.",
        "### 16 at once take much memory. Where they do not fit, make fewer (**How many**), or open workflow 8.",
        *generator.needs,
    )
    taste_place = first.place(130)
    source = load_generator(graph, first, second, generator, batch=16)
    sampled = parts.sampled(graph, source, second, decoded=second)
    taste = parts.load_model(graph, taste_place)
    parts.best_and_rejected(graph, sampled, taste)
    return graph


def best_of_n_sampler(generator: Generator) -> Graph:
    graph = _variant("8 At half the work", "Best 4 of 16, half the work", generator)
    graph.like = (
        "8 Best 4 of 16 at half the work"  # a name too long for a card's title with the generator's behind it
    )
    first, second = graph.columns(360, 320)
    graph.note(
        first.place(_NOTE),
        f"The best 4 of 16, by {generator.name}, at half the work",
        _CHOOSE,
        "## 2. Press **Run** and watch: 16 are begun, the weakest given up half-made, the best 4 finished and saved.",
        "### **n**: how many are begun. **keep**: how many come out. **pruning**: how early the weak ones go.",
        "### Each file holds its seed: KSampler makes the very same picture of it.",
        *generator.needs,
    )
    taste_place = first.place(130)
    source = load_generator(graph, first, second, generator, batch=1)
    taste = parts.load_model(graph, taste_place)
    parts.sampled_best(graph, second, source, taste)
    return graph


def _variant(name: str, words: str, generator: Generator) -> Graph:
    return Graph(f"{name} ({generator.name})", f"{generator.name}: {words}", like=name)


VARIANTS = tuple(
    partial(make, generator) for make in (best_of_16, best_of_n_sampler) for generator in GENERATORS
)

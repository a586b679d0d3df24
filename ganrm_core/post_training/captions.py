"""Prompts as captions for other trainers: without ComfyUI's weights, escapes and embeddings."""

from __future__ import annotations

import re

_EMBEDDING = re.compile(r"embedding:[^\s,()]+")
_ESCAPED = {r"\(": "\0", r"\)": "\1"}
_EMPTY_PARTS = re.compile(r"\s*,(?:\s*,)+")
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*")


def caption(prompt: str) -> tuple[str, int]:
    """The caption of a prompt, on one line, and how many embeddings were dropped from it.

    `(word:1.2)` and `(word)` become `word`, as ComfyUI reads them; an escaped parenthesis becomes a plain one; a
    parenthesis without its partner stays. Embeddings are dropped: another trainer would learn the letters of their
    names. Whoever wants them sets them up in that trainer.
    """
    text = prompt
    for escaped, mark in _ESCAPED.items():
        text = text.replace(escaped, mark)
    text, dropped = _EMBEDDING.subn("", _without_weights(text))
    for escaped, mark in _ESCAPED.items():
        text = text.replace(mark, escaped[1:])
    if dropped:  # what they leave between commas
        text = _EMPTY_PARTS.sub(",", text).strip(" ,\n")
    return " ".join(text.split()), dropped


def _without_weights(text: str) -> str:
    opened: list[int] = []
    dropped: set[int] = set()
    for place, letter in enumerate(text):
        if letter == "(":
            opened.append(place)
        elif letter == ")" and opened:
            start = opened.pop()
            dropped |= {start, *range(_weight_start(text, start + 1, place), place + 1)}
    return "".join(letter for place, letter in enumerate(text) if place not in dropped)


def _weight_start(text: str, start: int, end: int) -> int:
    """Where the weight of the words from `start` to `end` begins, its colon included; `end` without one."""
    colon = text.rfind(":", start, end)
    return colon if colon > start and _NUMBER.fullmatch(text, colon + 1, end) else end

"""Strips the syntax of generators (weights, LoRA tags, embeddings) from prompts, which leaves plain text."""

from __future__ import annotations

import re

_NOT_WORDS = re.compile(r"(?i:<(?:lora|lyco|locon|hypernet)[^<>]*>|\bembedding:[^\s,()]+)|\bBREAK\b")
_WEIGHT = re.compile(r":\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*$")
_AFTER_SYSTEM_PROMPT = "<Prompt Start>"  # as Lumina 2 writes it
_EMPTY_PARTS = re.compile(r"(?:\s*,)+(?=\s*,)|^(?:\s*,)+|(?:\s*,)+$|\s+(?=,)")


def plain_prompt(text: str) -> str:
    r"""`text` in one line without emphasis, LoRA tags and embeddings, none of which a picture can show.

    (word:1.2) and ((word)) become word, \( and \) the characters themselves, as in ComfyUI. May be empty.
    """
    kept = [""]  # what stands inside each bracket that is open
    letters = iter(text.rpartition(_AFTER_SYSTEM_PROMPT)[2])
    for letter in letters:
        if letter == "\\":
            following = next(letters, "")
            kept[-1] += following if following in "()" else letter + following
        elif letter == "(":
            kept.append("")
        elif letter == ")" and len(kept) > 1:
            inside = _WEIGHT.sub("", kept.pop())
            kept[-1] += inside
        else:
            kept[-1] += letter
    words = " ".join(_NOT_WORDS.sub("", "".join(kept)).split())
    return _EMPTY_PARTS.sub("", words).strip()

"""The prompt that a picture file was made of, from what ComfyUI or A1111-like programs wrote into it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from .image_files import PictureSource, identified, open_file, readable
from .png_chunks import texts
from .prompt_graph import prompts_in

_NONE = "no prompt is stored in it"
_NO_TEXT = "the workflow stored in it does not tell its prompt"
_SEVERAL = "the workflow stored in it has several prompts that may have made it"

_EXIF_PART, _COMMENT = 0x8769, 0x9286
_GRAPH_KEY = re.compile(r"\s*prompt\s*:", re.IGNORECASE)
_SETTINGS = re.compile(r"\n(?:Negative prompt:|Steps: \d)")


@dataclass(frozen=True)
class PicturePrompt:
    """A prompt, or "" and the reason why there is none."""

    text: str
    why_none: str = ""


def picture_prompt(path: str | os.PathLike[str]) -> PicturePrompt:
    """The positive prompt stored in a PNG, WebP or JPEG file: that of ComfyUI's graph, else of A1111's parameters.

    Raises ImageError for a file that is missing or no picture.
    """
    with open_file(path) as file, readable(path):
        stored = list(_stored(file, identified(file, path).image))
    reason = _NONE
    for key, text in stored:
        if key != "prompt":
            continue
        graph = _graph(text)
        if graph is None:
            continue
        found = prompts_in(graph, Path(path).name)
        if len(found) == 1:
            return PicturePrompt(found[0])
        reason = _SEVERAL if found else _NO_TEXT
    for key, text in stored:
        if key == "parameters" and (prompt := _of_parameters(text)):
            return PicturePrompt(prompt)
    return PicturePrompt("", reason)


def _stored(file: PictureSource, picture: Image.Image) -> Iterator[tuple[str, str]]:
    """The texts that may hold a prompt: ("prompt", graph) and ("parameters", text)."""
    if picture.format == "PNG":
        for key in ("prompt", "parameters"):
            for text in texts(file, key):
                yield key, text
        return
    exif = picture.getexif()
    for value in exif.values():
        if isinstance(value, str) and (found := _GRAPH_KEY.match(value)):
            yield "prompt", value[found.end() :].rstrip("\0")
    comment = exif.get_ifd(_EXIF_PART).get(_COMMENT)
    if isinstance(comment, bytes):
        comment = _decoded(comment)
    if isinstance(comment, str) and comment:
        found = _GRAPH_KEY.match(comment)
        yield ("prompt", comment[found.end() :]) if found else ("parameters", comment)


def _decoded(comment: bytes) -> str:
    """EXIF's UserComment: eight bytes that name the encoding, then the text."""
    code, text = comment[:8], comment[8:]
    if code.startswith(b"UNICODE"):
        little = text[1:2] == b"\0"  # neither byte order is given; prompts are mostly ASCII
        return text.decode("utf-16-le" if little else "utf-16-be", "replace").strip("\0")
    return (text if code.startswith((b"ASCII", b"\0")) else comment).decode("utf-8", "replace").strip("\0")


def _graph(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _of_parameters(text: str) -> str:
    """The prompt before the negative one and the settings; "" for a text that has neither."""
    found = _SETTINGS.search(f"\n{text}")
    return text[: max(found.start() - 1, 0)].strip() if found else ""

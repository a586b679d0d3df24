"""Versions of ComfyUI's page to test: the server's own, and unpacked packages of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = "comfyui_frontend_package"


@dataclass(frozen=True)
class Frontend:
    """A page version. `root` is what `--front-end-root` takes; None is the page the server comes with."""

    label: str
    root: Path | None


def frontends() -> list[Frontend]:
    """The server's own page and those in the folders that $COMFYUI_FRONTENDS names, separated as in PATH."""
    places = [Path(place) for place in os.environ.get("COMFYUI_FRONTENDS", "").split(os.pathsep) if place]
    others = [Frontend(root.parents[1].name, root) for place in places for root in _roots(place)]
    return [Frontend("page of the server", None), *others]


def _roots(place: Path) -> Iterator[Path]:
    """`place` may be the package's static folder, a folder with the package, or one above that."""
    for folder in (place, *place.glob(f"{_PACKAGE}/static"), *place.glob(f"*/{_PACKAGE}/static")):
        if (folder / "index.html").is_file():
            yield folder.resolve()

"""Which versions of ComfyUI's page there are to test: the server's own, and unpacked ones of other versions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = "comfyui_frontend_package"


@dataclass(frozen=True)
class Frontend:
    """A page version. `root` is what `--front-end-root` takes; None is the page the server comes with."""

    label: str
    root: Path | None


def server_frontend() -> Frontend:
    return Frontend("page of the server", None)


def other_frontends(comfyui: Path | None) -> list[Frontend]:
    """Unpacked page versions.

    Looked for in the folders of $COMFYUI_FRONTENDS (separated as in PATH) or, without it, beside ComfyUI's own
    folder: in `<folder>/comfyui_frontend_package` and one level deeper.
    """
    named = os.environ.get("COMFYUI_FRONTENDS")
    if named:
        places = [Path(place).expanduser() for place in named.split(os.pathsep) if place]
    elif comfyui is not None:
        places = [comfyui.parent, *sorted(p for p in comfyui.parent.glob("*") if p.is_dir() and p != comfyui)]
    else:
        places = []
    roots = dict.fromkeys(root.resolve() for place in places for root in _roots(place))
    return [Frontend(f"page {_version(root)}", root) for root in roots]


def _roots(place: Path) -> Iterator[Path]:
    """`place` may be the static folder, the package, a folder with the package, or one above that."""
    for pattern in (".", "static", f"{_PACKAGE}/static", f"*/{_PACKAGE}/static"):
        for folder in sorted(place.glob(pattern)) if pattern != "." else [place]:
            if (folder / "index.html").is_file() and (folder / "assets").is_dir():
                yield folder


def _version(root: Path) -> str:
    for info in root.parent.parent.glob(f"{_PACKAGE}-*.dist-info"):
        match = re.match(rf"{_PACKAGE}-(.+)\.dist-info", info.name)
        if match:
            return match[1]
    return root.parent.parent.name

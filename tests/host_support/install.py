"""ComfyUI installation under test: its folder, its Python and its versions."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACK = Path(__file__).resolve().parents[2]

HOW = "no ComfyUI found: set COMFYUI_PATH to its folder (and COMFYUI_PYTHON to its Python)"


@dataclass(frozen=True)
class ComfyUI:
    """An installation: its folder and the Python that has its requirements."""

    path: Path
    python: Path

    @cached_property
    def version(self) -> str:
        text = _text(self.path / "comfyui_version.py")
        found = re.search(r"__version__\s*=\s*[\"']([^\"']+)", text)
        return found[1] if found else "of unknown version"

    @cached_property
    def page_version(self) -> str:
        """Version of the page it serves unless told otherwise."""
        ask = "from importlib.metadata import version; print(version('comfyui-frontend-package'))"
        command = [str(self.python), "-c", ask]
        answer = subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=False)
        return answer.stdout.strip() or "unknown"

    def knows_option(self, option: str) -> bool:
        """Whether main.py takes this command line option: older and newer servers differ."""
        return f'"{option}"' in _text(self.path / "comfy" / "cli_args.py")


def find_comfyui() -> ComfyUI | None:
    """$COMFYUI_PATH; else the one whose custom_nodes this pack sits in; else ~/ComfyUI.

    Its Python is $COMFYUI_PYTHON, else that of a virtual environment in its folder. None without both.
    """
    for path in _candidates():
        python = _python_of(path)
        if (path / "main.py").is_file() and python is not None:
            return ComfyUI(path, python)
    return None


def header() -> str:
    """One line for pytest's header."""
    found = find_comfyui()
    if found is None:
        return f"ComfyUI: {HOW}"
    return f"ComfyUI: {found.version}, page {found.page_version}, {found.path} ({found.python})"


def _candidates() -> list[Path]:
    named = os.environ.get("COMFYUI_PATH")
    if named:
        return [Path(named).expanduser().resolve()]
    above = [PACK.parent.parent] if PACK.parent.name == "custom_nodes" else []
    return [*above, Path.home() / "ComfyUI"]


def _python_of(path: Path) -> Path | None:
    named = os.environ.get("COMFYUI_PYTHON")
    if named:
        # Not resolved: a virtual environment's python is a link, and following it leaves the environment.
        return Path(named).expanduser().absolute()
    places = [
        path / venv / tail for venv in ("venv", ".venv") for tail in ("bin/python", "Scripts/python.exe")
    ]
    return next((place for place in places if place.is_file()), None)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""

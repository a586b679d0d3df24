"""What all kinds of killed work have in common, and checks that they share."""

from __future__ import annotations

import hashlib
import runpy
import shutil
import sys
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .processes import Journal


@dataclass(frozen=True)
class Materials:
    """Made once: a trained model (with its backbone and feature archive) and two folders of pictures."""

    folder: Path

    @property
    def backbone(self) -> Path:
        return self.folder / "backbone.safetensors"

    @property
    def model(self) -> Path:
        return self.folder / "linear.safetensors"

    @property
    def liked(self) -> Path:
        return self.folder / "liked"

    @property
    def ordinary(self) -> Path:
        return self.folder / "ordinary"

    def pictures(self) -> list[Path]:
        return sorted([*self.liked.iterdir(), *self.ordinary.iterdir()])

    def copied_to(self, folder: Path) -> Path:
        """The pictures of both folders in one."""
        folder.mkdir()
        for path in self.pictures():
            shutil.copy2(path, folder / f"{path.parent.name}_{path.name}")
        return folder


class Scenario(ABC):
    """One kind of work. `run` and the checks are called in processes of their own; `folder` is what it works in.

    `run` is the user's or the node's call, the same each time; it may be killed. It tells `journal` what it has
    reported as done. Faults are sentences.
    """

    name: str

    def __init__(self, materials: Materials, journal: Journal) -> None:
        self.materials, self.journal = materials, journal

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Fill the empty `folder` with what the work needs."""

    @abstractmethod
    def run(self, folder: Path) -> None:
        """Raises where the work does not end well."""

    @abstractmethod
    def faults(self, folder: Path) -> list[str]:
        """What is not whole after a kill."""

    @abstractmethod
    def unfinished(self, folder: Path) -> list[str]:
        """What is not as it should be after a run to the end."""


def command(*arguments: str | Path) -> None:
    """Run `python -m ganrm_core.cli` with these arguments. Raises RuntimeError where it does not end with 0."""
    sys.argv = ["ganrm", *map(str, arguments)]
    try:
        runpy.run_module("ganrm_core.cli", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"ganrm ended with {end.code}") from end


def visible(folder: Path) -> list[Path]:
    """Files that a user sees: none below hidden names."""
    if not folder.exists():
        return []
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def picture_faults(sources: list[Path], places: list[Path], most: int = 2) -> list[str]:
    """Every picture must be in `places` once to `most` times, and no file there may be anything else."""
    wanted = {digest(path): path.name for path in sources}
    found = [path for place in places for path in visible(place) if path.suffix == ".png"]
    counts = Counter(digest(path) for path in found)
    faults = [f"{name} is lost" for content, name in wanted.items() if not counts[content]]
    faults += [
        f"{name} is there {counts[content]} times"
        for content, name in wanted.items()
        if counts[content] > most
    ]
    return faults + [f"{path.name} is half a file" for path in found if digest(path) not in wanted]


def as_module(root: Path) -> None:
    """Make the node pack importable as `pack`, without ComfyUI: for its files that need none of it."""
    from types import ModuleType

    package = ModuleType("pack")
    package.__path__ = [str(root)]
    sys.modules.setdefault("pack", package)

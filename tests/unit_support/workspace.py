"""A folder of copies in which a test may spoil everything, and the command line to use on them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Workspace:
    """`liked` and `ordinary` pictures, and a `model` trained on them with its `backbone` beside it."""

    root: Path
    ganrm: Callable[..., Any]

    @classmethod
    def copy_of(cls, source: Path, root: Path, ganrm: Callable[..., Any]) -> Workspace:
        shutil.copytree(source, root, dirs_exist_ok=True)
        return cls(root, ganrm)

    def __post_init__(self) -> None:
        self.liked, self.ordinary = self.root / "liked", self.root / "ordinary"
        self.model, self.backbone = (
            self.root / "models" / f"{name}.safetensors" for name in ("taste", "tiny")
        )
        self.sets: list[object] = ["--liked", self.liked, "--ordinary", self.ordinary]

    def run(self, command: str, *options: object) -> Any:
        """The command on the liked pictures: `train` in no time, `best` into `new/best`, the others as they are."""
        new, quick = self.root / "new", ["--preset", "paper", "--backbone", f"file:{self.backbone}"]
        arguments = {
            "train": [*self.sets, *quick, "--output", new / "a.safetensors"],
            "best": [self.model, self.liked, "--output", new / "best"],
            "evaluate": [self.model, *self.sets],
            "audit": self.sets,
            "info": [self.model],
        }.get(command, [self.model, self.liked])
        return self.ganrm(command, *arguments, *options)

    def listing(self) -> dict[str, bytes]:
        """Everything in the folder, with its content."""
        return {str(path): path.read_bytes() if path.is_file() else b"" for path in self.root.rglob("*")}

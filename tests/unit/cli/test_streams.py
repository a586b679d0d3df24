"""Standard streams that are None or closed, as under pythonw, in a service or after `>&-`."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit_support.workspace import Workspace

from ganrm_core import cli

ROOT = Path(__file__).parents[3]
MISSING = [("stdout",), ("stderr",), ("stdout", "stderr")]


def closed() -> io.TextIOWrapper:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    return stream


class ClosedBeneath(io.TextIOWrapper):
    """What is left of a stream whose file was closed by its number."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())

    def fileno(self) -> int:
        return 10**6

    def write(self, _: str) -> int:
        raise OSError(9, "Bad file descriptor")


@pytest.fixture
def folder(work: Workspace) -> Workspace:
    """With one picture that cannot be read, so that there is something to warn of."""
    (work.liked / "bad.png").write_bytes(b"no picture")
    (work.root / "out").mkdir()
    return work


TRAIN = "train --liked {liked} --ordinary {ordinary} --output {out}/a.safetensors --preset paper --backbone file:{tiny}"
# name → (arguments, exit code, what is written)
COMMANDS = {
    "score": ("score {model} {liked}", 0, []),
    "score as JSON": ("score {model} {liked} --json", 0, []),
    "best": ("best {model} {liked} --output {out}/best", 0, ["contact_sheet.jpg", "scores.csv", "liked"]),
    "heatmap": ("heatmap {model} {liked}/liked00.png --output {out}", 0, ["liked00.map", "liked00.mask"]),
    "train": (TRAIN, 0, ["a.safetensors"]),
    "help": ("--help", 0, []),
    "wrong usage": ("score", 2, []),
    "bad input": ("score {model} {liked}/nowhere.png", 2, []),
    "nothing readable": ("score {model} {liked}/bad.png", 2, []),
}
STREAMS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "closed": closed,
    "closed beneath": ClosedBeneath,
}
EVERY_WAY = ("score as JSON", "best", "bad input")
CASES = [
    *((command, "None", MISSING[2]) for command in COMMANDS),
    *((command, how, missing) for command in EVERY_WAY for how in STREAMS for missing in MISSING),
]


@pytest.mark.parametrize(("command", "how", "missing"), CASES)
def test_every_command(
    command: str, how: str, missing: tuple[str, ...], folder: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, code, files = COMMANDS[command]
    out = folder.root / "out"
    paths = {
        "model": folder.model,
        "liked": folder.liked,
        "ordinary": folder.ordinary,
        "tiny": folder.backbone,
    }
    streams = {name: STREAMS[how]() if name in missing else io.StringIO() for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    assert cli.main(line.format(out=out, **paths).split()) == code
    assert all(getattr(sys, name) is stream for name, stream in streams.items())
    written = "".join(sorted(str(path) for path in out.rglob("*")))
    assert all(name in written for name in files)
    if "stdout" not in missing:
        printed = streams["stdout"].getvalue()
        assert "ganrm: " not in printed
        assert "%|" not in printed
        assert bool(printed) == (code == 0 or command == "nothing readable")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_closed_by_the_shell(folder: Workspace) -> None:
    best = folder.root / "best"
    arguments = ["best", str(folder.model), str(folder.liked), "--output", str(best), "--json"]
    call = ["bash", "-c", '"$0" -m ganrm_core.cli "$@" <&- >&- 2>&-', sys.executable, *arguments]
    assert subprocess.run(call, cwd=ROOT, check=False).returncode == 0
    (kept,) = best.glob("liked*.png")
    # Nothing that was printed went into a file that was opened under the number of a closed stream.
    assert kept.read_bytes() == (folder.liked / kept.name).read_bytes()
    assert (best / "scores.csv").read_text(encoding="utf-8-sig").startswith("file,group,rank")

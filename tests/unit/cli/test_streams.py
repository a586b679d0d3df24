"""Standard streams that are None or closed, as under pythonw, in a service or after `>&-`."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
def folder(trained: Any, tmp_path: Path) -> Path:
    """Pictures, of which one cannot be read, so that there is something to warn of."""
    folder = shutil.copytree(trained.liked, tmp_path / "in")
    (folder / "bad.png").write_bytes(b"no picture")
    return folder


# name → (arguments, exit code, what is written)
COMMANDS = {
    "score": ("score MODEL IN", 0, []),
    "score as JSON": ("score MODEL IN --json", 0, []),
    "score as CSV": ("score MODEL IN --csv", 0, []),
    "best": ("best MODEL IN --output OUT/best", 0, ["contact_sheet.jpg", "scores.csv", "liked"]),
    "heatmap": (
        "heatmap MODEL IN/liked00.png IN/bad.png --output OUT/maps",
        0,
        ["liked00.map", "liked00.mask"],
    ),
    "audit": ("audit --liked IN --ordinary ORDINARY", 0, []),
    "train": ("train --liked IN --ordinary ORDINARY --output OUT/a.safetensors TINY", 0, ["a.safetensors"]),
    "combine": ("combine MODEL MODEL --output OUT/both.json", 0, ["both.json"]),
    "info": ("info MODEL", 0, []),
    "help": ("--help", 0, []),
    "wrong usage": ("score", 2, []),
    "bad input": ("score MODEL IN/nowhere.png", 2, []),
    "nothing readable": ("score MODEL IN/bad.png", 2, []),
}
STREAMS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "closed": closed,
    "closed beneath": ClosedBeneath,
}
EVERY_WAY = ("score as JSON", "best", "wrong usage", "bad input")
CASES = [
    *((command, "None", MISSING[2]) for command in COMMANDS),
    *((command, how, missing) for command in EVERY_WAY for how in STREAMS for missing in MISSING),
]


@pytest.mark.parametrize(("command", "how", "missing"), CASES)
def test_every_command(
    command: str,
    how: str,
    missing: tuple[str, ...],
    trained: Any,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, code, files = COMMANDS[command]
    (tmp_path / "out").mkdir()
    for short, long in (
        ("MODEL", trained.checkpoint),
        ("OUT/", f"{tmp_path / 'out'}/"),
        ("ORDINARY", trained.ordinary),
        ("TINY", f"--preset paper --backbone file:{trained.checkpoint.with_name('tiny.safetensors')}"),
        ("IN", folder),
    ):
        line = line.replace(short, str(long))
    others = {name: io.StringIO() for name in {"stdout", "stderr"} - {*missing}}
    gone = {name: STREAMS[how]() for name in missing}
    for name, stream in {**others, **gone}.items():
        monkeypatch.setattr(sys, name, stream)
    assert cli.main(line.split()) == code
    assert all(getattr(sys, name) is stream for name, stream in gone.items())
    written = "".join(sorted(str(path) for path in (tmp_path / "out").rglob("*")))
    assert all(name in written for name in files)
    if out := others.get("stdout"):
        assert "ganrm: " not in out.getvalue()
        assert "%|" not in out.getvalue()
        assert bool(out.getvalue()) == (code == 0 or command == "nothing readable")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_closed_by_the_shell(trained: Any, folder: Path, tmp_path: Path) -> None:
    arguments = ["best", str(trained.checkpoint), str(folder), "--output", str(tmp_path / "best"), "--json"]
    call = ["bash", "-c", '"$0" -m ganrm_core.cli "$@" <&- >&- 2>&-', sys.executable, *arguments]
    done = subprocess.run(call, cwd=ROOT, check=False)
    assert done.returncode == 0
    (kept,) = (tmp_path / "best").glob("liked*.png")
    # Nothing that was printed went into a file that was opened under the number of a closed stream.
    assert kept.read_bytes() == (folder / kept.name).read_bytes()
    assert (tmp_path / "best" / "scores.csv").read_text(encoding="utf-8-sig").startswith("file,group,rank")

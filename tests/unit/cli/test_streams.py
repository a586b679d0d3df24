"""Standard streams that are None or closed, as under pythonw, in a service or after `>&-`."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from unit_support.failing_disk import refuse
from unit_support.workspace import Workspace

from ganrm_core import cli

ROOT = Path(__file__).parents[3]
MISSING = [("stdout",), ("stderr",), ("stdout", "stderr")]


def closed() -> io.TextIOWrapper:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    return stream


def closed_beneath() -> Any:
    """What is left of a stream whose file was closed by its number."""
    return SimpleNamespace(fileno=lambda: 10**6, write=refuse(errno.EBADF), flush=refuse(errno.EBADF))


@pytest.fixture
def work(work: Workspace) -> Workspace:
    """With one picture that cannot be read, so that there is something to warn of."""
    (work.liked / "bad.png").write_bytes(b"no picture")
    return replace(work, ganrm=lambda *arguments: cli.main([str(each) for each in arguments]))


# command, options → exit code, what is written
COMMANDS: dict[tuple[str, ...], tuple[int, list[str]]] = {
    ("score",): (0, []),
    ("score", "--json"): (0, []),
    ("best",): (0, ["contact_sheet.jpg", "scores.csv", "liked"]),
    ("heatmap", "--output", "{new}"): (0, ["liked00.map", "liked00.mask"]),
    ("train",): (0, ["a.safetensors"]),
    ("evaluate", "--help"): (0, []),
    ("score", "--no-such-option"): (2, []),
    ("score", "nowhere.png"): (2, []),
}
STREAMS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "closed": closed,
    "closed beneath": closed_beneath,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("how", "missing"), [("None", MISSING[2]), *(zip(STREAMS, MISSING, strict=True))])
def test_every_command(
    command: tuple[str, ...], how: str, missing: tuple[str, ...], work: Workspace, monkeypatch: Any
) -> None:
    code, files = COMMANDS[command]
    new = work.root / "new"
    streams = {name: STREAMS[how]() if name in missing else io.StringIO() for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    assert work.run(command[0], *(option.format(new=new) for option in command[1:])) == code
    assert all(getattr(sys, name) is stream for name, stream in streams.items())
    written = "".join(sorted(str(path) for path in new.rglob("*")))
    assert all(name in written for name in files)
    if "stdout" not in missing:
        printed = streams["stdout"].getvalue()
        assert "ganrm: " not in printed
        assert "%|" not in printed
        assert bool(printed) == (code == 0)


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_closed_by_the_shell(work: Workspace) -> None:
    best = work.root / "best"
    arguments = ["best", str(work.model), str(work.liked), "--output", str(best), "--json"]
    call = ["bash", "-c", '"$0" -m ganrm_core.cli "$@" <&- >&- 2>&-', sys.executable, *arguments]
    assert subprocess.run(call, cwd=ROOT, check=False).returncode == 0
    (kept,) = best.glob("liked*.png")
    # Nothing that was printed went into a file that was opened under the number of a closed stream.
    assert kept.read_bytes() == (work.liked / kept.name).read_bytes()
    assert (best / "scores.csv").read_text(encoding="utf-8-sig").startswith("file,group,rank")

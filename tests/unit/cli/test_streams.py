"""Standard streams that are None or closed, as under pythonw, in a service or after `>&-`."""

from __future__ import annotations

import io
import json
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
NONE = "import sys\nfor name in {names!r}: setattr(sys, name, None)\n"
RUN = "from ganrm_core.cli import main\nsys.exit(main(sys.argv[1:]))"


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


COMMANDS = {
    "score": ("score MODEL IN", 0),
    "score as JSON": ("score MODEL IN --json", 0),
    "score as CSV": ("score MODEL IN --csv", 0),
    "best": ("best MODEL IN --output OUT/best", 0),
    "best, moved": ("best MODEL IN --output OUT/best --move --json", 0),
    "heatmap": ("heatmap MODEL IN/liked00.png IN/bad.png --output OUT/maps", 0),
    "evaluate": ("evaluate MODEL --liked IN --ordinary ORDINARY", 0),
    "audit": ("audit --liked IN --ordinary ORDINARY", 0),
    "train": (
        "train --liked IN --ordinary ORDINARY --output OUT/a.safetensors --backbone BACKBONE --preset paper",
        0,
    ),
    "combine": ("combine MODEL MODEL --output OUT/both.json", 0),
    "info": ("info MODEL", 0),
    "help": ("--help", 0),
    "wrong usage": ("score", 2),
    "bad input": ("score MODEL IN/nowhere.png", 2),
    "nothing readable": ("score MODEL IN/bad.png", 2),
}
WRITTEN = {
    "best": ["best/contact_sheet.jpg", "best/scores.csv", "best/liked"],
    "best, moved": ["best/contact_sheet.jpg", "best/scores.csv", "best/liked"],
    "heatmap": ["maps/liked00.map.png", "maps/liked00.mask.png"],
    "train": ["a.safetensors"],
    "combine": ["both.json"],
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
    tiny_transformer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, code = COMMANDS[command]
    arguments = line.split()
    (tmp_path / "out").mkdir()
    for short, long in (
        ("MODEL", trained.checkpoint),
        ("OUT/", f"{tmp_path / 'out'}/"),
        ("ORDINARY", trained.ordinary),
        ("BACKBONE", tiny_transformer),
        ("IN", folder),
    ):
        arguments = [argument.replace(short, str(long)) for argument in arguments]
    others = {name: io.StringIO() for name in {"stdout", "stderr"} - {*missing}}
    gone = {name: STREAMS[how]() for name in missing}
    for name, stream in {**others, **gone}.items():
        monkeypatch.setattr(sys, name, stream)
    assert cli.main(arguments) == code
    assert all(getattr(sys, name) is stream for name, stream in gone.items())
    written = "".join(sorted(str(path) for path in (tmp_path / "out").rglob("*")))
    assert all(str(Path(name)) in written for name in WRITTEN.get(command, ()))
    if out := others.get("stdout"):
        assert "ganrm: " not in out.getvalue()
        assert "%|" not in out.getvalue()
        assert bool(out.getvalue()) == (code == 0 or command == "nothing readable")


@pytest.mark.parametrize("missing", MISSING, ids="+".join)
def test_a_program_without_them(missing: tuple[str, ...], trained: Any, folder: Path, tmp_path: Path) -> None:
    done = run([sys.executable, "-c", NONE.format(names=missing) + RUN], trained, folder, tmp_path)
    assert done.returncode == 0
    assert sorted(path.name for path in (tmp_path / "best").iterdir())[:1] == ["contact_sheet.jpg"]
    assert len(list((tmp_path / "best").iterdir())) == 3
    assert b"Traceback" not in done.stdout + done.stderr
    if "stdout" not in missing:
        (line, skipped) = map(json.loads, done.stdout.splitlines())
        assert (line["rank"], Path(skipped["file"]).name) == (1, "bad.png")
    if "stderr" not in missing:
        assert b'ganrm: 1 file was skipped: "bad.png"' in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_by_the_shell(closing: str, trained: Any, folder: Path, tmp_path: Path) -> None:
    done = run(["bash", "-c", f'"$0" -m ganrm_core.cli "$@" {closing}', sys.executable], trained, folder, tmp_path)  # fmt: skip
    assert done.returncode == 0
    (kept,) = (tmp_path / "best").glob("liked*.png")
    # Nothing that was printed went into a file that was opened under the number of a closed stream.
    assert kept.read_bytes() == (folder / kept.name).read_bytes()
    assert (tmp_path / "best" / "scores.csv").read_text(encoding="utf-8-sig").startswith("file,group,rank")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_reader_of_the_messages_that_goes_away_costs_no_result(
    trained: Any, folder: Path, tmp_path: Path
) -> None:
    command = '"$0" -m ganrm_core.cli "$@" 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}'
    done = run(["bash", "-c", command, sys.executable], trained, folder, tmp_path)
    assert done.returncode == 0
    assert len(list((tmp_path / "best").iterdir())) == 3


def run(call: list[str], trained: Any, folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[bytes]:
    arguments = ["best", str(trained.checkpoint), str(folder), "--output", str(tmp_path / "best"), "--json"]
    return subprocess.run(
        [*call, *arguments],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_what_is_there_is_left_alone(trained: Any, ganrm: Callable[..., Any]) -> None:
    assert "held-out AUC" in ganrm("info", trained.checkpoint).out

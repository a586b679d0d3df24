"""Disks that stall or refuse large files, files that change as they are read, and two processes with one name."""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit_support.failing_disk import names

from ganrm_core.training.model_versions import write_replacing
from ganrm_core.utils import file_placement
from ganrm_core.utils.errors import OutputError, SourceError
from ganrm_core.utils.file_placement import PlaceMode, place
from ganrm_core.utils.files import atomic_file, write_new_file

forks = pytest.mark.skipif(sys.platform == "win32", reason="no fork")
SECONDS = 60


def in_process(work: Callable[[], object]) -> int:
    """Number of a forked process that does the work, and ends with 1 where that raises."""
    if child := os.fork():
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def ends_well(*children: int) -> bool:
    return all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children)


def test_what_a_stalled_disk_holds_up_appears_whole_and_nobody_else_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, goes_on, fsync = threading.Event(), threading.Event(), os.fsync
    waiting: list[int] = []

    def slow(descriptor: int) -> None:
        if not waiting:
            waiting.append(descriptor)
            stalled.set()
            assert goes_on.wait(SECONDS)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    writer = threading.Thread(target=write_new_file, args=(tmp_path / "model", b"whole"))
    writer.start()
    assert stalled.wait(SECONDS)
    assert not (tmp_path / "model").exists()
    assert write_new_file(tmp_path / "other", b"mine") == tmp_path / "other"
    goes_on.set()
    writer.join(SECONDS)
    assert (tmp_path / "model").read_bytes() == b"whole"
    assert names(tmp_path) == ["model", "other"]


@forks
def test_a_disk_that_ends_in_the_middle_of_a_file(tmp_path: Path) -> None:
    """With the system's own error, not a stand-in's."""
    (tmp_path / "model").write_bytes(b"old")

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with (
            pytest.raises(OutputError, match="cannot hold a file this big"),
            atomic_file(tmp_path / "model", overwrite=True) as temporary,
        ):
            temporary.write_bytes(bytes(5000))
        with pytest.raises(OutputError, match="cannot hold a file this big"):
            write_replacing(tmp_path / "model", bytes(5000))

    assert ends_well(in_process(work))
    assert names(tmp_path) == ["model"]
    assert (tmp_path / "model").read_bytes() == b"old"


@pytest.mark.parametrize("mode", ["copy", "move"])
@pytest.mark.parametrize("change", ["truncated", "longer", "gone"])
def test_a_file_that_changes_while_it_is_read(
    change: str, mode: PlaceMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(3 << 20))
    blocks = file_placement._blocks

    def changing(reader: Any, path: Path) -> Any:
        for number, block in enumerate(blocks(reader, path)):
            yield block
            if number == 0:
                if change == "gone":
                    path.unlink()
                else:
                    os.truncate(path, (1 << 19) if change == "truncated" else (5 << 20))

    monkeypatch.setattr(file_placement, "_blocks", changing)
    monkeypatch.setattr(file_placement, "hard_link", lambda *_: False)  # another disk
    if change == "truncated":
        with pytest.raises(SourceError, match="does not match"):
            place(source, target, mode)
        assert names(tmp_path) == ["source"]
    else:  # an open file outlasts its name, and what is appended while it is read is read too
        if change == "gone" and mode == "move":
            with pytest.raises(SourceError, match="now also at"):
                place(source, target, mode)
        else:
            place(source, target, mode)
        assert target.stat().st_size == (3 << 20 if change == "gone" else 5 << 20)


@forks
def test_two_processes_save_under_one_name_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "taste.safetensors"

    def saving(who: int) -> Callable[[], None]:
        def work() -> None:
            for number in range(12):
                content = b"%d %d" % (who, number)
                (write_new_file if number % 3 == 0 else write_replacing)(path, content)

        return work

    assert ends_well(*[in_process(saving(who)) for who in range(3)])
    found = sorted(each.read_bytes() for each in tmp_path.iterdir())
    assert found == sorted(b"%d %d" % (who, number) for who in range(3) for number in range(12))
    assert path.exists()

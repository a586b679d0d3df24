"""Partial files of killed processes go, those that are being written stay; locks end with their process."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from unit_support.failing_disk import names

from ganrm_core.utils import file_lock
from ganrm_core.utils.file_lock import lock
from ganrm_core.utils.files import atomic_file
from ganrm_core.utils.partial_files import is_partial, partial_file, remove_abandoned

posix = pytest.mark.skipif(sys.platform == "win32", reason="no such locks, and no fork")


def killed_as_it_writes(path: Path) -> None:
    """A process of its own that dies in the middle of writing `path`."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        return
    with atomic_file(path) as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


@posix
def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    killed_as_it_writes(tmp_path / "model.safetensors")
    (left,) = tmp_path.iterdir()
    assert is_partial(left)
    with partial_file(tmp_path / "other.png") as theirs, atomic_file(tmp_path / "model.safetensors") as mine:
        mine.write_bytes(b"whole")
        assert sorted(tmp_path.iterdir()) == sorted([theirs, mine])
    assert names(tmp_path) == ["model.safetensors"]


def test_without_locks_only_old_ones_go_and_a_date_of_the_future_is_no_young_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "fcntl", None)
    now = time.time()
    ages = {"old": 30, "young": 1, "ahead": -1000}
    paths = {name: tmp_path / f".{place:016x}.part.png" for place, name in enumerate(ages)}
    for name, hours in ages.items():
        paths[name].touch()
        os.utime(paths[name], (now - 3600 * hours,) * 2)
    (tmp_path / ".hidden.part.png").touch()  # another program's
    remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([paths["young"], tmp_path / ".hidden.part.png"])
    remove_abandoned(tmp_path / "absent")


@posix
def test_a_lock_is_held_by_one_and_leaves_nothing(tmp_path: Path) -> None:
    with lock(tmp_path) as first, lock(tmp_path) as second:
        assert (first, second) == (True, False)
    with lock(tmp_path, wait=True) as again, lock(tmp_path / "absent") as absent:
        assert (again, absent) == (True, None)
    assert names(tmp_path) == []

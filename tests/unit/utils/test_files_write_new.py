"""New files while other programs write under the same names."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ganrm_core.selection.output_folder import whole_folder
from ganrm_core.utils import files
from ganrm_core.utils.errors import NameTakenError, OutputError
from ganrm_core.utils.files import write_new, write_new_file


def pair(folder: Path, content: bytes = b"mine") -> Callable[[str], dict[Path, bytes]]:
    return lambda number: {folder / f"a{number}.x": content, folder / f"a{number}.y": content}


@pytest.fixture
def overtaken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Another program that publishes a path between our last look and our own publishing of it."""

    def before(path: Path) -> None:
        publish = files._publish

        def late(temporary: Path, target: Path) -> None:
            if target == path and not target.exists():
                target.write_bytes(b"theirs")
            publish(temporary, target)

        monkeypatch.setattr(files, "_publish", late)

    return before


def test_a_file_that_appears_at_the_last_moment(tmp_path: Path, overtaken: Callable[[Path], None]) -> None:
    overtaken(tmp_path / "a.x")
    assert write_new_file(tmp_path / "a.x", b"mine") == tmp_path / "a (2).x"
    assert (tmp_path / "a.x").read_bytes() == b"theirs"
    assert (tmp_path / "a (2).x").read_bytes() == b"mine"


@pytest.mark.parametrize("taken", ["a.x", "a.y"])
def test_files_that_belong_together_share_a_number(
    taken: str, tmp_path: Path, overtaken: Callable[[Path], None]
) -> None:
    overtaken(tmp_path / taken)
    assert write_new(pair(tmp_path)) == [tmp_path / "a (2).x", tmp_path / "a (2).y"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        taken: b"theirs",
        "a (2).x": b"mine",
        "a (2).y": b"mine",
    }


def test_where_a_disk_has_no_hard_links(
    tmp_path: Path, overtaken: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "link")
    overtaken(tmp_path / "a.x")
    assert write_new_file(tmp_path / "a.x", b"mine").name == "a (2).x"


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    count, start = 8, threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        for _ in range(10):
            write_new(pair(tmp_path, b"%d" % number))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    by_name = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(by_name) == 2 * count * 10
    assert all(content == by_name[name[:-1] + "y"] for name, content in by_name.items() if name.endswith("x"))


def test_what_is_written_already_is_said_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = files._publish

    def full(temporary: Path, target: Path) -> None:
        if target.suffix == ".y":
            raise OSError(28, "No space left on device", str(target))
        publish(temporary, target)

    monkeypatch.setattr(files, "_publish", full)
    with pytest.raises(OutputError, match=r"disk is full.* Written already: .*a\.x") as caught:
        write_new(pair(tmp_path))
    assert not isinstance(caught.value, NameTakenError)
    assert [path.name for path in tmp_path.iterdir()] == ["a.x"]


class TestWholeFolder:
    def test_another_run_fills_the_folder_meanwhile(self, tmp_path: Path) -> None:
        with whole_folder(tmp_path / "best") as new:
            (new.staging / "mine.png").touch()
            (tmp_path / "best").mkdir()
            (tmp_path / "best" / "theirs.png").touch()
        assert new.target == tmp_path / "best (2)"
        assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")) == [
            "best (2)/mine.png",
            "best/theirs.png",
        ]

    def test_a_file_of_that_name_appears_meanwhile(self, tmp_path: Path) -> None:
        with whole_folder(tmp_path / "best") as new:
            (tmp_path / "best").write_text("theirs")
        assert new.target.name == "best (2)"
        assert (tmp_path / "best").read_text() == "theirs"

    def test_an_empty_folder_is_used(self, tmp_path: Path) -> None:
        (tmp_path / "best").mkdir()
        with whole_folder(tmp_path / "best") as new:
            (new.staging / "mine.png").touch()
        assert new.target == tmp_path / "best"
        assert [path.name for path in tmp_path.iterdir()] == ["best"]

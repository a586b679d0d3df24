"""Packages of the benchmarks are fetched once, and a package that cannot be had says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from packages import PackageError, cached, npm_package, timed


def test_a_package_is_fetched_once(tmp_path: Path) -> None:
    source, file = tmp_path / "set-1.0.tgz", tmp_path / "cache" / "set-1.0.tgz"
    source.write_bytes(b"drawings")
    assert cached(file, ["cp", str(source), "."]).read_bytes() == b"drawings"
    source.unlink()
    assert cached(file, ["cp", str(source), "."]) == file
    assert npm_package("@drawn/set", "1.0", _with(tmp_path, "drawn-set-1.0.tgz")).name == "drawn-set-1.0.tgz"


def test_a_package_that_cannot_be_had(tmp_path: Path) -> None:
    for command, why in (
        (["cp", "absent", "."], "cannot be fetched"),
        (["true"], "nothing came"),
        (["no-such-client", "set"], "no-such-client is not installed"),
    ):
        with pytest.raises(PackageError, match=rf"(?s){why}.*put set\.tgz into .*: {command[0]}"):
            cached(tmp_path / "set.tgz", command)
    assert list(tmp_path.iterdir()) == []


def _with(folder: Path, name: str) -> Path:
    (folder / name).write_bytes(b"")
    return folder


def test_a_benchmark_without_its_package_says_only_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise PackageError("fetch the drawings")

    with pytest.raises(SystemExit, match=r"^fetch the drawings$"):
        timed(main)
    timed(lambda: None)
    assert capsys.readouterr().out == "0 s\n"

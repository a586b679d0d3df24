"""Path arguments: pasted quotes, file:// URLs, and patterns such as outputs/*.png, which Windows' shells pass on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.cli.given_paths import expanded, given_path

Ganrm = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('"/a/b c"', "/a/b c"),
        ("'/a/b c'", "/a/b c"),
        ("/a/b c", "/a/b c"),
        ('"', '"'),
        ('""', '""'),
        ("\"a'", "\"a'"),
        ("file:///a/b%20c/%23d", "/a/b c/#d"),
        ("file://localhost/a", "/a"),
        ("'file:///a'", "/a"),
        ("file:///a/caf%E9", "/a/caf\udce9"),
    ],
)
def test_as_pasted(text: str, path: str) -> None:
    assert given_path(text) == Path(path)


def test_an_existing_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path('"a"').touch()
    assert given_path('"a"') == Path('"a"')


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["[ab].png", "a.png", "b.png"]),
        ("?.png", ["a.png", "b.png"]),
        ("[ab].png", ["[ab].png"]),  # an existing file of that name comes first
        ("[a-b].png", ["a.png", "b.png"]),
        ("**/*.png", ["[ab].png", "a.png", "b.png", "deep/c.png"]),
        ("d*", ["deep"]),
        ("z*.png", ["z*.png"]),
        ("a.png", ["a.png"]),
        ("missing.png", ["missing.png"]),
    ],
)
@pytest.mark.parametrize("relative", [True, False])
def test_patterns(
    pattern: str, expected: list[str], relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.png", "a.png", "[ab].png", "note.txt", "deep/c.png", ".hidden.png"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    root = Path() if relative else tmp_path
    assert expanded(root / pattern) == [root / name for name in expected]


def test_commands_take_both(trained: Any, ganrm: Ganrm, tmp_path: Path) -> None:
    liked = trained.liked
    ran = ganrm(
        "score", f'"{trained.checkpoint}"', liked / "liked0[0-2].png", f"'{liked / '*1?.png'}'", "--json"
    )
    assert ran.code == 0, ran.err
    numbers = ("00", "01", "02", *range(10, 14))
    assert [Path(line["file"]).name for line in ran.json] == [f"liked{number}.png" for number in numbers]
    ran = ganrm(
        "heatmap", trained.checkpoint, liked / "*00.png", "--output", f"'{tmp_path / 'maps'}'", "--json"
    )
    assert [Path(line["file"]).name for line in ran.json] == ["liked00.png"]
    pattern = f"'{trained.checkpoint.parent / 'taste*.safetensors'}':0.5"
    ran = ganrm("combine", pattern, trained.checkpoint, "--output", tmp_path / "both.json", "--json")
    assert ran.code == 0, ran.err
    assert [part["weight"] for part in json.loads((tmp_path / "both.json").read_text())["parts"]] == [0.5, 1]


def test_a_pattern_that_matches_nothing(trained: Any, ganrm: Ganrm, tmp_path: Path) -> None:
    ran = ganrm("score", trained.checkpoint, tmp_path / "*.png")
    assert ran.code == 2
    assert ran.err == f'ganrm: There is no file or folder "{tmp_path / "*.png"}". Check the path.\n'

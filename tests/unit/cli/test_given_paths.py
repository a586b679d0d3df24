"""Path arguments: pasted quotes, file:// URLs, and patterns such as outputs/*.png, which Windows' shells pass on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganrm_core.cli.given_paths import expanded, given_path


def test_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, path in {
        '"/a/b c"': "/a/b c",
        "'/a/b c'": "/a/b c",
        "/a/b c": "/a/b c",
        '"': '"',
        '""': '""',
        "\"a'": "\"a'",
        "file:///a/b%20c/%23d": "/a/b c/#d",
        "file://localhost/a": "/a",
        "'file:///a'": "/a",
        "file:///a/caf%E9": "/a/caf\udce9",
    }.items():
        assert given_path(text) == Path(path)
    monkeypatch.chdir(tmp_path)
    Path('"a"').touch()
    assert given_path('"a"') == Path('"a"'), "an existing file of that name comes first"


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.png", "a.png", "[ab].png", "note.txt", "deep/c.png", ".hidden.png"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    for pattern, expected in {
        "*.png": ["[ab].png", "a.png", "b.png"],
        "?.png": ["a.png", "b.png"],
        "[ab].png": ["[ab].png"],  # an existing file of that name comes first
        "[a-b].png": ["a.png", "b.png"],
        "**/*.png": ["[ab].png", "a.png", "b.png", "deep/c.png"],
        "d*": ["deep"],
        "z*.png": ["z*.png"],
        "missing.png": ["missing.png"],
    }.items():
        for root in (Path(), tmp_path):
            assert expanded(root / pattern) == [root / name for name in expected]


def test_commands_take_both(trained: Any, ganrm: Any, tmp_path: Path) -> None:
    liked, model = trained.liked, trained.checkpoint
    ran = ganrm("score", f'"{model}"', liked / "liked0[0-2].png", f"'{liked / '*1?.png'}'", "--json")
    assert ran.code == 0, ran.err
    numbers = ("00", "01", "02", *range(10, 14))
    assert [Path(line["file"]).name for line in ran.json] == [f"liked{number}.png" for number in numbers]
    ran = ganrm("heatmap", model, liked / "*00.png", "--output", f"'{tmp_path / 'maps'}'", "--json")
    assert [Path(line["file"]).name for line in ran.json] == ["liked00.png"]
    pattern = f"'{model.parent / 'taste*.safetensors'}':0.5"
    ran = ganrm("combine", pattern, model, "--output", tmp_path / "both.json", "--json")
    assert [part["weight"] for part in ran.json[0]["parts"]] == [0.5, 1]
    ran = ganrm("score", model, tmp_path / "*.png")
    assert ran.code == 2
    assert ran.err == f'ganrm: There is no file or folder "{tmp_path / "*.png"}". Check the path.\n'

"""Patterns such as outputs/*.png, which shells of Windows hand on as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.cli.given_paths import expanded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.png", "[ab].png", "note.txt", "deep/c.png", ".hidden.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["[ab].png", "a.png", "b.png"]),
        ("?.png", ["a.png", "b.png"]),
        ("[ab].png", ["[ab].png"]),  # what really is called so comes first
        ("[a-b].png", ["a.png", "b.png"]),
        ("**/*.png", ["[ab].png", "a.png", "b.png", "deep/c.png"]),
        ("d*", ["deep"]),
        ("z*.png", ["z*.png"]),
        ("a.png", ["a.png"]),
        ("missing.png", ["missing.png"]),
    ],
)
@pytest.mark.parametrize("relative", [True, False])
def test_expanded(
    pattern: str, expected: list[str], relative: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    root = Path() if relative else folder
    assert expanded(root / pattern) == [root / name for name in expected]


def test_commands_take_them(trained: Any, ganrm: Callable[..., Any], tmp_path: Path) -> None:
    ran = ganrm(
        "score", trained.checkpoint, trained.liked / "liked0[0-2].png", trained.liked / "*1?.png", "--json"
    )
    assert ran.code == 0, ran.err
    numbers = ("00", "01", "02", *range(10, 14))
    assert [Path(line["file"]).name for line in ran.json] == [f"liked{number}.png" for number in numbers]
    ran = ganrm(
        "heatmap", trained.checkpoint, trained.liked / "*00.png", "--output", tmp_path / "maps", "--json"
    )
    assert [Path(line["file"]).name for line in ran.json] == ["liked00.png"]
    pattern = f"{trained.checkpoint.parent / 'taste*.safetensors'}:0.5"
    ran = ganrm("combine", pattern, trained.checkpoint, "--output", tmp_path / "both.json", "--json")
    assert ran.code == 0, ran.err
    assert [part["weight"] for part in json.loads((tmp_path / "both.json").read_text())["parts"]] == [0.5, 1]


def test_one_that_names_nothing_is_said(trained: Any, ganrm: Callable[..., Any], tmp_path: Path) -> None:
    ran = ganrm("score", trained.checkpoint, tmp_path / "*.png")
    assert ran.code == 2
    assert ran.err == f'ganrm: There is no file or folder "{tmp_path / "*.png"}". Check the path.\n'

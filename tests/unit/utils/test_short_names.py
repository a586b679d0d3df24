"""Shortest path endings that tell files apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganrm_core.utils.short_names import short_names


@pytest.mark.parametrize(
    ("paths", "among", "expected"),
    [
        (["a/x.png", "a/y.png"], [], ["x.png", "y.png"]),
        (["a/x.png", "b/x.png"], [], ["a/x.png", "b/x.png"]),
        (["a/x.png"], ["a/x.png", "b/x.png", "b/y.png"], ["a/x.png"]),
        (["1/a/x.png", "2/a/x.png", "2/b/x.png"], [], ["1/a/x.png", "2/a/x.png", "b/x.png"]),
        (["x.png", "a/x.png"], [], ["x.png", "a/x.png"]),
        (["a/x.png", "a/x.png"], [], ["x.png", "x.png"]),
        ([], ["a/x.png"], []),
    ],
)
def test_as_many_folders_as_it_takes(paths: list[str], among: list[str], expected: list[str]) -> None:
    found = short_names([Path(path) for path in paths], [Path(path) for path in among])
    assert found == [str(Path(name)) for name in expected]

"""Shortest path endings that tell files apart, and a message that uses them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.data.labelled_files import find_training_files
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.short_names import short_names


@pytest.mark.parametrize(
    ("paths", "among", "expected"),
    [
        (["a/x.png", "a/y.png"], [], ["x.png", "y.png"]),
        (["a/x.png", "b/x.png"], [], ["a/x.png", "b/x.png"]),
        (["a/x.png"], ["a/x.png", "b/x.png", "b/y.png"], ["a/x.png"]),
        (["a/x.png"], ["a/x.png", "a/y.png"], ["x.png"]),
        (["1/a/x.png", "2/a/x.png", "2/b/x.png"], [], ["1/a/x.png", "2/a/x.png", "b/x.png"]),
        (["x.png", "a/x.png"], [], ["x.png", "a/x.png"]),
        (["a/x.png", "a/x.png"], [], ["x.png", "x.png"]),
        (["a/x.png"], ["b/x.PNG"], ["x.png"]),
        ([], ["a/x.png"], []),
    ],
)
def test_as_many_folders_as_it_takes(paths: list[str], among: list[str], expected: list[str]) -> None:
    found = short_names([Path(path) for path in paths], [Path(path) for path in among])
    assert found == [str(Path(name)) for name in expected]


def test_the_same_picture_under_the_same_name_in_both_sets(make_folder: Any, tmp_path: Path) -> None:
    liked, ordinary = (make_folder(tmp_path / kind, kind, 12) for kind in ("liked", "ordinary"))
    shutil.copy(liked / "liked00.png", ordinary / "liked00.png")
    names = [f'"{Path(folder, "liked00.png")}"' for folder in ("liked", "ordinary")]
    with pytest.raises(DataError) as raised:
        find_training_files(liked, ordinary)
    assert f"(liked = ordinary: {names[0]} = {names[1]})" in str(raised.value)

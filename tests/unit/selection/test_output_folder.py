"""A folder that is filled under a temporary name, then renamed, also where another program takes the name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganrm_core.selection.output_folder import whole_folder


@pytest.mark.parametrize("meanwhile", ["a full folder", "a file", "an empty folder"])
def test_the_name_is_taken_meanwhile(meanwhile: str, tmp_path: Path) -> None:
    wanted = tmp_path / "best"
    with whole_folder(wanted) as new:
        (new.staging / "mine.png").touch()
        if meanwhile == "a file":
            wanted.write_text("theirs")
        else:
            wanted.mkdir()
        if meanwhile == "a full folder":
            (wanted / "theirs.png").touch()
    assert new.target.name == ("best" if meanwhile == "an empty folder" else "best (2)")
    assert [path.name for path in new.target.iterdir()] == ["mine.png"]
    assert {path.name for path in tmp_path.iterdir()} == {"best", new.target.name}

"""What `ganrm audit` prints and returns."""

from __future__ import annotations

from typing import Any

from PIL import Image
from unit_support.workspace import Workspace


def test_findings_are_no_error(work: Workspace) -> None:
    for path in work.ordinary.iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), quality=75)
        path.unlink()
    ran = work.run("audit")
    assert ran.code == 0
    assert ran.lines[0].split(maxsplit=1) == ["pictures", "14 liked, 15 ordinary"]
    (compression,) = [line for line in ran.lines if line.startswith("compression")]
    assert compression.split(maxsplit=2)[1] == "1.000"
    assert compression.endswith("    tells them apart")
    assert "the liked ones are PNGs, the ordinary ones JPEGs of quality about 75 (AUC 1.00)" in ran.out
    (found,) = work.run("audit", "--json").json
    family = found["families"][0]
    assert (family["name"], family["separates"], family["auc"][0]) == ("compression", True, 1)
    assert (found["n_liked"], found["n_ordinary"], found["skipped"]) == (14, 15, [])


def test_clean_and_bad_folders(trained: Any, make_folder: Any, tmp_path: Any, ganrm: Any) -> None:
    liked = trained.liked
    ran = ganrm("audit", "--liked", liked, "--ordinary", make_folder(tmp_path / "new", "liked", 14, first=20))
    assert ran.code == 0
    assert "tells them apart" not in ran.out
    assert ran.lines[-1].startswith("Nothing but the pictures themselves")
    assert ganrm("audit", "--liked", liked, "--ordinary", tmp_path / "none").code == 2


def test_files_left_out_are_named(work: Workspace) -> None:
    (work.ordinary / "broken.png").write_bytes(b"no picture")
    ran = work.run("audit")
    assert ran.code == 0
    assert "broken.png" in ran.err

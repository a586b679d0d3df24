"""Culling: what forms a group, what is kept of it, and the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from unit_support.rewards import Brightness

from ganrm_core.reports.html_page import page
from ganrm_core.selection.cull_report import cull_report, lead
from ganrm_core.selection.culling import CullSettings, cull_files, groups_of_several, the_rest
from ganrm_core.selection.folder_results import FolderSelection
from ganrm_core.utils.errors import DataError


def scene(seed: int, *, side: int = 160, shift: int = 0) -> Image.Image:
    """A picture of soft shapes, different for each seed, seen `shift` pixels further right."""
    random = np.random.default_rng(seed)
    small = random.integers(40, 200, (6, 6, 3), dtype=np.uint8)
    whole = Image.fromarray(small).resize((side + 40, side), Image.Resampling.BICUBIC)
    return whole.crop((shift, 0, shift + side, side))


@pytest.fixture
def shoot(tmp_path: Path) -> list[Path]:
    """Scene 0 in three exposures, scene 1 alone, scene 2 twice; the brightest is the best."""
    folder = tmp_path / "shoot"
    folder.mkdir()
    pictures = {
        "1.png": ImageEnhance.Brightness(scene(0)).enhance(0.8),
        "2.png": ImageEnhance.Brightness(scene(0)).enhance(1.2),
        "3.png": scene(0),
        "4.png": scene(1),
        "5.png": scene(2),
        "6.png": ImageEnhance.Brightness(scene(2)).enhance(0.9),
    }
    for name, picture in pictures.items():
        picture.save(folder / name)
    return [folder / name for name in pictures]


def culled(files: list[Path], **settings: object) -> FolderSelection:
    return cull_files(Brightness(), files, CullSettings(**settings))  # type: ignore[arg-type]


def groups(found: FolderSelection) -> list[str]:
    return ["".join(row.path.stem for row in group) for group in found.groups]


def names(found: FolderSelection) -> str:
    return "".join(row.path.stem for row in found.kept)


def test_the_best_of_each_group_and_what_is_like_no_other(shoot: list[Path]) -> None:
    found = culled(shoot, alike="copies")
    assert groups(found) == ["123", "4", "56"]
    assert names(found) == "245"
    assert "".join(row.path.stem for row in the_rest(found)) == "136"
    assert [row.rank for row in found.rows] == [3, 1, 2, 1, 1, 2]
    assert groups(groups_of_several(found)) == ["123", "56"]
    assert names(culled(shoot, keep=2)) == "23456"


def test_bursts_join_what_copies_do_not(tmp_path: Path) -> None:
    files = []
    for number, shift in enumerate((0, 10)):
        files.append(tmp_path / f"{number}.png")
        scene(5, shift=shift).save(files[-1])
    assert groups(culled(files, alike="copies")) == ["0", "1"]
    assert groups(culled(files, alike="bursts")) == ["01"]


def test_only_files_near_in_name_order(shoot: list[Path], tmp_path: Path) -> None:
    late = tmp_path / "shoot" / "9.png"
    scene(0).save(late)
    files = [*shoot, late]
    assert groups(culled(files)) == ["1239", "4", "56"]
    assert groups(culled(files, within=2)) == ["123", "4", "56", "9"]
    other = tmp_path / "shoot" / "other" / "0.png"
    other.parent.mkdir()
    scene(0).save(other)
    assert groups(culled([other, *shoot], within=2))[0] == "0"


def test_a_file_that_cannot_be_read_is_skipped(shoot: list[Path]) -> None:
    shoot[3].write_bytes(b"no picture")
    found = culled(shoot)
    assert [entry.path for entry in found.skipped] == [shoot[3]]
    assert groups(found) == ["123", "56"]


@pytest.mark.parametrize(
    ("settings", "message"), [({"alike": "x"}, "no grouping"), ({"within": -1}, "within")]
)
def test_settings_that_make_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        CullSettings(**settings)  # type: ignore[arg-type]


def test_the_report_shows_the_groups_and_counts_the_rest(shoot: list[Path]) -> None:
    found = culled(shoot)
    report = cull_report(found, "shoot, culled")
    assert report.lead == "3 of 6 pictures are kept. The other 3 are like one of them, and score lower."
    assert [(section.title, len(section.images)) for section in report.sections] == [
        ("Group 1", 3),
        ("Group 3", 2),
    ]
    captions = [caption for _, caption in report.sections[0].images]
    assert [caption.split("\n")[1] for caption in captions] == ["2.png", "3.png", "1.png"]
    assert [caption.startswith("kept") for caption in captions] == [True, False, False]
    assert dict(report.facts)["Like no other"] == "1"
    assert "shoot, culled" in page(report)
    assert lead(culled(shoot[3:5])) == "None of the 2 pictures is like another: all are kept."

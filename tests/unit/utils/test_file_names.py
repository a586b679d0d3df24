"""File names: truncated to what the file system holds, and numbered where they are taken."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from unit_support.failing_disk import names

from ganrm_core.utils.errors import OutputError
from ganrm_core.utils.file_names import fitting_name, longest_name, numbers, split_name, unique_name
from ganrm_core.utils.files import check_new_file, free_name

LONG = ("漢" * 83, "🎨" * 62, "a portrait of a woman, 85mm, soft light, " * 6, os.fsdecode(b"\xe9") * 250)


@pytest.mark.parametrize("most", [255, 143], ids=["most disks", "eCryptfs"])
def test_the_stem_is_cut_and_the_ending_stays(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pathconf", lambda *_: most)
    for stem in LONG:
        for ending in (".map.png", " (12).features.safetensors", ""):
            name = fitting_name(tmp_path, stem, ending)
            assert len(os.fsencode(name)) <= most
            assert name.endswith(ending)
            cut = name.removesuffix(ending)
            if cut != stem:
                kept, _, digits = cut.rpartition("~")
                assert stem.startswith(kept), "cut between characters"
                assert len(digits) == 8
                assert len(os.fsencode(name)) > most - 4, "no shorter than it must be"


def test_stems_that_begin_alike_stay_apart_and_can_be_written(tmp_path: Path) -> None:
    stems = ["漢" * 90 + end for end in ("", "字", "字字")]
    cut = {fitting_name(tmp_path, stem, ".png") for stem in stems}
    assert len(cut) == 3
    assert cut == {fitting_name(tmp_path / "new", stem, ".png") for stem in stems}
    for name in cut:
        (tmp_path / name).touch()
        second = free_name(tmp_path, name)
        second.touch()
        assert second.suffix == ".png"
    assert len(names(tmp_path)) == 6
    with pytest.raises(OutputError, match=r"too long for this disk. Choose a shorter name"):
        check_new_file(tmp_path / f"{'x' * 250}.safetensors", what="the model")


@pytest.mark.parametrize(("answer", "most"), [(143, 143), (1530, 255), (-1, 255), (OSError(), 255)])
def test_the_limit_of_the_disk(answer: object, most: int, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(os, "pathconf", Mock(side_effect=[answer]))
    assert longest_name(tmp_path / "not" / "yet" / "there") == most


def test_stem_suffix_and_number(tmp_path: Path) -> None:
    assert list(islice(numbers(), 3)) == ["", " (2)", " (3)"]
    assert unique_name(tmp_path, "a.png", {"a.png", "a (2).png"}.__contains__) == "a (3).png"
    sentence = "A castle. It rains, and the king is out"
    for stem, suffix in (("x.map", ".png"), ("none", ""), (sentence, "")):
        assert split_name(stem + suffix) == (stem, suffix)

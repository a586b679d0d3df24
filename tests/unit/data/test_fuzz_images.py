"""Mutated picture files: each is read, or refused in one clear line, and a folder of them is scored to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fuzz_support.picture_cases import folder_faults, picture_case, picture_faults
from fuzz_support.picture_seeds import HEIGHT, WIDTH, is_read, picture_seeds

from ganrm_core.data import image_io
from ganrm_core.data.image_io import read_image
from ganrm_core.utils.errors import ImageError

CASES, IN_FOLDER = 150, 60


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    # A mutated header may claim any size; filling 268 megapixels is what the long command is for.
    monkeypatch.setattr(image_io, "MAX_PIXELS", 1 << 22)


def test_whole_files_are_read_or_refused_by_their_format(tmp_path: Path) -> None:
    for name, content in picture_seeds().items():
        path = tmp_path / name
        path.write_bytes(content)
        if is_read(name):
            assert sorted(read_image(path).shape) == [3, HEIGHT, WIDTH], name
        else:
            with pytest.raises(ImageError, match=r"Save it .*as PNG"):
                read_image(path)


def test_mutated_files_are_read_or_refused_clearly(tmp_path: Path) -> None:
    for number in range(CASES):
        case = picture_case(number)
        path = tmp_path / case.name
        path.write_bytes(case.content)
        _, faults = picture_faults(path)
        assert not faults, f"python -m benchmarks.fuzz --picture {number}: {case.done}"


def test_a_folder_of_mutated_files_is_scored_to_its_end(
    tmp_path: Path, tiny_file: Path, untrained_model: Any
) -> None:
    for number in range(CASES, CASES + IN_FOLDER):
        case = picture_case(number)
        (tmp_path / case.name).write_bytes(case.content)
    scored, faults = folder_faults(tmp_path, untrained_model(f"file:{tiny_file}"))
    assert not faults
    assert 0 < scored < IN_FOLDER

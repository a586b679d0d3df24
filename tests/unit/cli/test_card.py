"""`ganrm card`: the picture, what is inside the file, and what is not."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

Ganrm = Callable[..., Any]


@pytest.fixture
def card(trained: Any, tmp_path: Path, make_folder: Any, ganrm: Ganrm) -> Ganrm:
    """Run the command on a folder of ten pictures, one of which has metadata of its own."""
    folder = make_folder(tmp_path / "private folder", "liked", 5, first=50)
    make_folder(folder, "ordinary", 5, first=60)
    about = PngImagePlugin.PngInfo()
    about.add_text("parameters", "a secret prompt")
    first = next(folder.iterdir())
    with Image.open(first) as picture:
        picture.save(first, pnginfo=about)

    def run(*options: object, output: str = "card.png", model: Path = trained.checkpoint) -> Any:
        return ganrm("card", model, "--pictures", folder, "--output", tmp_path / output, *options)

    return run


def test_the_card_and_what_is_in_the_file(card: Ganrm, trained: Any, tmp_path: Path) -> None:
    ran = card("--name", "Soft light", "--author", "Ana", "--licence", "CC BY 4.0")
    assert ran.code == 0, ran.err
    digest = hashlib.sha256(trained.checkpoint.read_bytes()).hexdigest()
    assert ran.lines[0].split(maxsplit=1) == ["card", str(tmp_path / "card.png")]
    assert digest in ran.lines[1]
    with Image.open(tmp_path / "card.png") as picture:
        assert (picture.format, picture.width) == ("PNG", 1200)
        texts = dict(picture.text)  # type: ignore[attr-defined]
    assert list(texts) == ["ganrm_card"]
    about = {"name": "Soft light", "sha256": digest, "licence": "CC BY 4.0", "author": "Ana"}
    assert json.loads(texts["ganrm_card"]) == about
    content = (tmp_path / "card.png").read_bytes()
    for secret in (b"secret prompt", b"private folder", str(tmp_path).encode(), b"liked_"):
        assert secret not in content


def test_the_same_file_twice_and_from_elsewhere(card: Ganrm, trained: Any, tmp_path: Path) -> None:
    (line,) = card("--json").json
    moved = tmp_path / "elsewhere" / trained.checkpoint.name
    moved.parent.mkdir()
    for name in (trained.checkpoint.name, "tiny.safetensors"):
        shutil.copy(trained.checkpoint.with_name(name), moved.with_name(name))
    assert card(output="again.png", model=moved).code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "card.png").read_bytes()
    assert line == {"card": str(tmp_path / "card.png"), "sha256": line["sha256"], "skipped": []}


@pytest.mark.parametrize(
    ("output", "message"), [("card.jpg", "ends in .png"), ("none/card.png", "folder does not exist")]
)
def test_a_card_that_cannot_be_written(card: Ganrm, output: str, message: str) -> None:
    ran = card(output=output)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_card_is_never_overwritten(card: Ganrm, tmp_path: Path) -> None:
    (tmp_path / "card.png").write_bytes(b"mine")
    assert card().code == 2
    assert (tmp_path / "card.png").read_bytes() == b"mine"


def test_one_picture_is_not_enough(trained: Any, tmp_path: Path, make_folder: Any, ganrm: Ganrm) -> None:
    folder = make_folder(tmp_path / "one", "liked", 1)
    ran = ganrm("card", trained.checkpoint, "--pictures", folder, "--output", tmp_path / "card.png")
    assert ran.code == 2
    assert "only one that can be read" in ran.err
    assert not (tmp_path / "card.png").exists()

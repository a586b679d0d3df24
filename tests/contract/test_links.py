"""Links that the owner placed in ComfyUI's folders are followed, and names are those that Save Image gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack
from contract_support.pictures import noise

SAVE = "GANRMSaveImages"


@pytest.fixture(autouse=True)
def newer_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """ComfyUI 0.33 refuses, with a bare exception, to name pictures in a folder that a link leads out of output to."""
    import folder_paths

    named = folder_paths.get_save_image_path

    def checked(prefix: str, output: str, *rest: Any) -> Any:
        if not (Path(output) / prefix).parent.resolve().is_relative_to(Path(output).resolve()):
            raise Exception("**** ERROR: Saving image outside the output folder is not allowed.")
        return named(prefix, output, *rest)

    monkeypatch.setattr(folder_paths, "get_save_image_path", checked)


@pytest.fixture
def disk(folders: Folders, tmp_path: Path) -> Path:
    """A folder elsewhere, to which links lead from output and from the models."""
    disk = tmp_path / "another disk"
    (disk / "inner").mkdir(parents=True)
    for home in (folders.output, folders.models / "ganrm", folders.models / "ganrm_datasets"):
        (home / "linked").symlink_to(disk)
    return disk


@pytest.mark.parametrize("inner", ["", "inner/", "new/"])
def test_followed_by_save_images(pack: Pack, disk: Path, inner: str) -> None:
    for first in (1, 3):
        result = pack.run(SAVE, images=noise(2), filename_prefix=f"linked/{inner}best")
        names = [f"best_{number:05}_.png" for number in (first, first + 1)]
        assert result["files"] == [f"linked/{inner}{name}" for name in names]
        assert [image["subfolder"] for image in result.ui["images"]] == [f"linked/{inner}".rstrip("/")] * 2
        assert all((disk / inner / name).is_file() for name in names)


def test_followed_by_models_and_datasets(pack: Pack, models: Any, disk: Path, trained: Any) -> None:
    pack.run("GANRMAddToDataset", images=noise(2), dataset_name="linked/likes", pick="1 2")
    assert len(list((disk / "likes").iterdir())) == 2
    pack.run("GANRMSaveModel", reward=trained, name="linked/mine")
    assert (disk / "mine.safetensors").is_file()
    assert "linked/mine.safetensors" in models.model_names()
    assert pack.run("GANRMLoadModel", model="linked/mine.safetensors")["reward"].name == "linked/mine"


def test_a_link_opens_no_way_past_it(pack: Pack, folders: Folders, disk: Path, errors: Any) -> None:
    (folders.output / "gone").symlink_to(disk.parent / "unplugged")
    before = sorted(disk.parent.rglob("*"))
    for prefix in ("linked/../../evil", "linked/../evil/../../x", "../another disk/evil"):
        with pytest.raises(errors.OutputError):
            pack.run(SAVE, images=noise(), filename_prefix=prefix)
    with pytest.raises(errors.OutputError, match=r"Cannot write to .*gone.*Choose another"):
        pack.run(SAVE, images=noise(), filename_prefix="gone/best")
    assert sorted(disk.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "prefix", ["a/b", "%width%x%height%/p", "year %year%/%month%-%day%", "50%/p", "p_00007", "p.q"]
)
@pytest.mark.parametrize(
    "there", ["", "{}_00007_.png", "{}_00002_.webp", "{}_9_extra.txt", "{}x_00009_.png", "{}_no"]
)
def test_the_same_names_as_core_and_quotes_are_dropped(
    pack: Pack, folders: Folders, prefix: str, there: str
) -> None:
    import folder_paths

    home, name, *_ = folder_paths.get_save_image_path(prefix, str(folders.output), 6, 8)
    if there:
        (Path(home) / there.format(name)).touch()
    home, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, str(folders.output), 6, 8)
    result = pack.run(SAVE, images=noise(), filename_prefix=f' "{prefix}" ' if there else prefix)
    assert result["files"] == [str(Path(subfolder) / f"{name}_{counter:05}_.png")]
    assert (Path(home) / f"{name}_{counter:05}_.png").is_file()

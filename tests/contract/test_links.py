"""Links that the owner placed in ComfyUI's folders: one rule for all that is written and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.folders import fill
from contract_support.folders import run as score_folder
from contract_support.pack import Folders, Pack
from contract_support.rewards import Bright

LEVELS = {"a.png": 40, "b.png": 200}


@pytest.fixture
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
    (folders.output / "linked").symlink_to(disk)
    (folders.models / "ganrm" / "linked").symlink_to(disk)
    (folders.models / "ganrm_datasets" / "linked").symlink_to(disk)
    return disk


def noise(count: int) -> torch.Tensor:
    return torch.rand(count, 8, 6, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.usefixtures("newer_host")
class TestFollowed:
    @pytest.mark.parametrize("inner", ["", "inner/", "new/"])
    def test_by_save_images(self, pack: Pack, disk: Path, inner: str) -> None:
        for first in (1, 3):
            result = pack.run("GANRMSaveImages", images=noise(2), filename_prefix=f"linked/{inner}best")
            names = [f"best_{number:05}_.png" for number in (first, first + 1)]
            assert result["files"] == [f"linked/{inner}{name}" for name in names]
            assert [image["subfolder"] for image in result.ui["images"]] == [
                f"linked/{inner}".rstrip("/")
            ] * 2
            assert all((disk / inner / name).is_file() for name in names)

    def test_by_add_to_dataset(self, pack: Pack, disk: Path) -> None:
        for name in ("output/linked/likes", "linked/likes"):
            result = pack.run("GANRMAddToDataset", images=noise(2), dataset_name=name, pick="1 2")
            assert result["added"] + result["skipped"] == 2
        assert len(list((disk / "likes").iterdir())) == 2

    def test_by_score_folder(self, pack: Pack, folders: Folders, disk: Path) -> None:
        fill(folders.input / "shots", LEVELS)
        result = score_folder(pack, Bright(pack), save_to="linked/best", keep=1)
        assert result["best_folder"] == "output/linked/best"
        assert (disk / "best" / "b.png").is_file()

    def test_by_save_model_and_load_model(self, pack: Pack, disk: Path, trained: Any) -> None:
        import folder_paths

        result = pack.run("GANRMSaveModel", reward=trained, name="linked/mine")
        assert result["path"] == str(Path("linked") / "mine.safetensors")
        assert (disk / "mine.safetensors").is_file()
        folder_paths.filename_list_cache.clear()
        assert "linked/mine.safetensors" in pack.module("nodes.host.model_files").model_names()
        assert pack.run("GANRMLoadModel", model="linked/mine.safetensors")["reward"].name == "linked/mine"


def test_a_link_opens_no_way_past_it(pack: Pack, disk: Path) -> None:
    error = pack.module("ganrm_core.utils.errors").OutputError
    before = sorted(disk.parent.rglob("*"))
    for prefix in ("linked/../../evil", "linked/../evil/../../x", "../another disk/evil"):
        with pytest.raises(error):
            pack.run("GANRMSaveImages", images=noise(1), filename_prefix=prefix)
    assert sorted(disk.parent.rglob("*")) == before


def test_a_link_to_nowhere_is_said_in_words(pack: Pack, folders: Folders, tmp_path: Path) -> None:
    (folders.output / "gone").symlink_to(tmp_path / "unplugged")
    with pytest.raises(
        pack.module("ganrm_core.utils.errors").OutputError, match=r"Cannot write to .*gone.*Choose another"
    ):
        pack.run("GANRMSaveImages", images=noise(1), filename_prefix="gone/best")


class TestNamesAsComfyUIGivesThem:
    @pytest.mark.parametrize(
        "prefix", ["p", "a/b", "%width%x%height%/p", "year %year%/%month%-%day%", "50%/p", "p_00007", "p.q"]
    )
    @pytest.mark.parametrize(
        "there", ["", "{}_00007_.png", "{}_00002_.webp", "{}_9_extra.txt", "{}x_00009_.png", "{}_no"]
    )
    def test_the_same_as_core(self, pack: Pack, folders: Folders, prefix: str, there: str) -> None:
        import folder_paths

        home, name, *_ = folder_paths.get_save_image_path(prefix, str(folders.output), 6, 8)
        if there:
            (Path(home) / there.format(name)).touch()
        home, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, str(folders.output), 6, 8
        )
        result = pack.run("GANRMSaveImages", images=noise(1), filename_prefix=prefix)
        assert result["files"] == [str(Path(subfolder) / f"{name}_{counter:05}_.png")]
        assert (Path(home) / f"{name}_{counter:05}_.png").is_file()

    def test_a_prefix_pasted_with_its_quotes(self, pack: Pack, folders: Folders) -> None:
        result = pack.run("GANRMSaveImages", images=noise(1), filename_prefix=' "my pictures/best" ')
        assert result["files"] == ["my pictures/best_00001_.png"]

"""Image Folder, Images to Dataset and Add to Dataset."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.pack import Folders, Many, Pack
from PIL import Image


def noise(count: int = 1, size: tuple[int, int] = (8, 6), channels: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, *size, channels, generator=torch.Generator().manual_seed(seed))


def as_core_saves(image: torch.Tensor) -> np.ndarray[Any, Any]:
    return np.clip(255.0 * image.numpy(), 0, 255).astype(np.uint8)


def pixels(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def put(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / name)


def fails_at_second(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """Let the second picture that is written as PNG fail half-way; what is shown on the node is written by PNG, too."""
    save, calls = Image.Image.save, itertools.count(1)

    def saved(self: Image.Image, path: Path, **options: Any) -> None:
        if next(calls) == 2:
            Path(path).write_bytes(b"half")
            raise error
        save(self, path, **options)

    monkeypatch.setattr(Image.Image, "save", saved)


def is_blocked(pack: Pack, value: Any) -> bool:
    return isinstance(value, pack.module("nodes.display.empty_outputs").ExecutionBlocker)


@pytest.fixture
def errors(pack: Pack) -> Any:
    return pack.module("ganrm_core.utils.errors")


class TestImageFolder:
    def test_schema(self, pack: Pack, folders: Folders) -> None:
        put(folders.input, "cats/a.png")
        schema = pack.schema("GANRMImageFolder")
        assert [socket.id for socket in schema.inputs] == ["folder", "recursive"]
        assert [socket.id for socket in schema.outputs] == ["dataset", "count"]
        assert schema.inputs[0].options == ["input", "input/cats", "output"]
        assert schema.inputs[1].default is False

    def test_finds_in_natural_order(self, pack: Pack, folders: Folders) -> None:
        put(folders.input, "cats/a10.png", "cats/a2.png", "cats/more/b.png")
        result = pack.run("GANRMImageFolder", folder="input/cats")
        assert [path.name for path in result["dataset"].paths] == ["a2.png", "a10.png"]
        assert result["count"] == 2
        assert result["dataset"].name == "input/cats"
        deep = pack.run("GANRMImageFolder", folder="input/cats", recursive=True)
        assert deep["count"] == 3

    def test_bad_folders_are_named_as_the_artist_knows_them(
        self, pack: Pack, folders: Folders, errors: Any
    ) -> None:
        (folders.input / "empty").mkdir()
        put(folders.input, "deep/er/a.png")
        (folders.input / "file.png").touch()
        for value, words in {
            "input/none": r"no folder \"input/none\".*press R",
            "input/empty": r"\"input/empty\".*is empty. Put pictures in it",
            "input/deep": r"\"input/deep\".*Include the subfolders",
            "input/file.png": r"\"input/file.png\".*is not a folder",
            "input/../..": "leads out of its folder",
            str(folders.user): "add this line",
        }.items():
            with pytest.raises(errors.DataError, match=words):
                pack.run("GANRMImageFolder", folder=value)

    def test_validation_says_it_before_the_run(self, pack: Pack, folders: Folders) -> None:
        put(folders.input, "cats/a.png")
        put(folders.input, "deep/er/a.png")

        def refusal(folder: Any, **more: Any) -> str:
            return pack.refusal("GANRMImageFolder", folder=folder, **more)

        assert refusal("input/cats") == refusal(None) == refusal("input/deep", recursive=True) == ""
        assert refusal("input/deep") == "", "where it comes over a link, it may be on"
        assert "press R" in refusal("input/none")
        assert "leads out" in refusal("input/../..")
        assert "add this line" in refusal(str(folders.user))
        assert "named by text" in refusal(5)
        assert "Include the subfolders" in refusal("input/deep", recursive=False)

    def test_fingerprint_follows_the_files(self, pack: Pack, folders: Folders) -> None:
        put(folders.input, "cats/a.png", "cats/more/b.png")
        node = pack.node("GANRMImageFolder")

        def now(recursive: bool = False) -> str:
            return str(node.fingerprint_inputs(folder="input/cats", recursive=recursive))

        first, deep = now(), now(True)
        assert first == now()
        put(folders.input, "cats/more/c.png")
        assert now() == first
        assert now(True) != deep
        os.utime(folders.input / "cats" / "a.png", ns=(1, 1))
        assert now() != first

    @pytest.mark.parametrize("folder", [None, "input/none", "../..", "/etc", "input/\0", 5, ["input"]])
    def test_fingerprint_never_raises(self, pack: Pack, folders: Folders, folder: Any) -> None:
        (folders.input / "empty").mkdir()
        assert isinstance(
            pack.node("GANRMImageFolder").fingerprint_inputs(folder=folder, recursive=None), str
        )


class TestImagesToDataset:
    def test_schema(self, pack: Pack, folders: Folders) -> None:
        schema = pack.schema("GANRMImagesToDataset")
        assert [socket.id for socket in schema.inputs] == ["images"]
        assert [socket.id for socket in schema.outputs] == ["dataset", "count"]

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_bytes_are_those_of_save_image(self, pack: Pack, folders: Folders, channels: int) -> None:
        images = noise(3, channels=channels) * 1.2 - 0.1
        result = pack.run("GANRMImagesToDataset", images=images)
        assert result["count"] == 3
        for image, path in zip(images, result["dataset"].paths, strict=True):
            assert folders.temp in path.parents
            assert (pixels(path).reshape(image.shape) == as_core_saves(image)).all()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_other_precisions(self, pack: Pack, folders: Folders, dtype: torch.dtype) -> None:
        result = pack.run("GANRMImagesToDataset", images=torch.ones(1, 4, 4, 3, dtype=dtype))
        assert (pixels(result["dataset"].paths[0]) == 255).all()

    def test_lists_of_sizes_and_copies(self, pack: Pack, folders: Folders) -> None:
        one, two = noise(2), noise(1, (5, 9), seed=1)
        result = pack.run("GANRMImagesToDataset", images=Many([two, one, two.clone()]))
        assert result["count"] == 3
        assert [pixels(path).shape[:2] for path in result["dataset"].paths] == [(5, 9), (8, 6), (8, 6)]
        again = pack.run("GANRMImagesToDataset", images=one)
        assert again["dataset"].paths == result["dataset"].paths[1:]
        assert len([path for path in folders.temp.rglob("*") if path.is_file()]) == 3

    def test_spoilt_pictures_are_left_out_and_named(self, pack: Pack, folders: Folders, errors: Any) -> None:
        images = noise(3)
        images[1, 2, 2, 0] = float("nan")
        result = pack.run("GANRMImagesToDataset", images=images)
        assert result["count"] == 2
        kept = [pixels(path).tobytes() for path in result["dataset"].paths]
        assert kept == [as_core_saves(images[i]).tobytes() for i in (0, 2)]
        assert result.ui["spoilt"] == [1]
        assert len(result.ui["images"]) == 1, "a card on the node says so"
        assert pack.run("GANRMImagesToDataset", images=noise(3)).ui == {}
        with pytest.raises(
            errors.ImageError, match=r"All 2 pictures hold NaN or infinite values.*--fp32-vae"
        ):
            pack.run("GANRMImagesToDataset", images=torch.full((2, 8, 8, 3), torch.inf))
        with pytest.raises(errors.ImageError, match="no images"):
            pack.run("GANRMImagesToDataset", images=torch.zeros(0, 8, 8, 3))
        with pytest.raises(errors.ImageError, match="1, 3 or 4 channels"):
            pack.run("GANRMImagesToDataset", images=noise(channels=2))

    def test_cancel_is_asked_for_at_every_picture(
        self, pack: Pack, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class CancelError(Exception):
            pass

        calls = iter(range(10))

        def raise_at_second() -> None:
            if next(calls) == 1:
                raise CancelError

        management = pack.module("nodes.host.progress").comfy.model_management
        monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", raise_at_second)
        with pytest.raises(CancelError):
            pack.run("GANRMImagesToDataset", images=noise(4))
        assert len([path for path in folders.temp.rglob("*") if path.is_file()]) == 2


class TestAddToDataset:
    def add(self, pack: Pack, images: Any, pick: str = "", name: str = "my_likes") -> Any:
        return pack.run("GANRMAddToDataset", images=images, dataset_name=name, pick=pick)

    def test_schema(self, pack: Pack, folders: Folders) -> None:
        schema = pack.schema("GANRMAddToDataset")
        assert [socket.id for socket in schema.inputs] == ["images", "dataset_name", "pick"]
        assert [socket.id for socket in schema.outputs] == ["dataset", "added", "skipped", "summary"]
        assert schema.is_output_node
        assert [socket.default for socket in schema.inputs[1:]] == ["my_likes", ""]

    def test_nothing_picked_yet(self, pack: Pack, folders: Folders) -> None:
        result = pack.run("GANRMAddToDataset", images=noise(3))
        assert is_blocked(pack, result["dataset"])
        assert (result["added"], result["skipped"]) == (0, 0)
        assert result["summary"] == (
            "datasets/my_likes has nothing in it yet: type the numbers you like into pick, such as 1 4 7-9, "
            "and run again."
        )
        assert not (folders.models / "ganrm_datasets" / "my_likes").exists()
        (shown,) = result.ui["images"]
        assert (folders.temp / shown["subfolder"] / shown["filename"]).is_file()

    def test_grows_by_pick(self, pack: Pack, folders: Folders) -> None:
        home = folders.models / "ganrm_datasets" / "my_likes"
        images = noise(5)
        first = self.add(pack, images, "1 4-5")
        assert (first["added"], first["skipped"]) == (3, 0)
        assert {path.parent for path in first["dataset"].paths} == {home}
        saved = {pixels(path).tobytes() for path in home.iterdir()}
        assert saved == {as_core_saves(images[i]).tobytes() for i in (0, 3, 4)}
        assert first["dataset"].name == "datasets/my_likes"

        second = self.add(pack, images, "4, 2")
        assert (second["added"], second["skipped"], len(second["dataset"])) == (1, 1, 4)
        assert second["summary"] == "1 added to datasets/my_likes, 1 already there: 4 pictures by now."
        assert second.ui["added"] == [1]
        assert second.ui["picked"] == [2, 4]
        assert second.ui["known"] == [1, 4, 5]

        looking = self.add(pack, images)
        assert (looking["added"], looking["skipped"], len(looking["dataset"])) == (0, 0, 4)
        assert looking["summary"].startswith("datasets/my_likes has 4 pictures; none added")
        assert "datasets/my_likes" in pack.module("nodes.host.folders").folder_choices()

    def test_what_the_owner_put_there_counts(self, pack: Pack, folders: Folders) -> None:
        put(folders.models / "ganrm_datasets" / "my_likes", "mine.png")
        assert len(self.add(pack, noise(2))["dataset"]) == 1
        assert len(self.add(pack, noise(2), "all")["dataset"]) == 3

    def test_copies_among_the_picked_are_added_once(self, pack: Pack, folders: Folders) -> None:
        image = noise()
        result = self.add(pack, Many([image, image.clone(), noise(seed=1)]), "all")
        assert (result["added"], result["skipped"], len(result["dataset"])) == (2, 1, 2)

    def test_what_images_to_dataset_made_is_the_same_picture(self, pack: Pack, folders: Folders) -> None:
        made = pack.run("GANRMImagesToDataset", images=noise())["dataset"].paths[0]
        added = self.add(pack, noise(), "1")["dataset"].paths[0]
        assert (made.name, made.read_bytes()) == (added.name, added.read_bytes())

    def test_bad_picks_add_nothing(self, pack: Pack, folders: Folders, errors: Any) -> None:
        for pick, words in {
            "1 9": "there are 3 images, numbered 1 to 3",
            "1 7-": "is no number to pick",
        }.items():
            with pytest.raises(errors.DataError, match=words):
                self.add(pack, noise(3), pick)
        with pytest.raises(errors.ImageError, match="The only one of the pictures holds NaN"):
            self.add(pack, torch.full((1, 8, 6, 3), torch.nan), "1")
        with pytest.raises(errors.ImageError, match="1, 3 or 4 channels"):
            self.add(pack, Many([noise(), noise(channels=2)]), "1")
        assert not (folders.models / "ganrm_datasets" / "my_likes").exists()

    def test_a_spoilt_picture_costs_the_others_nothing(self, pack: Pack, folders: Folders) -> None:
        images = noise(4)
        images[1, 0, 0, 0], images[2, 3, 3] = torch.inf, torch.nan
        looking = self.add(pack, images)
        assert looking.ui["spoilt"] == [2, 3]
        result = self.add(pack, images, "1-3")
        assert (result["added"], result["skipped"], len(result["dataset"])) == (1, 0, 1)
        assert result["summary"] == (
            "1 added to datasets/my_likes: 1 picture by now. 2 and 3 are spoilt (NaN or infinite values)."
        )
        assert result.ui["spoilt"] == [2, 3]

    def test_a_disk_error_midway_costs_only_that_picture(
        self, pack: Pack, folders: Folders, errors: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fails_at_second(monkeypatch, OSError(5, "Input/output error"))
        result = self.add(pack, noise(4), "all")
        assert (result["added"], result["skipped"], len(result["dataset"])) == (3, 0, 3)
        assert result.ui["failed"] == [2]
        assert re.search(
            r"3 pictures by now\. 2 was not added: Cannot .*Input/output error", result["summary"]
        )

    def test_where_it_may_write(self, pack: Pack, folders: Folders, errors: Any, tmp_path: Path) -> None:
        self.add(pack, noise(), "1", "output/likes/new")
        assert len(list((folders.output / "likes" / "new").iterdir())) == 1
        for name in ("../evil", "output/../../evil", "a/C:/evil", "input/a", "", str(tmp_path / "evil")):
            with pytest.raises(errors.OutputError):
                self.add(pack, noise(), "1", name)
        assert not list(tmp_path.rglob("*evil*"))
        (folders.output / "file").touch()
        with pytest.raises(errors.OutputError, match="is a file, not a folder"):
            self.add(pack, noise(), "1", "output/file")

    def test_a_failed_write_leaves_nothing(
        self, pack: Pack, folders: Folders, errors: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_self: Image.Image, path: Path, **_: Any) -> None:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")

        self.add(pack, noise(), "1")
        monkeypatch.setattr(Image.Image, "save", full)
        with pytest.raises(errors.OutputError, match="disk is full"):
            self.add(pack, noise(seed=1), "1")
        assert len(list((folders.models / "ganrm_datasets" / "my_likes").iterdir())) == 1

    def test_sheet_marks_what_was_picked(self, pack: Pack, folders: Folders) -> None:
        def sheet(pick: str) -> np.ndarray[Any, Any]:
            shown = self.add(pack, torch.zeros(4, 64, 64, 3) + noise(4, (1, 1)), pick).ui["images"][0]
            return pixels(folders.temp / shown["subfolder"] / shown["filename"])

        def gold(picture: np.ndarray[Any, Any]) -> int:
            return int((picture == (255, 196, 61)).all(axis=-1).sum())

        assert gold(sheet("")) == 0
        assert 0 < gold(sheet("1")) < gold(sheet("1 2"))

    def test_fingerprint_follows_the_dataset(self, pack: Pack, folders: Folders) -> None:
        node = pack.node("GANRMAddToDataset")

        def now(name: Any = "my_likes") -> Any:
            return node.fingerprint_inputs(images=[None], dataset_name=[name], pick=["1"])

        first = now()
        assert first == now()
        self.add(pack, noise(), "1")
        assert now() != first
        assert now() == now()
        for name in (None, "../..", "", "/etc", "a\0", 5):
            assert isinstance(now(name), str)

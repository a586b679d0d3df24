"""Image Folder, Images to Dataset and Add to Dataset."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Many, Pack
from contract_support.pictures import as_core_saves, fail_to_save, noise, pixels
from PIL import Image
from unit_support.rated_files import HOSTILE, attribute


def put(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / name)


class TestImageFolder:
    def test_finds_in_natural_order(self, pack: Pack, folders: Folders) -> None:
        put(folders.input, "cats/a10.png", "cats/a2.png", "cats/more/b.png")
        result = pack.run("GANRMImageFolder", folder="input/cats")
        assert [path.name for path in result["dataset"].paths] == ["a2.png", "a10.png"]
        assert (result["count"], result["dataset"].name) == (2, "input/cats")
        assert pack.run("GANRMImageFolder", folder="input/cats", recursive=True)["count"] == 3

    def test_bad_folders_are_refused_when_queued_and_when_run(
        self, pack: Pack, folders: Folders, errors: Any
    ) -> None:
        (folders.input / "empty").mkdir()
        put(folders.input, "deep/er/a.png")
        (folders.input / "file.png").touch()
        for value, words in (
            ("input/none", r"no folder \"input/none\".*press R"),
            ("input/empty", r"\"input/empty\".*is empty. Put pictures in it"),
            ("input/deep", r"\"input/deep\".*Include the subfolders"),
            ("input/file.png", r"\"input/file.png\".*is not a folder"),
            ("input/../..", "leads out of its folder"),
            ("/", "add this line"),
            (5, "named by text"),
        ):
            with pytest.raises(errors.DataError, match=words):
                pack.run("GANRMImageFolder", folder=value)
            assert re.search(words, pack.refusal("GANRMImageFolder", folder=value, recursive=False))
        assert pack.refusal("GANRMImageFolder", folder="input/deep") == "", "recursive may come over a link"


def rated(folder: Path, **stars: object) -> None:
    """Pictures called as the keywords, with these ratings in sidecars; None for none."""
    put(folder, *(f"{name}.png" for name in stars))
    for name, value in stars.items():
        if value is not None:
            (folder / f"{name}.xmp").write_text(attribute(value=value))


class TestRating:
    def test_one_folder_is_liked_and_ordinary(self, pack: Pack, folders: Folders) -> None:
        rated(folders.input / "mine", a=5, b=4, c=3, d=2, e=1, f=-1, g=0, h=None)

        def names(rating: str) -> str:
            result = pack.run("GANRMImageFolder", folder="input/mine", rating=rating)
            assert result["count"] == len(result["dataset"])
            assert result.ui == {}
            return "".join(path.stem for path in result["dataset"].paths)

        assert [names(each) for each in ("at least 4", "at most 2", "unrated", "rejected", "any")] == (
            ["ab", "def", "gh", "f", "abcdefgh"]
        )
        liked = pack.run("GANRMImageFolder", folder="input/mine", rating="at least 4")["dataset"]
        assert liked.name == "input/mine, at least 4"

    def test_nothing_that_fits_and_other_choices(self, pack: Pack, folders: Folders, errors: Any) -> None:
        rated(folders.input / "mine", a=3, b=3, c=None)
        with pytest.raises(errors.DataError) as found:
            pack.run("GANRMImageFolder", folder="input/mine", rating="at least 4")
        assert str(found.value) == (
            'No picture in "input/mine" is rated at least 4: of 3 pictures 2 have 3 stars and 1 has no rating. Rate '
            "pictures there (in Lightroom, digiKam, darktable, Bridge or Windows), or choose another rating."
        )
        for value in ("4", "at least 6", ""):
            assert "Use one of: any, at least 1" in pack.refusal(
                "GANRMImageFolder", folder="input/mine", rating=value
            )
        assert pack.refusal("GANRMImageFolder", folder="input/mine", rating=None) == "", "over a link"

    def test_refused_files_and_a_models_own_stars_are_told_on_a_card(
        self, pack: Pack, folders: Folders
    ) -> None:
        rated(folders.input / "mine", a=5, b=5)
        (folders.input / "mine" / "b.xmp").write_bytes(HOSTILE["bomb"])
        result = pack.run("GANRMImageFolder", folder="input/mine", rating="at least 4")
        assert [path.stem for path in result["dataset"].paths] == ["a"]
        (card,) = result.ui["images"]
        assert (folders.temp / card["subfolder"] / card["filename"]).is_file()
        packet = pack.module("ganrm_core.data.xmp_rating").rating_packet(5)
        (folders.input / "mine" / "b.xmp").write_text(packet, encoding="utf-8")
        result = pack.run("GANRMImageFolder", folder="input/mine", rating="at least 4")
        assert result["count"] == 2
        assert len(result.ui["images"]) == 1
        assert pack.run("GANRMImageFolder", folder="input/mine").ui == {}, "without a rating none is read"

    def test_fingerprint_notices_changed_ratings(self, pack: Pack, folders: Folders) -> None:
        def now(rating: Any = "at least 4", folder: Any = "input/mine") -> Any:
            return pack.node("GANRMImageFolder").fingerprint_inputs(
                folder=folder, recursive=False, rating=rating
            )

        mine = folders.input / "mine"
        rated(mine, a=5, b=None)
        plain, first = now("any"), now()
        assert (now("any"), now()) == (plain, first)
        (mine / "a.xmp").write_text(attribute(value=1))
        second = now()
        assert second != first
        (mine / "b.png.xmp").write_text(attribute(value=5))
        third = now()
        assert third not in (first, second)
        (mine / "b.png.xmp").unlink()
        assert now("any") == plain
        # As programs do that keep the time of a file whose rating they change: size and time are the same.
        status = (mine / "b.png").stat()
        data = (mine / "b.png").read_bytes()
        before = now()
        (mine / "new").write_bytes(data)
        (mine / "new").replace(mine / "b.png")
        os.utime(mine / "b.png", ns=(status.st_atime_ns, status.st_mtime_ns))
        assert now() != before
        assert now(None, None) == "linked"
        assert isinstance(now(folder="../.."), str)


def temporary_files(folders: Folders) -> list[Path]:
    return [path for path in folders.temp.rglob("*") if path.is_file()]


class TestImagesToDataset:
    def test_lists_of_sizes_and_copies(self, pack: Pack, folders: Folders) -> None:
        one, two = noise(2), noise(1, (5, 9), seed=1)
        result = pack.run("GANRMImagesToDataset", images=Many([two, one, two.clone()]))
        assert result["count"] == 3
        assert [pixels(path).shape[:2] for path in result["dataset"].paths] == [(5, 9), (8, 6), (8, 6)]
        again = pack.run("GANRMImagesToDataset", images=one)
        assert again["dataset"].paths == result["dataset"].paths[1:]
        assert sorted(temporary_files(folders)) == sorted(result["dataset"].paths)

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
        for bad, words in (
            (torch.full((2, 8, 8, 3), torch.inf), r"All 2 pictures hold NaN or infinite values.*--fp32-vae"),
            (torch.zeros(0, 8, 8, 3), "no images"),
            (noise(channels=2), "1, 3 or 4 channels"),
        ):
            with pytest.raises(errors.ImageError, match=words):
                pack.run("GANRMImagesToDataset", images=bad)

    def test_cancel_is_asked_for_at_every_picture(self, pack: Pack, folders: Folders, cancel: Any) -> None:
        calls = iter(range(10))
        with pytest.raises(cancel(lambda: next(calls) == 1)):
            pack.run("GANRMImagesToDataset", images=noise(4))
        assert len(temporary_files(folders)) == 2


class TestAddToDataset:
    @pytest.fixture
    def home(self, folders: Folders) -> Path:
        return folders.models / "ganrm_datasets" / "my_likes"

    @pytest.fixture
    def add(self, pack: Pack, home: Path) -> Any:
        def run(images: Any, pick: str = "", name: str = "my_likes") -> Any:
            return pack.run("GANRMAddToDataset", images=images, dataset_name=name, pick=pick)

        return run

    def test_grows_by_pick(
        self, pack: Pack, places: Any, add: Any, home: Path, folders: Folders, is_blocked: Any
    ) -> None:
        def counts(result: Any) -> tuple[int, int, int]:
            return result["added"], result["skipped"], len(result["dataset"])

        images = noise(5)
        nothing = add(images)
        assert is_blocked(nothing["dataset"])
        assert (nothing["added"], nothing["skipped"]) == (0, 0)
        assert "my_likes has nothing in it yet: type the numbers you like into pick" in nothing["summary"]
        assert not home.exists()
        (shown,) = nothing.ui["images"]
        assert (folders.temp / shown["subfolder"] / shown["filename"]).is_file()
        assert nothing.ui["candidates"] == [5]
        assert [tile["number"] for tile in nothing.ui["tiles"]] == [1, 2, 3, 4, 5]

        first = add(images, "1 4-5")
        assert counts(first) == (3, 0, 3)
        assert {path.parent for path in first["dataset"].paths} == {home}
        saved = {pixels(path).tobytes() for path in home.iterdir()}
        assert saved == {as_core_saves(images[i]).tobytes() for i in (0, 3, 4)}
        assert first["dataset"].name == "datasets/my_likes"

        second = add(images, "4, 2")
        assert counts(second) == (1, 1, 4)
        assert second["summary"] == "1 added to datasets/my_likes, 1 already there: 4 pictures by now."
        assert [second.ui[key] for key in ("added", "picked", "known")] == [[1], [2, 4], [1, 4, 5]]

        looking = add(images)
        assert counts(looking) == (0, 0, 4)
        assert looking["summary"].startswith("datasets/my_likes has 4 pictures; none added")
        assert "datasets/my_likes" in places.folder_choices()

        put(home, "mine.png")
        once = add(Many([noise(seed=1), noise(seed=1), noise(seed=2)]), "all")
        assert counts(once) == (2, 1, 7), "a picture is kept once, beside the owner's"
        (made,) = pack.run("GANRMImagesToDataset", images=noise(seed=1))["dataset"].paths
        assert (home / made.name).read_bytes() == made.read_bytes()

    def test_a_spoilt_picture_and_a_disk_error_cost_the_others_nothing(
        self, add: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        images = noise(4)
        images[1, 0, 0, 0], images[2, 3, 3] = torch.inf, torch.nan
        assert add(images).ui["spoilt"] == [2, 3]
        result = add(images, "1-3")
        assert (result["added"], result["skipped"], len(result["dataset"])) == (1, 0, 1)
        assert result["summary"] == (
            "1 added to datasets/my_likes: 1 picture by now. 2 and 3 are spoilt (NaN or infinite values)."
        )
        fail_to_save(monkeypatch, OSError(5, "Input/output error"), range(1, 2))
        result = add(noise(4, seed=1), "all", "others")
        assert (result["added"], result["skipped"], len(result["dataset"])) == (3, 0, 3)
        assert result.ui["failed"] == [2]
        assert re.search(r"3 pictures by now\. 2 was not added: .*Input/output error", result["summary"])

    def test_where_it_may_write(
        self, add: Any, folders: Folders, errors: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(noise(), "1", "output/likes/new")
        assert len(list((folders.output / "likes" / "new").iterdir())) == 1
        for name in ("../evil", "output/../../evil", "a/C:/evil", "input/a", "", str(tmp_path / "evil")):
            with pytest.raises(errors.OutputError):
                add(noise(), "1", name)
        assert not list(tmp_path.rglob("*evil*"))
        (folders.output / "file").touch()
        with pytest.raises(errors.OutputError, match="is a file, not a folder"):
            add(noise(), "1", "output/file")
        fail_to_save(monkeypatch, OSError(28, "No space left on device"))
        with pytest.raises(errors.OutputError, match="disk is full"):
            add(noise(), "1", "output/full")
        assert not list((folders.output / "full").iterdir())

    def test_fingerprint_follows_the_dataset(self, pack: Pack, add: Any) -> None:
        def now(name: Any = "my_likes") -> Any:
            inputs = {"images": [None], "dataset_name": [name], "pick": ["1"]}
            return pack.node("GANRMAddToDataset").fingerprint_inputs(**inputs)

        first = now()
        assert first == now()
        add(noise(), "1")
        assert now() != first
        assert all(isinstance(now(name), str) for name in (None, "../..", "", "/etc", "a\0", 5))

"""`--rated`: one folder with ratings in the place of two, and `ganrm score --write-ratings`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from unit_support.rated_files import HOSTILE, attribute
from unit_support.workspace import Workspace

from ganrm_core.data.ratings import read_rating
from ganrm_core.data.xmp_rating import rating_packet


@pytest.fixture
def rated(work: Workspace) -> Path:
    """The liked pictures with 4 and 5 stars, the ordinary ones with 1 and 2 or rejected."""
    folder = work.root / "rated"
    folder.mkdir()
    for place, stars in ((work.liked, (4, 5)), (work.ordinary, (1, 2, -1))):
        for number, path in enumerate(sorted(place.iterdir())):
            shutil.copy(path, folder)
            rate(folder / path.name, stars[number % len(stars)])
    return folder


def rate(path: Path, stars: int) -> None:
    path.with_name(f"{path.name}.xmp").write_text(attribute(value=stars))


def one_folder(work: Workspace, rated: Path, *options: object) -> Any:
    shutil.rmtree(work.root / "new", ignore_errors=True)  # of the training before
    work.sets[:] = ["--rated", rated]
    return work.run("train", "--json", *options)


class TestRated:
    def test_trains_evaluates_and_audits(self, work: Workspace, rated: Path) -> None:
        ran = one_folder(work, rated)
        assert ran.code == 0, ran.err
        (line,) = ran.json
        assert (line["n_liked"], line["n_ordinary"]) == (14, 15)
        assert (
            "ganrm: Ratings: of 29 pictures 7 have 5 stars, 7 have 4 stars, 5 have 2 stars, 5 have 1 star and 5 are rejected."
            in ran.err
        )
        measured = work.run("evaluate", "--json")
        assert (measured.json[0]["n_liked"], measured.json[0]["n_ordinary"]) == (14, 15)
        assert work.run("audit", "--json").json[0]["n_liked"] == 14

    def test_cuts_unrated_and_rejected(self, work: Workspace, rated: Path) -> None:
        ordinary = sorted(rated.glob("ordinary*.png"))
        for path in ordinary[:3]:
            path.with_name(f"{path.name}.xmp").unlink()
        rate(ordinary[3], 3)
        ran = one_folder(work, rated)
        assert ran.json[0]["n_ordinary"] == 11
        assert "Left out: 3 pictures without a rating. --unrated-ordinary takes them as ordinary." in ran.err
        assert "Left out: 1 picture with a rating between liked and ordinary." in ran.err
        assert one_folder(work, rated, "--unrated-ordinary").json[0]["n_ordinary"] == 14
        assert one_folder(work, rated, "--ordinary-to", 3).json[0]["n_ordinary"] == 12
        assert one_folder(work, rated, "--liked-from", 3).json[0]["n_liked"] == 15
        few = one_folder(work, rated, "--ordinary-to", 0)
        assert (few.code, "Only 4 usable ordinary pictures" in few.err) == (2, True)
        assert "rated, rejected" in few.err

    def test_what_is_told(self, work: Workspace, rated: Path) -> None:
        first, second, *_ = sorted(rated.glob("liked*.png"))
        first.with_name(f"{first.name}.xmp").write_bytes(HOSTILE["bomb"])
        second.with_name(f"{second.name}.xmp").write_text(rating_packet(5), encoding="utf-8")
        ran = one_folder(work, rated)
        assert ran.json[0]["n_liked"] == 13
        (line,) = [line for line in ran.err.splitlines() if "cannot be read" in line]
        assert f'"{first.name}" (in its sidecar "{first.name}.xmp": its XMP declares a document type' in line
        assert "ganrm: Rated by a model, and not changed since: 1 of 28. A taste that learns" in ran.err

    def test_one_picture_with_two_ratings_is_refused_by_name(self, work: Workspace, rated: Path) -> None:
        liked = next(rated.glob("liked*.png"))
        shutil.copy(liked, rated / "copy.png")
        rate(rated / "copy.png", 1)
        ran = one_folder(work, rated)
        assert ran.code == 2
        assert "1 picture is in both the liked and the ordinary set" in ran.err
        assert "copy.png" in ran.err

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--liked-from", 2, "--ordinary-to", 2], "no picture may be both"),
            (["--liked-from", 6], "no picture may be both"),
            (["--ordinary-to", -1], "no picture may be both"),
            (["--liked", "somewhere"], "either --rated or --liked"),
        ],
    )
    def test_contradictions(self, work: Workspace, rated: Path, options: list[object], words: str) -> None:
        before = work.listing()
        ran = one_folder(work, rated, *options)
        assert (ran.code, words in ran.err) == (2, True), ran.err
        assert work.listing() == before

    def test_ratings_without_a_rated_folder_and_no_pictures(self, work: Workspace, tmp_path: Path) -> None:
        ran = work.run("evaluate", "--liked-from", 3)
        assert (ran.code, "--liked-from needs --rated DIR" in ran.err) == (2, True)
        for given in ([], ["--liked", work.liked]):
            work.sets[:] = given
            for command in ("train", "evaluate", "audit"):
                ran = work.run(command)
                assert (ran.code, "Give --liked DIR and --ordinary DIR" in ran.err) == (2, True)
        work.sets[:] = ["--rated", work.liked]
        ran = work.run("train")
        assert ran.code == 2
        assert "is rated at least 4: of 14 pictures 14 have no rating. Rate pictures there" in ran.err


class TestWriteRatings:
    def test_new_sidecars_by_the_models_thresholds(self, work: Workspace) -> None:
        first, second, third, *rest = paths = sorted(work.liked.iterdir())
        rate(first, 2)
        second.with_name(f"{second.stem}.xmp").write_bytes(b"broken")
        third.with_name(f"{third.stem}.XMP").write_text(attribute("xmp:Label", "Red"))
        before = work.listing()
        ran = work.run("score", "--json", "--write-ratings")
        assert ran.code == 0, ran.err
        scores = {Path(line["file"]): line["score"] for line in ran.json}
        after = work.listing()
        assert {name: after[name] for name in before} == before, "nothing is changed"
        assert set(after) - set(before) == {f"{path}.xmp" for path in rest}
        thresholds = json.loads(work.run("info", "--json").out)["thresholds"]
        for path in rest:
            found = read_rating(path)
            assert found is not None
            assert found.by_model
            assert (found.stars >= 3) == (scores[path] >= min(thresholds.values()))
            assert (found.stars >= 4) == (scores[path] >= max(thresholds.values()))
        assert f"Ratings were written beside {len(rest)} of {len(paths)} pictures. The others have" in ran.err
        again = work.run("score", "--json", "--write-ratings")
        assert f"beside 0 of {len(paths)} pictures" in again.err
        assert work.listing() == after
        work.run("score", "--json")
        assert work.listing() == after

    def test_a_model_without_thresholds_is_refused_first(self, work: Workspace, monkeypatch: Any) -> None:
        from ganrm_core.rewards.discriminator.reward_model import RewardModel

        monkeypatch.setattr(RewardModel, "thresholds", {})
        before = work.listing()
        ran = work.run("score", "--write-ratings")
        assert (ran.code, "has no thresholds from 0 to 1" in ran.err, ran.out) == (2, True, "")
        assert work.listing() == before

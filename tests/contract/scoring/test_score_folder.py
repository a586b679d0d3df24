"""Node "Score Folder": what it copies and what it never touches."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contract_support.folders import LEVELS, NODE, files, fill, names, rows, run
from contract_support.nodes import record_sheets, warns
from contract_support.pack import Folders, Pack
from contract_support.rewards import Bright


@pytest.fixture
def score(pack: Pack, bright: Bright, shots: Path) -> Callable[..., Any]:
    """(**inputs) → the node's result on `shots`."""
    return lambda **inputs: run(pack, bright, **inputs)


class TestWhatIsCopied:
    def test_the_best(
        self, pack: Pack, score: Any, shots: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn = record_sheets(pack, monkeypatch, "nodes.scoring.score_folder")
        before = {path.name: path.read_bytes() for path in shots.iterdir()}
        result = score()
        best = folders.output / "best"
        assert files(folders.output) == ["best", "best/b.png", "best/d.png", "best/scores.csv"]
        assert (best / "d.png").read_bytes() == before["d.png"]
        assert {path.name: path.read_bytes() for path in shots.iterdir()} == before
        assert result["best_folder"] == "output/best"
        assert [entry.kept for entry in drawn[0][0]] == [False, True, False, True, False]
        assert result["summary"] == (
            "5 pictures, 2 kept in output/best · min 0.02 · median 0.24 · max 0.49 · suggested threshold 0.31"
            " · model brightness"
        )
        assert len(result.ui.pop("images")) == 1
        assert result.ui.pop("best_scores") == pytest.approx([250 / 510, 200 / 510])
        told = {"best_folder": ["output/best"], "summary": [result["summary"]]}
        assert result.ui == {"best": ["d.png", "b.png"], **told}
        table = rows(result["table"])
        assert [row["file"][0] + row["rank"] + row["kept"] + row["number"] for row in table] == [
            *("d114", "b212", "c303", "a401", "e505")
        ]
        levels = [level / 510 for level in sorted(LEVELS.values(), reverse=True)]
        assert [float(row["score"]) for row in table] == pytest.approx(levels, abs=1e-6)

    @pytest.mark.parametrize(
        ("inputs", "copied", "folder"),
        [
            ({"keep": 99}, "abcde", "output/best"),
            ({"keep": 4, "min_score": 0.2}, "bcd", "output/best"),
            ({"save_to": "datasets/liked"}, "bd", "datasets/liked"),
        ],
    )
    def test_settings(self, places: Any, score: Any, inputs: Any, copied: str, folder: str) -> None:
        result = score(**inputs)
        assert result["best_folder"] == folder
        assert files(places.resolve_folder(folder)) == [*(f"{each}.png" for each in copied), "scores.csv"]
        assert f"5 pictures, {len(copied)} kept" in result["summary"]

    def test_a_folder_that_is_taken_is_not_touched_and_an_empty_one_used(
        self, score: Any, shots: Path, folders: Folders
    ) -> None:
        fill(shots, {"more/d.png": 240})
        fill(folders.output / "best", {"mine.png": 1})
        (folders.output / "best (2)").write_text("a file")
        (folders.output / "best (3)").mkdir()
        result = score(recursive=True)
        assert names(result)[:2] == ["d.png", "more/d.png"]
        assert result["best_folder"] == "output/best (3)"
        assert files(folders.output / "best (3)") == ["d (2).png", "d.png", "scores.csv"]
        assert files(folders.output / "best") == ["mine.png"]
        assert score()["best_folder"] == "output/best (4)"


class TestBadFiles:
    def test_they_are_left_out_and_all_listed(self, score: Any, shots: Path, folders: Folders) -> None:
        bad = [f"bad{number}.png" for number in range(9)]
        for name in bad:
            (shots / name).write_bytes(b"no picture")
        result = score()
        assert "5 pictures, 2 kept" in result["summary"]
        assert '9 files were skipped: "bad0.png"' in result["summary"]
        told = {"rank": "", "score": "", "kept": "0", "skipped": "it is no picture"}
        for name, row in zip(bad, rows(result["table"])[5:], strict=True):
            assert row.items() >= {"file": name, **told}.items()
        saved = (folders.output / "best" / "scores.csv").read_text(encoding="utf-8-sig")
        assert saved.count("it is no picture") == 9

    @pytest.mark.parametrize(("gone", "place"), [("d.png", "copy"), ("d.png", "link"), ("a.png", "link")])
    def test_one_that_goes_after_it_was_scored_costs_only_itself(
        self, pack: Pack, score: Any, shots: Path, folders: Folders, monkeypatch: Any, gone: str, place: str
    ) -> None:
        module = pack.module("nodes.scoring.score_folder")
        rank_files = module.rank_files

        def then_one_goes(*arguments: Any, **named: Any) -> Any:
            selection = rank_files(*arguments, **named)
            (shots / gone).unlink()
            return selection

        monkeypatch.setattr(module, "rank_files", then_one_goes)
        result = score(place=place)
        kept = [name for name in ("d.png", "b.png") if name != gone]
        assert files(folders.output / "best") == [*sorted(kept), "scores.csv"]
        assert (folders.output / "best" / "b.png").samefile(shots / "b.png") == (place == "link")
        assert (
            result.ui["best"] == [row["file"] for row in rows(result["table"]) if row["kept"] == "1"] == kept
        )
        assert ('"d.png" (it is no longer there)' in result["summary"]) == (gone == "d.png")


@pytest.mark.parametrize("keep", [0, 2])
def test_nothing_copied(
    pack: Pack, score: Any, folders: Folders, is_blocked: Any, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    drawn = record_sheets(pack, monkeypatch, "nodes.scoring.score_folder")
    # With keep 0 the folder is never looked at.
    why = {"min_score": 0.9} if keep else {"save_to": "../nowhere", "place": "move"}
    result = score(keep=keep, **why)
    assert {entry.kept for entry in drawn[0][0]} == {False if keep else None}
    assert files(folders.output) == []
    assert is_blocked(result["best_folder"])
    assert ("None reached the minimum score of 0.90; the best is 0.49." in result["summary"]) == bool(keep)
    assert result["summary"].startswith(
        "5 pictures, none copied · " if keep else "5 pictures scored, none copied (keep is 0) · min 0.02"
    )
    assert [row["kept"] for row in rows(result["table"])] == ["0"] * 5
    assert result.ui["best_folder"] == result.ui["best"] == []
    assert warns(result["preview"]) == bool(keep)


class TestRefusals:
    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            *(
                ({"save_to": name}, None)
                for name in ("../escaped", "/tmp/x", "a/../../x", "", "input/shots", "C:\\x")
            ),
            ({"save_to": "taken/best"}, "part of the path is a file"),
            ({"place": "move"}, r"no way to place files 'move'. Use one of: copy, link"),
        ],
        ids=str,
    )
    def test_before_anything_is_scored(
        self, score: Any, bright: Bright, folders: Folders, errors: Any, inputs: Any, message: Any
    ) -> None:
        (folders.output / "taken").write_text("a file")
        before = files(folders.output.parent)
        bright.score_files = lambda *_: pytest.fail("scored")  # type: ignore[method-assign]
        with pytest.raises((errors.OutputError, errors.DataError), match=message):
            score(**inputs)
        assert files(folders.output.parent) == before

    def test_a_folder_without_a_picture_or_elsewhere(
        self, pack: Pack, bright: Bright, errors: Any, folders: Folders
    ) -> None:
        shots = folders.input / "shots"
        with pytest.raises(errors.DataError, match="leads out of its folder"):
            run(pack, bright, folder="input/../..")
        for prepare, message in (
            (lambda: None, r'no folder "input/shots" \(.*shots\)'),
            (shots.mkdir, r"is empty. Put pictures in it"),
            ((shots / "a.png").touch, "No picture could be read"),
        ):
            prepare()
            with pytest.raises(errors.DataError, match=message):
                run(pack, bright)
        assert files(folders.output) == []


@pytest.mark.parametrize("call", [1, 4, 7, 10, 13])
def test_cancel_leaves_nothing_behind(score: Any, folders: Folders, cancel: Any, call: int) -> None:
    checks = itertools.count(1)
    with pytest.raises(cancel(lambda: next(checks) == call)):
        score(save_to="deep/below/best")
    assert files(folders.output) == []


def test_a_folder_scored_again_is_only_read(
    pack: Pack, trained: Any, taste: Any, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders.input / "shots").mkdir()
    for path in sorted(taste.ordinary.iterdir())[:3]:
        (folders.input / "shots" / path.name).write_bytes(path.read_bytes() + b"of this test")
    extractor = pack.module("ganrm_core.rewards.discriminator.feature_extractor").FeatureExtractor
    first = run(pack, trained, keep=0)
    monkeypatch.setattr(extractor, "__call__", lambda *_: pytest.fail("extracted again"))
    assert run(pack, trained, keep=0)["table"] == first["table"]
    # The page must not be able to ask for the cache.
    assert pack.module("ganrm_core.utils.disk_cache").kept_in().path.parent.name == "__ganrm"


class TestEarlierResults:
    @pytest.mark.parametrize("save_to", ["best", "run/best"])
    def test_they_are_not_scored_again_and_change_no_fingerprint(
        self, pack: Pack, bright: Bright, folders: Folders, save_to: str
    ) -> None:
        whole = {"folder": "output", "recursive": True}
        fill(folders.output / "run", LEVELS)
        before = pack.node(NODE).fingerprint_inputs(**whole)
        for suffix in ("", " (2)"):
            result = run(pack, bright, **whole, save_to=save_to)
            assert result["best_folder"] == f"output/{save_to}{suffix}"
            assert sorted(names(result)) == [f"run/{name}" for name in sorted(LEVELS)]
        assert "Left out" in result["summary"]
        assert pack.node(NODE).fingerprint_inputs(**whole) == before

    def test_they_can_be_scored_by_themselves(self, score: Any, folders: Folders, errors: Any) -> None:
        score()
        fill(folders.output / "best", {"contact_sheet.jpg": 255})
        result = score(folder="output/best", keep=1)
        assert names(result) == ["d.png", "b.png"]
        assert result["best_folder"] == "output/best (2)"
        with pytest.raises(errors.DataError, match=r'"output" .* no picture of its own, only pictures that'):
            score(folder="output", recursive=True)


@pytest.mark.parametrize("node", [NODE, "GANRMImageFolder"])
class TestFingerprint:
    @pytest.fixture
    def fingerprint(self, pack: Pack, node: str) -> Callable[..., Any]:
        def now(folder: Any = "input/shots", recursive: bool | None = False) -> Any:
            return pack.node(node).fingerprint_inputs(folder=folder, recursive=recursive)

        return now

    def test_it_changes_with_the_pictures(self, fingerprint: Any, shots: Path) -> None:
        seen = [fingerprint()]
        assert fingerprint() == seen[0]
        flat, deep = seen[0], fingerprint(recursive=True)
        fill(shots, {"more/x.png": 5})
        assert fingerprint() == flat
        assert fingerprint(recursive=True) != deep
        for change in (
            lambda: fill(shots, {"new.png": 3}),
            lambda: os.utime(shots / "a.png", ns=(1, 1)),
            lambda: (shots / "b.png").write_bytes((shots / "b.png").read_bytes() + b" "),
            lambda: (shots / "c.png").rename(shots / "z.png"),
            lambda: (shots / "z.png").unlink(),
            lambda: (shots / "f.png").symlink_to("nowhere.png"),
            lambda: shots.rename(shots.with_name("elsewhere")),
        ):
            change()
            seen.append(fingerprint())
        assert len(set(seen)) == len(seen)
        shots.with_name("elsewhere").rename(shots)
        assert fingerprint() == seen[-2]

    def test_it_never_raises(self, fingerprint: Any, folders: Folders) -> None:
        for value in (None, "../x", "/etc", "input/none", "input/a\0b", "input/\udce9", 5, ["input"]):
            assert fingerprint(value, None) == fingerprint(value, None)

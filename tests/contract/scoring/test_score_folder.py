"""Score Folder: what it copies, what it never touches, and when it runs again."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.folders import LEVELS, NODE, files, fill, rows, run
from contract_support.pack import Folders, Pack
from contract_support.rewards import Bright

WARNING = (255, 138, 101)


@pytest.fixture
def shots(folders: Folders) -> Path:
    return fill(folders.input / "shots", LEVELS)


@pytest.fixture
def bright(pack: Pack) -> Bright:
    return Bright(pack, {"balanced": 0.31})


@pytest.fixture
def errors(pack: Pack) -> Any:
    return pack.module("ganrm_core.utils.errors")


def is_blocked(pack: Pack, value: Any) -> bool:
    return (
        isinstance(value, pack.module("nodes.display.empty_outputs").ExecutionBlocker)
        and value.message is None
    )


def test_the_schema(pack: Pack) -> None:
    schema = pack.schema(NODE)
    assert (schema.display_name, schema.category) == ("Score Folder (GAN-RM)", "GAN-RM")
    assert schema.is_output_node
    assert not schema.is_input_list
    assert [(socket.id, socket.default) for socket in schema.inputs if hasattr(socket, "default")] == [
        ("folder", None),
        ("keep", 10),
        ("save_to", "best"),
        ("recursive", True),
        ("min_score", 0.0),
        ("place", "copy"),
    ]
    assert [socket.id for socket in schema.inputs][:3] == ["folder", "reward", "keep"]
    assert schema.inputs[-1].options == ["copy", "link"]
    assert [(socket.id, socket.io_type, socket.is_output_list) for socket in schema.outputs] == [
        ("table", "STRING", False),
        ("best_folder", "STRING", False),
        ("preview", "IMAGE", False),
        ("summary", "STRING", False),
    ]
    assert all(socket.tooltip for socket in [*schema.inputs, *schema.outputs])
    advanced = [socket.id for socket in schema.inputs if (socket.extra_dict or {}).get("advanced")]
    assert advanced == ["recursive", "min_score", "place"]


class TestWhatIsCopied:
    def test_the_best(self, pack: Pack, bright: Bright, shots: Path, folders: Folders) -> None:
        before = {path.name: path.read_bytes() for path in shots.iterdir()}
        result = run(pack, bright)
        best = folders.output / "best"
        assert files(folders.output) == ["best", "best/b.png", "best/d.png", "best/scores.csv"]
        assert (best / "d.png").read_bytes() == before["d.png"]
        assert {path.name: path.read_bytes() for path in shots.iterdir()} == before
        assert result["best_folder"] == "output/best"
        assert pack.module("nodes.host.folders").resolve_folder(result["best_folder"]) == best
        assert result["preview"].shape[0] == 1
        assert result["summary"] == (
            "5 pictures, 2 kept in output/best · min 0.02 · median 0.24 · max 0.49 · suggested threshold 0.31"
            " · model brightness"
        )
        assert result.ui["best"] == ["d.png", "b.png"]
        assert result.ui["best_scores"] == pytest.approx([250 / 510, 200 / 510])
        assert result.ui["best_folder"] == ["output/best"]
        assert result.ui["summary"] == [result["summary"]]
        assert len(result.ui["images"]) == 1

    @pytest.mark.usefixtures("shots")
    def test_the_table_has_every_picture_best_first(self, pack: Pack, bright: Bright) -> None:
        table = rows(run(pack, bright)["table"])
        assert [row["file"] for row in table] == ["d.png", "b.png", "c.png", "a.png", "e.png"]
        assert [row["rank"] for row in table] == list("12345")
        assert [row["kept"] for row in table] == list("11000")
        assert [row["number"] for row in table] == list("42315")
        assert [float(row["score"]) for row in table] == pytest.approx(
            [level / 510 for level in sorted(LEVELS.values(), reverse=True)], abs=1e-6
        )

    def test_a_copy_among_the_results_is_no_picture_of_its_own(
        self, pack: Pack, bright: Bright, shots: Path, folders: Folders
    ) -> None:
        run(pack, bright)
        dataset = pack.run("GANRMImageFolder", folder="output/best")["dataset"]
        assert [path.name for path in dataset.paths] == ["b.png", "d.png"]
        assert shots.is_dir()
        assert folders.output.is_dir()

    def test_the_summary_says_what_was_left_out_as_earlier_results(
        self, pack: Pack, bright: Bright, shots: Path
    ) -> None:
        fill(shots, {"kept/z.png": 200})
        (shots / "kept" / "scores.csv").write_text("file,group,rank,kept,score,logit,uncertainty,kept_as\n")
        assert "Left out" not in run(pack, bright, recursive=False)["summary"]
        result = run(pack, bright, recursive=True)
        assert "5 pictures, 2 kept" in result["summary"]
        assert '"kept"' in result["summary"].partition("Left out")[2]

    @pytest.mark.usefixtures("shots")
    def test_more_than_there_are(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        run(pack, bright, keep=99)
        assert files(folders.output / "best") == [*sorted(LEVELS), "scores.csv"]

    @pytest.mark.usefixtures("shots")
    def test_a_minimum_score(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        result = run(pack, bright, keep=4, min_score=0.2)
        assert files(folders.output / "best") == ["b.png", "c.png", "d.png", "scores.csv"]
        assert "5 pictures, 3 kept" in result["summary"]

    def test_linking(self, pack: Pack, bright: Bright, shots: Path, folders: Folders) -> None:
        run(pack, bright, place="link")
        assert (folders.output / "best" / "d.png").samefile(shots / "d.png")
        assert files(shots) == sorted(LEVELS)

    def test_subfolders_and_equal_names(
        self, pack: Pack, bright: Bright, shots: Path, folders: Folders
    ) -> None:
        fill(shots, {"more/d.png": 240})
        result = run(pack, bright, recursive=True)
        assert files(folders.output / "best") == ["d (2).png", "d.png", "scores.csv"]
        assert [row["file"] for row in rows(result["table"])][:2] == ["d.png", "more/d.png"]

    @pytest.mark.usefixtures("shots")
    def test_below_datasets(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        result = run(pack, bright, save_to="datasets/liked")
        assert result["best_folder"] == "datasets/liked"
        assert files(folders.models / "ganrm_datasets") == [
            "liked",
            "liked/b.png",
            "liked/d.png",
            "liked/scores.csv",
        ]

    def test_bad_files_are_left_out_and_named(self, pack: Pack, bright: Bright, shots: Path) -> None:
        (shots / "d.png").write_bytes(b"no picture")
        result = run(pack, bright)
        table = rows(result["table"])
        assert [row["file"] for row in table] == ["b.png", "c.png", "a.png", "e.png", "d.png"]
        assert [row["skipped"] for row in table] == ["", "", "", "", "it is no picture"]
        assert (table[4]["rank"], table[4]["score"], table[4]["kept"]) == ("", "", "0")
        assert '1 file was skipped: "d.png"' in result["summary"]

    def test_every_bad_file_is_listed(
        self, pack: Pack, bright: Bright, shots: Path, folders: Folders
    ) -> None:
        for number in range(9):
            (shots / f"bad{number}.png").write_bytes(b"no picture")
        result = run(pack, bright)
        assert "9 files were skipped" in result["summary"]
        listed = [row["file"] for row in rows(result["table"]) if row["skipped"]]
        assert listed == [f"bad{number}.png" for number in range(9)]
        saved = (folders.output / "best" / "scores.csv").read_text(encoding="utf-8-sig")
        assert saved.count("it is no picture") == 9

    def test_a_reward_that_runs_in_threads_reads_on_past_a_group_of_bad_files(
        self, pack: Pack, trained: Any, taste: Any, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            pack.module("ganrm_core.rewards.discriminator.feature_extractor"), "threads_to_share", lambda: 2
        )
        shots = folders.input / "shots"
        shots.mkdir()
        for number in range(9):
            (shots / f"bad{number}.png").write_bytes(bytes([number]) * 99)
        good = sorted(taste.liked.iterdir())[0]
        (shots / good.name).write_bytes(good.read_bytes())
        result = run(pack, trained)
        assert [row["file"] for row in rows(result["table"]) if not row["skipped"]] == [good.name]
        assert "1 picture, 1 kept" in result["summary"]
        assert "9 files were skipped" in result["summary"]

    @pytest.mark.parametrize("gone", ["d.png", "a.png"])
    @pytest.mark.parametrize("place", ["copy", "link"])
    def test_one_that_goes_after_it_was_scored_costs_only_itself(
        self,
        pack: Pack,
        bright: Bright,
        shots: Path,
        folders: Folders,
        monkeypatch: pytest.MonkeyPatch,
        gone: str,
        place: str,
    ) -> None:
        module = pack.module("nodes.scoring.score_folder")
        real = module.rank_files

        def then_one_goes(*arguments: Any, **named: Any) -> Any:
            selection = real(*arguments, **named)
            (shots / gone).unlink()
            return selection

        monkeypatch.setattr(module, "rank_files", then_one_goes)
        result = run(pack, bright, place=place)
        kept = [name for name in ("d.png", "b.png") if name != gone]
        assert files(folders.output / "best") == [*sorted(kept), "scores.csv"]
        assert result.ui["best"] == kept
        assert [row["file"] for row in rows(result["table"]) if row["kept"] == "1"] == kept
        assert result["preview"].shape[0] == 1
        assert ('"d.png" (it is no longer there)' in result["summary"]) == (gone == "d.png")

    @pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be no valid text")
    def test_a_name_that_is_no_text_can_still_be_sent(
        self, pack: Pack, bright: Bright, shots: Path, folders: Folders
    ) -> None:
        (shots / "d.png").rename(shots / os.fsdecode(b"caf\xe9.png"))
        result = run(pack, bright)
        assert len((result["table"] + result["summary"]).encode("utf-8")) > 100
        assert result.ui["best"][0] == "caf\\udce9.png"
        assert len(files(folders.output / "best")) == 3

    def test_the_sheet_of_very_many_reads_only_the_best(
        self, pack: Pack, bright: Bright, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(folders.input / "shots", {f"{number}.png": number for number in range(80)})
        module = pack.module("ganrm_core.selection.selection_sheet")
        read, real = [], module.read_image
        monkeypatch.setattr(module, "read_image", lambda path: read.append(path.name) or real(path))
        result = run(pack, bright, keep=0)
        assert len(rows(result["table"])) == 80
        assert sorted(read) == sorted(f"{number}.png" for number in range(16, 80))


class TestNothingCopied:
    @pytest.mark.usefixtures("shots")
    def test_keep_zero_only_scores(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        result = run(pack, bright, keep=0, save_to="../nowhere", place="move")
        assert files(folders.output) == []
        assert is_blocked(pack, result["best_folder"])
        assert result["summary"].startswith("5 pictures scored, none copied (keep is 0) · min 0.02")
        assert [row["kept"] for row in rows(result["table"])] == ["0"] * 5
        assert result.ui["best_folder"] == result.ui["best"] == []

    @pytest.mark.usefixtures("shots")
    def test_none_is_good_enough(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        result = run(pack, bright, min_score=0.9)
        assert files(folders.output) == []
        assert is_blocked(pack, result["best_folder"])
        assert result["summary"].startswith(
            "5 pictures, none copied · None reached the minimum score of 0.90; the best is 0.49. Lower it, or set it to 0."
        )
        warned = (result["preview"][0] * 255).round().int() == torch.tensor(WARNING)
        assert warned.all(dim=-1).sum() > 1000, "the sheet itself says so"


class TestTheNewFolder:
    @pytest.mark.usefixtures("shots")
    def test_one_that_is_taken_is_not_touched(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        fill(folders.output / "best", {"mine.png": 1})
        (folders.output / "best (2)").write_text("a file")
        assert run(pack, bright)["best_folder"] == "output/best (3)"
        assert files(folders.output / "best") == ["mine.png"]
        assert run(pack, bright)["best_folder"] == "output/best (4)"

    @pytest.mark.usefixtures("shots")
    def test_an_empty_one_is_used(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        (folders.output / "best").mkdir()
        assert run(pack, bright)["best_folder"] == "output/best"
        assert files(folders.output) == ["best", "best/b.png", "best/d.png", "best/scores.csv"]

    @pytest.mark.parametrize(
        "name", ["../escaped", "/tmp/escaped", "a/../../escaped", "", "input/shots", "C:\\x"]
    )
    def test_it_lies_where_writing_is_allowed_or_nothing_is_scored(
        self,
        pack: Pack,
        bright: Bright,
        shots: Path,
        folders: Folders,
        errors: Any,
        name: str,
        tmp_path: Path,
    ) -> None:
        before = files(tmp_path)
        monitored = bright.score_files
        bright.score_files = lambda *_: pytest.fail("scored")  # type: ignore[method-assign]
        with pytest.raises(errors.OutputError):
            run(pack, bright, save_to=name)
        bright.score_files = monitored  # type: ignore[method-assign]
        assert files(tmp_path) == before
        assert shots.is_dir()
        assert files(folders.output) == []

    @pytest.mark.usefixtures("shots")
    def test_files_are_never_moved(self, pack: Pack, bright: Bright, errors: Any) -> None:
        with pytest.raises(errors.DataError, match=r"no way to place files 'move'. Use one of: copy, link"):
            run(pack, bright, place="move")

    @pytest.mark.usefixtures("shots")
    def test_a_folder_that_cannot_be_made_is_said_before_scoring(
        self, pack: Pack, bright: Bright, folders: Folders, errors: Any
    ) -> None:
        (folders.output / "taken").write_text("a file")
        bright.score_files = lambda *_: pytest.fail("scored")  # type: ignore[method-assign]
        with pytest.raises(errors.OutputError, match="part of the path is a file"):
            run(pack, bright, save_to="taken/best")
        assert files(folders.output) == ["taken"]


class TestKept:
    def test_a_folder_scored_again_is_only_read(
        self, pack: Pack, trained: Any, taste: Any, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for path in sorted(taste.ordinary.iterdir())[:5]:
            (folders.input / "shots").mkdir(exist_ok=True)
            (folders.input / "shots" / path.name).write_bytes(path.read_bytes() + b"of this test")
        seen: list[int] = []
        reader = pack.module("ganrm_core.rewards.discriminator.feature_extractor").FeatureExtractor
        real = reader.__call__
        monkeypatch.setattr(
            reader, "__call__", lambda self, pixels: (seen.append(len(pixels)), real(self, pixels))[1]
        )
        first = run(pack, trained, keep=0)
        assert sum(seen) == 5
        again = run(pack, trained, keep=0)
        assert sum(seen) == 5
        assert again["table"] == first["table"]

    def test_it_lies_where_the_page_cannot_ask_for_it(self, pack: Pack) -> None:
        cache = pack.module("ganrm_core.utils.disk_cache").kept_in()
        assert cache.path.parent.name == "__ganrm"


class TestCancel:
    @pytest.mark.parametrize("after", [0, 1, 3, 6, 9, 11, 12])
    @pytest.mark.usefixtures("shots")
    def test_at_any_moment_leaves_nothing(
        self, pack: Pack, bright: Bright, folders: Folders, monkeypatch: pytest.MonkeyPatch, after: int
    ) -> None:
        class CancelledError(Exception):
            pass

        calls: list[int] = []

        def check() -> None:
            if len(calls) == after:
                raise CancelledError
            calls.append(1)

        management = pack.module("nodes.host.progress").comfy.model_management
        monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", check)
        with pytest.raises(CancelledError):
            run(pack, bright, save_to="deep/below/best")
        assert len(calls) == after
        assert files(folders.output) == []

    @pytest.mark.usefixtures("shots")
    def test_a_full_disk_leaves_nothing(
        self, pack: Pack, bright: Bright, folders: Folders, errors: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []
        real = os.link

        def full(source: Any, target: Any, **more: Any) -> None:
            calls.append(target)
            if len(calls) == 3:
                raise OSError(28, "No space left on device", str(target))
            real(source, target, **more)

        monkeypatch.setattr(os, "link", full)
        with pytest.raises(errors.OutputError, match="the disk is full"):
            run(pack, bright)
        assert files(folders.output) == []


class TestFolder:
    @pytest.mark.parametrize("value", ["../x", "/etc", "input/../../x", "C:\\pictures", "somewhere"])
    def test_one_that_may_not_be_read(
        self, pack: Pack, bright: Bright, errors: Any, folders: Folders, value: str
    ) -> None:
        message = pack.refusal(NODE, folder=value)
        with pytest.raises(errors.DataError) as raised:
            run(pack, bright, folder=value)
        assert message == str(raised.value)
        assert files(folders.output) == []

    @pytest.mark.usefixtures("shots")
    @pytest.mark.parametrize("value", ["input/shots", None])
    def test_one_that_may(self, pack: Pack, value: str | None) -> None:
        assert pack.refusal(NODE, folder=value) == ""

    def test_missing_or_without_a_picture(
        self, pack: Pack, bright: Bright, errors: Any, folders: Folders
    ) -> None:
        with pytest.raises(errors.DataError, match=r'no folder "input/shots" \(.*shots\)'):
            run(pack, bright)
        (folders.input / "shots").mkdir()
        with pytest.raises(errors.DataError, match=r"is empty. Put pictures in it"):
            run(pack, bright)

    def test_without_a_readable_picture(
        self, pack: Pack, bright: Bright, errors: Any, folders: Folders
    ) -> None:
        (folders.input / "shots").mkdir()
        (folders.input / "shots" / "a.png").write_bytes(b"")
        with pytest.raises(errors.DataError, match="No picture could be read"):
            run(pack, bright)
        assert files(folders.output) == []

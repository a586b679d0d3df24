"""Blocks, shards and runs that go on, in this process: what a Ray actor calls."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganrm_core.distributed.block_scorer import BlockScorer
from ganrm_core.distributed.listing import Source, listed
from ganrm_core.distributed.run_folder import (
    SCHEMA,
    RunFolder,
    RunSettings,
    Shard,
    list_source,
    shard_sizes,
    shards_of,
)
from ganrm_core.distributed.shard_scorer import ShardScorer
from ganrm_core.distributed.shipped_model import ShippedModel
from ganrm_core.distributed.storage import Folder
from ganrm_core.rewards.base import Reward, Scores
from ganrm_core.utils.errors import CheckpointError, DataError, OutputError

pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[3]


class Brightness:
    """A reward that scores files by their size, counts loads and calls, and dies at some."""

    name, thresholds, needs_prompt = "brightness", {}, False

    def __init__(self, deadly: str = "") -> None:
        self.deadly = deadly
        self.seen: list[str] = []

    def score_files(self, paths: Any, skipped: Any, prompts: Any = None) -> Any:
        for path in paths:
            self.seen.append(path.name)
            if self.deadly and path.name == self.deadly:
                raise SystemExit("the worker is gone")
            value = torch.tensor([math.nan if "nan" in path.name else float(path.stat().st_size)])
            yield path, Scores(value, torch.sigmoid(value), torch.zeros(1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven files of different sizes."""
    (tmp_path / "in").mkdir()
    for number in range(7):
        (tmp_path / "in" / f"g{number % 2}_{number}.png").write_bytes(b"x" * number)
    return tmp_path / "in"


@pytest.fixture
def settings(folder: Path) -> RunSettings:
    return RunSettings("sha", (Source(str(folder)),), shard_size=3)


@pytest.fixture
def run(tmp_path: Path, settings: RunSettings) -> RunFolder:
    """A run that is begun and listed."""
    run = RunFolder(str(tmp_path / "out"))
    assert run.begin(settings) is False
    names = sorted(listed(settings.sources[0]))
    run.complete_listing([run.write_listing(0, names, shard_sizes(1, settings.shard_size))])
    return run


def as_reward(reward: Brightness) -> Callable[[], Reward]:
    return lambda: reward  # type: ignore[return-value]


class TestBlocks:
    def test_rows_are_the_scores_of_one_machine(self, model: Any, make_folder: Any, tmp_path: Path) -> None:
        folder = make_folder(tmp_path / "some", "liked", 5, first=60)
        (folder / "broken.png").write_bytes(b"no picture")
        names = sorted(path.name for path in folder.iterdir())
        rows = BlockScorer(model).rows(Folder(str(folder)), names)
        alone = {path.name: scores for path, scores in model.score_files(sorted(folder.iterdir()), [])}
        assert [Path(row["path"]).name for row in rows] == names
        for row in rows:
            if row["path"].endswith("broken.png"):
                assert row["error"]
                assert row["score"] is row["logit"] is None
            else:
                expected = alone[Path(row["path"]).name]
                assert row["error"] is None
                assert row["logit"] == pytest.approx(float(expected.logit), abs=1e-5)
                assert row["score"] == pytest.approx(float(expected.score), abs=1e-5)

    def test_other_filesystems_give_the_same(self, model: Any, make_folder: Any, tmp_path: Path) -> None:
        pytest.importorskip("fsspec")
        folder = make_folder(tmp_path / "some", "liked", 3, first=70)
        bucket = Folder(f"memory://{tmp_path.name}")
        names = sorted(path.name for path in folder.iterdir())
        for name in names:
            bucket.write(name, (folder / name).read_bytes())
        scorer = BlockScorer(model)
        here, there = scorer.rows(Folder(str(folder)), names), scorer.rows(bucket, [*names, "gone.png"])
        assert [row["logit"] for row in there[:-1]] == pytest.approx([row["logit"] for row in here], abs=1e-5)
        assert there[-1]["error"] == "it is no longer there"
        assert there[0]["path"] == f"memory://{tmp_path.name}/{names[0]}"

    def test_one_picture_that_cannot_be_fetched_is_a_row_and_a_store_that_fails_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("fsspec")
        bucket = Folder(f"memory://{tmp_path.name}-refusing")
        for name in ("a.png", "b.png"):
            bucket.write(name, b"x")
        read = Folder.read

        def refusing(folder: Folder, name: str) -> bytes:
            if name in refused:
                raise DataError(f"Cannot read {name}: access denied")
            return read(folder, name)

        monkeypatch.setattr(Folder, "read", refusing)
        scorer, refused = BlockScorer(as_reward(Brightness())()), {"a.png"}
        rows = scorer.rows(bucket, ["a.png", "b.png"])
        assert [row["error"] for row in rows] == ["Cannot read a.png: access denied", None]
        refused.add("b.png")
        with pytest.raises(DataError, match="access denied"):
            scorer.rows(bucket, ["a.png", "b.png"])

    def test_a_local_folder_that_a_worker_does_not_see_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not see the folder"):
            BlockScorer(as_reward(Brightness())()).rows(Folder(str(tmp_path / "unmounted")), ["a.png"])

    def test_groups_and_figures_that_are_none(self, folder: Path) -> None:
        (folder / "g9_nan.png").write_bytes(b"1")
        scorer = BlockScorer(as_reward(Brightness())(), group_by=r"(g\d)_")
        rows = scorer.rows(Folder(str(folder)), ["g0_2.png", "g9_nan.png", "other.png"])
        assert [row["group"] for row in rows] == ["g0", "g9", None]
        assert [row["error"] for row in rows] == [
            None,
            "its score is not a finite number",
            "its name does not match --group-by",
        ]
        assert all(set(row) == set(SCHEMA) for row in rows)


class TestRuns:
    def test_every_shard_is_scored_once(self, tmp_path: Path, run: RunFolder, settings: RunSettings) -> None:
        reward = Brightness()
        scorer = ShardScorer(str(tmp_path / "out"), settings, as_reward(reward))
        shards = [shard for shard, _ in shards_of(run.counts() or [], 3)]
        assert [scorer.score(shard).pictures for shard in shards] == [3, 3, 1]
        assert run.finished() == set(shards)
        assert sorted(row["logit"] for shard in shards for row in run.read_scores(shard)) == [*range(7)]
        assert scorer.score(shards[0]).pictures == 3
        assert len(reward.seen) == 7

    def test_shards_begin_small_and_hold_every_picture_once(self, tmp_path: Path, folder: Path) -> None:
        assert list_source(str(tmp_path / "listed"), 0, Source(str(folder)), 1, 1000) == 7
        assert [size for _, size in shards_of([5000], 1000)] == [
            *([64] * 16),
            *([128] * 16),
            *([256] * 7),
            136,
        ]
        run = RunFolder(str(tmp_path / "out"))
        names = [f"{number:05}.png" for number in range(2000)]
        counts = [
            run.write_listing(source, names[:count], shard_sizes(3, 200))
            for source, count in enumerate((2000, 70, 0))
        ]
        shards = dict(shards_of(counts, 200))
        first, second = ([size for shard, size in shards.items() if shard.source == each] for each in (0, 1))
        assert first == [*([64] * 5), *([128] * 5), *([200] * 5), 40]
        assert second == [64, 6]
        listed_names = [run.names_of(shard) for shard in shards]
        assert [len(each) for each in listed_names] == [*shards.values()]
        assert [name for each in listed_names for name in each] == [*names, *names[:70]]

    def test_many_sources_do_not_multiply_the_small_shards(self) -> None:
        assert len([*shards_of([5000] * 1000, 1000)]) == 9 * 1000

    def test_listing_needs_no_torch(self) -> None:
        modules = "ganrm_core.distributed.run_folder, ganrm_core.distributed.cluster"
        code = f"import {modules}, sys; print('torch' in sys.modules)"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert ran.stdout.strip() == "False", ran.stderr

    def test_a_stopped_run_goes_on(self, run: RunFolder, settings: RunSettings) -> None:
        ShardScorer(run.folder.place, settings, as_reward(Brightness())).score(Shard(0, 1))
        later = RunFolder(run.folder.place)
        assert later.begin(settings) is True
        assert later.counts() == [7]
        assert later.finished() == {Shard(0, 1)}

    def test_a_run_with_other_settings_is_refused(self, run: RunFolder, folder: Path) -> None:
        other = RunSettings("another", (Source(str(folder)),), shard_size=4)
        with pytest.raises(OutputError, match="differs in: model, shard_size"):
            RunFolder(run.folder.place).begin(other)

    def test_a_run_of_another_version_is_refused(self, run: RunFolder, settings: RunSettings) -> None:
        run.folder.write("run/run.json", json.dumps({**settings.to_json(), "ganrm_run": 1}).encode())
        with pytest.raises(OutputError, match="another version"):
            RunFolder(run.folder.place).begin(settings)

    def test_until_the_listing_is_whole_other_paths_may_be_given(
        self, tmp_path: Path, settings: RunSettings
    ) -> None:
        run = RunFolder(str(tmp_path / "out"))
        run.begin(RunSettings("sha", (Source(str(tmp_path / "mistyped")),), shard_size=3))
        run.write_listing(0, ["a.png"], [3])
        assert run.begin(settings) is False
        assert run.begin(settings) is True
        assert run.folder.names("run/listing") == []

    def test_a_worker_that_was_taken_for_dead_changes_no_finished_shard(
        self, run: RunFolder, settings: RunSettings
    ) -> None:
        late, place = Brightness(), run.folder.place

        class Overtaken(Brightness):
            def score_files(self, paths: Any, skipped: Any, prompts: Any = None) -> Any:
                ShardScorer(place, settings, as_reward(late)).score(Shard(0, 0))
                written.append(Path(place, "scores", f"part-{Shard(0, 0).name}.parquet").stat().st_mtime_ns)
                yield from super().score_files(paths, skipped, prompts)

        written: list[int] = []
        ShardScorer(place, settings, as_reward(Overtaken())).score(Shard(0, 0))
        written.append(Path(place, "scores", f"part-{Shard(0, 0).name}.parquet").stat().st_mtime_ns)
        assert len(late.seen) == 3
        assert written[0] == written[1]

    def test_stopped_by_hand_no_picture_is_blamed(self, run: RunFolder, settings: RunSettings) -> None:
        reward = Brightness(run.names_of(Shard(0, 0))[1])
        with pytest.raises(SystemExit):
            ShardScorer(run.folder.place, settings, as_reward(reward)).score(Shard(0, 0))
        assert run.folder.exists(run.attempts_file(Shard(0, 0)))
        run.forget_attempts()
        assert not run.folder.exists(run.attempts_file(Shard(0, 0)))

    def test_an_output_that_a_worker_does_not_see_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not see the listing"):
            RunFolder(str(tmp_path / "elsewhere")).names_of(Shard(0, 0))

    def test_a_folder_with_something_else_is_refused(self, folder: Path, settings: RunSettings) -> None:
        with pytest.raises(OutputError, match="is not empty"):
            RunFolder(str(folder)).begin(settings)

    def test_a_listing_that_was_stopped_is_not_taken_for_whole(
        self, tmp_path: Path, settings: RunSettings
    ) -> None:
        run = RunFolder(str(tmp_path / "out"))
        run.begin(settings)
        run.write_listing(0, ["a.png"], [3])
        assert RunFolder(str(tmp_path / "out")).counts() is None

    def test_a_picture_that_kills_its_worker_becomes_a_row(
        self, run: RunFolder, settings: RunSettings
    ) -> None:
        killed, deadly = 0, run.names_of(Shard(0, 0))[1]
        for _ in range(10):
            try:
                ShardScorer(run.folder.place, settings, as_reward(Brightness(deadly))).score(Shard(0, 0))
                break
            except SystemExit:
                killed += 1
        assert killed == 5  # three times with its shard, twice by itself
        rows = run.read_scores(Shard(0, 0))
        assert [row["error"] for row in rows] == [None, "the worker ended each time it was read", None]
        assert run.folder.names("run/attempts") == []

    def test_names_need_not_be_text(self, tmp_path: Path, settings: RunSettings) -> None:
        run = RunFolder(str(tmp_path / "out"))
        run.write_listing(0, ["\udcff.png"], [3])
        assert run.names_of(Shard(0, 0)) == ["\udcff.png"]


class TestShippedModels:
    def test_a_checkpoint_travels_as_bytes(self, trained: Any, tmp_path: Path, make_folder: Any) -> None:
        shipped = ShippedModel.of(trained.checkpoint)
        pictures = sorted(make_folder(tmp_path / "p", "liked", 2, first=50).iterdir())
        assert shipped.content == trained.checkpoint.read_bytes()
        reward = shipped.load("cpu")
        assert reward.name == trained.checkpoint.stem
        assert len(list(reward.score_files(pictures, []))) == 2

    def test_what_is_no_model_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="There is no model at"):
            ShippedModel.of(tmp_path / "none.safetensors")

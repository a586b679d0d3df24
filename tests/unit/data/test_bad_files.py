"""Any number of files that cannot be read, anywhere among good ones: skipped, named and counted, and the rest done."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from ganrm_core.backbones.base import ExecutionPlan
from ganrm_core.data import image_cache
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.discriminator import feature_extractor, file_features
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.rewards.evaluation import evaluate
from ganrm_core.selection.folder import FolderSettings, rank_files
from ganrm_core.utils.disk_cache import FILE, DiskCache, keep_in
from ganrm_core.utils.errors import DataError, ImageError
from ganrm_core.utils.progress import Progress

Ganrm = Callable[..., Any]
Spoil = Callable[[Path], object]

COUNT, BATCH = 8, 2
WINDOWS = [range(start, stop) for start in range(COUNT) for stop in range(start + 1, COUNT + 1)]
"""Every run of bad files among the eight: the first, the last, a whole group, all but one, all."""
_random = random.Random(0)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.png")


SPOILS: list[Spoil] = [
    lambda path: path.write_bytes(_random.randbytes(400)),
    lambda path: path.write_bytes(b""),
    Path.unlink,
    _cut,
    _folder,
    _link_to_nowhere,
]


@pytest.fixture(params=["one after the other", "side by side"])
def in_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tiny_file: Path) -> bool:
    """Whether the backbone of these tests runs in several threads; in groups of two pictures either way."""
    from ganrm_core.backbones.registry import load_backbone

    threads: bool = request.param == "side by side"
    kind = type(load_backbone(f"file:{tiny_file}"))
    read, alone = kind.features, Lock()

    def one_at_a_time(*arguments: Any, **named: Any) -> Any:
        with alone:  # its hooks know no threads; those that decode and call it are what is tested
            return read(*arguments, **named)

    monkeypatch.setattr(kind, "features", one_at_a_time)
    monkeypatch.setattr(
        kind, "plan", lambda *_: ExecutionPlan(BATCH, channels_last=False, side_by_side=threads)
    )
    monkeypatch.setattr(feature_extractor, "threads_to_share", lambda: 2)
    return threads


@pytest.fixture
def model(in_threads: bool, tiny_file: Path, untrained_model: Any) -> RewardModel:
    model: RewardModel = untrained_model(f"file:{tiny_file}")
    assert model.reader.threads == (2 if in_threads else 0)
    return model


@pytest.fixture(params=["no cache", "cold", "warm"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param != "no cache":
        keep_in(DiskCache(tmp_path / "cache" / FILE, 10**8))
    yield request.param
    keep_in(None)


@pytest.fixture
def files(make_folder: Any, tmp_path: Path) -> list[Path]:
    return sorted(make_folder(tmp_path / "pictures", "liked", COUNT).iterdir())


def spoilt(files: Sequence[Path], window: Sequence[int], folder: Path) -> list[Path]:
    """Copies of the files in `folder`, of which those in the window cannot be read."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copies = [Path(shutil.copy(path, folder)) for path in files]
    for place in window:
        SPOILS[place % len(SPOILS)](copies[place])
    return copies


def logits(reward: Any, paths: list[Path]) -> tuple[dict[str, float], list[Skipped]]:
    skipped: list[Skipped] = []
    return {path.name: float(s.logit) for path, s in reward.score_files(paths, skipped)}, skipped


@pytest.mark.parametrize("kind", ["a model", "two on one backbone", "two backbones"])
def test_files_are_scored_around_any_run_of_bad_ones(
    kind: str, model: RewardModel, untrained_model: Any, make_clip_vision: Any, files: list[Path], cache: str, tmp_path: Path
) -> None:  # fmt: skip
    reward: Any = model
    if kind == "two on one backbone":
        reward = CombinedReward([model, model])
    if kind == "two backbones":
        other = untrained_model(f"file:{make_clip_vision(tmp_path / 'other.safetensors', 9)}")
        reward = CombinedReward([model, other])
    expected, _ = logits(reward, files) if cache != "cold" else ({}, [])
    for window in WINDOWS:
        copies = spoilt(files, window, tmp_path / "copies")
        found, skipped = logits(reward, copies)
        good = [path.name for place, path in enumerate(copies) if place not in window]
        assert list(found) == good, window
        assert [entry.path for entry in skipped] == [copies[place] for place in window], window
        assert all(entry.reason for entry in skipped)
        expected = expected or logits(reward, files)[0]
        assert found == pytest.approx({name: expected[name] for name in good}, abs=1e-5), window


@pytest.mark.parametrize("shared", [False, True])
def test_scores_of_a_list_name_every_bad_file(
    shared: bool, model: RewardModel, files: list[Path], tmp_path: Path
) -> None:
    reward: Any = CombinedReward([model, model]) if shared else model
    assert len(reward.score(files)) == COUNT
    for window in WINDOWS:
        copies = spoilt(files, window, tmp_path / "copies")
        with pytest.raises(ImageError) as raised:
            reward.score(copies)
        message = str(raised.value)
        for place, path in enumerate(copies):
            assert (path.name in message) == (place in window), (window, message)
        if len(window) > 1:
            assert message.startswith(f"{len(window)} of {COUNT} files cannot be read, so nothing was scored")


@pytest.mark.parametrize("window", [range(1), range(2, 6), range(7, 8), range(1, COUNT), range(COUNT)])
def test_ranking_and_evaluating(
    window: range, model: RewardModel, files: list[Path], make_folder: Any, tmp_path: Path
) -> None:
    ordinary = sorted(make_folder(tmp_path / "ordinary", "ordinary", 3).iterdir())
    copies = spoilt(files, window, tmp_path / "copies")
    if len(window) == COUNT:
        with pytest.raises(DataError, match=r"No picture could be read.*8 files were skipped.*and 3 more"):
            rank_files(model, copies, FolderSettings())
        with pytest.raises(DataError, match="None of the ordinary pictures could be read"):
            evaluate(model, ordinary, copies)
        return
    steps: list[Progress] = []
    ranked = rank_files(model, copies, FolderSettings(keep=2), progress=steps.append)
    assert len(ranked.rows) == COUNT - len(window)
    assert [entry.path for entry in ranked.skipped] == [copies[place] for place in window]
    assert (steps[-1].done, steps[-1].total) == (COUNT, COUNT)
    found = evaluate(model, copies, ordinary)
    assert (len(found.labels), len(found.skipped)) == (COUNT - len(window) + 3, len(window))


@pytest.fixture
def checkpoint(model: RewardModel, tiny_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "models" / tiny_file.name
    path.parent.mkdir()
    shutil.copy(tiny_file, path)
    model.save(path.with_name("taste.safetensors"))
    return path.with_name("taste.safetensors")


@pytest.mark.parametrize("command", ["score", "score of two", "best", "heatmap", "evaluate"])
@pytest.mark.parametrize("window", [range(1), range(2, 6), range(1, COUNT), range(COUNT)])
def test_commands_that_score(
    command: str,
    window: range,
    checkpoint: Path,
    files: list[Path],
    make_folder: Any,
    tmp_path: Path,
    ganrm: Ganrm,
) -> None:
    copies = spoilt(files, window, tmp_path / "copies")
    for path in copies:
        if not path.exists() and not path.is_symlink():
            path.write_bytes(b"")  # the commands list the folder: one that is gone is none of theirs
        if path.is_dir():
            path.rmdir()
            path.write_bytes(b"no picture")
    good = [path for place, path in enumerate(copies) if place not in window]
    ordinary = make_folder(tmp_path / "ordinary", "ordinary", 3)
    folder, pair = tmp_path / "copies", tmp_path / "models" / "both.json"
    if command == "score of two":
        assert ganrm("combine", checkpoint, checkpoint, "--output", pair).code == 0
    ran = ganrm(
        *{
            "score": ["score", checkpoint, folder],
            "score of two": ["score", pair, folder],
            "best": ["best", checkpoint, folder, "--keep", COUNT, "--output", tmp_path / "out"],
            "heatmap": ["heatmap", checkpoint, folder, "--output", tmp_path / "out"],
            "evaluate": ["evaluate", checkpoint, "--liked", folder, "--ordinary", ordinary],
        }[command],
        "--json",
    )
    assert f"{len(window)} file" in ran.err
    assert f'"{copies[window[0]].name}"' in ran.err
    assert "Traceback" not in ran.err
    assert ran.code == (0 if good else 2)
    if not good and command in ("best", "evaluate"):
        assert ran.out == ""
        assert not (tmp_path / "out").exists()
        return
    (lines, skipped) = (
        ([{"file": str(path)} for path in good], ran.json[0]["skipped"])
        if command == "evaluate"
        else ([each for each in ran.json if "score" in each or "map" in each], [each for each in ran.json if "skipped" in each])
    )  # fmt: skip
    assert sorted(each["file"] for each in lines) == [str(path) for path in good]
    assert [each["file"] for each in skipped] == [str(copies[place]) for place in window]
    assert all(list(each) == ["file", "skipped"] and each["skipped"] for each in skipped)


@pytest.fixture
def sets(make_folder: Any, tmp_path: Path) -> dict[str, Path]:
    """Twelve good pictures of each, and bad ones before, among and after them; 7 in each folder."""
    folders = {kind: make_folder(tmp_path / kind, kind, 12) for kind in ("liked", "ordinary")}
    for folder in folders.values():
        good = sorted(folder.iterdir())
        for number in range(7):
            after = good[0].with_name("a") if number == 0 else good[11 if number == 1 else 5]
            bad = folder / f"{after.stem} bad{number}.png"
            bad.write_bytes(_random.randbytes(300) if number % 2 else b"")
    return folders


@pytest.mark.usefixtures("in_threads")
class TestCommandsThatRead:
    def test_train_then_refine(
        self, sets: dict[str, Path], make_folder: Any, tiny_file: Path, tmp_path: Path, ganrm: Ganrm
    ) -> None:
        folders = ["--liked", sets["liked"], "--ordinary", sets["ordinary"]]
        model = tmp_path / "taste.safetensors"
        ran = ganrm(
            *("train", *folders, "--backbone", f"file:{tiny_file}", "--views", 1, "--json"),
            *("--output", model, "--keep-features"),
        )
        assert ran.code == 0, ran.err
        (line,) = ran.json
        assert (line["n_liked"], line["n_ordinary"], len(line["skipped"])) == (12, 12, 14)
        assert "14 files were skipped" in ran.err
        pool = make_folder(tmp_path / "pool", "ordinary", 30, first=50)
        for number in range(7):
            (pool / f"{number}.png").write_bytes(b"" if number % 2 else b"no picture")
        more = ["--pool", pool, "--backbones", tiny_file.parent, "--rounds", 1, "--json"]
        ran = ganrm("refine", model, *more, "--output", tmp_path / "b.safetensors")
        assert ran.code == 0, ran.err
        (line,) = ran.json
        assert (line["n_pool"], line["n_skipped"], len(line["skipped"])) == (30, 7, 7)
        ran = ganrm("refine", model, *more, *folders, "--output", tmp_path / "c.safetensors")
        assert ran.code == 0, ran.err
        assert len(ran.json[0]["skipped"]) == 7 + 14

    def test_audit(self, sets: dict[str, Path], ganrm: Ganrm) -> None:
        ran = ganrm("audit", "--liked", sets["liked"], "--ordinary", sets["ordinary"], "--json")
        assert ran.code == 0, ran.err
        (line,) = ran.json
        assert (line["n_liked"], line["n_ordinary"], len(line["skipped"])) == (12, 12, 14)
        assert "14 files were skipped" in ran.err

    @pytest.mark.parametrize("command", ["train", "audit"])
    def test_too_few_are_left(
        self, command: str, sets: dict[str, Path], tiny_file: Path, tmp_path: Path, ganrm: Ganrm
    ) -> None:
        for path in sorted(sets["liked"].glob("liked??.png"))[1:]:
            path.write_bytes(b"no picture " + path.name.encode())
        output = ["--backbone", f"file:{tiny_file}", "--output", tmp_path / "a.safetensors"]
        ran = ganrm(
            *(command, "--liked", sets["liked"], "--ordinary", sets["ordinary"]),
            *(output if command == "train" else []),
        )
        assert ran.code == 2
        said = ran.err.splitlines()[-1]
        assert said.startswith(f'ganrm: Only 1 usable liked picture in "{sets["liked"]}".')
        assert re.search(r"25 files were skipped: .* and 20 more\.$", said)

    def test_files_that_go_while_training_reads_them(
        self, sets: dict[str, Path], tiny_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ganrm_core.training.config import TrainingSettings
        from ganrm_core.training.trainer import train

        monkeypatch.setattr(image_cache, "_MOST_BYTES", 0)  # so that every picture is decoded again
        gone = [*sorted(sets["liked"].glob("liked??.png"))[:2], sets["ordinary"] / "ordinary11.png"]

        def remove(step: Progress) -> None:
            if step.stage == "reading pictures" and step.done == 0:
                for path in gone:
                    path.unlink()

        settings = TrainingSettings(backbone=f"file:{tiny_file}", views=2)
        result = train(sets["liked"], sets["ordinary"], settings, progress=remove)
        assert (result.n_liked, result.n_ordinary) == (10, 11)
        assert [entry.path for entry in result.skipped[-3:]] == gone
        assert result.model.card["provenance"]["n_skipped"] == 14 + 3
        assert result.known is not None
        table = result.known.table
        assert len(table.facts) == len(table.hashes) == len(result.known.features) == 21
        assert not set(gone) & set(table.paths)
        assert "17 files were skipped" in " ".join(result.warnings)


def test_equal_names_are_told_apart(
    model: RewardModel, make_folder: Any, tmp_path: Path, checkpoint: Path, ganrm: Ganrm
) -> None:
    assert model
    for name in ("a", "b"):
        make_folder(tmp_path / "tree" / name, "liked", 3)
    (tmp_path / "tree" / "b" / "liked01.png").write_bytes(b"no picture")
    ran = ganrm("score", checkpoint, tmp_path / "tree", "--recursive")
    assert f'1 file was skipped: "{Path("b", "liked01.png")}" (' in ran.err
    sets = ["--liked", tmp_path / "tree" / "a", "--ordinary", tmp_path / "tree" / "b"]
    shutil.copy(tmp_path / "tree" / "b" / "liked01.png", tmp_path / "tree" / "b" / "only.png")
    for path in (tmp_path / "tree" / "b").glob("liked*"):
        path.write_bytes(b"no picture")
    make_folder(tmp_path / "tree" / "b", "ordinary", 3)
    ran = ganrm("evaluate", checkpoint, *sets)
    assert f'"{Path("b", "liked00.png")}" (' in ran.err
    assert '"only.png" (' in ran.err


def test_the_stream_never_gives_a_group_without_a_file(
    model: RewardModel, files: list[Path], tmp_path: Path
) -> None:
    store = file_features.FeatureCache(model.reader, model.border_trim)
    for window in WINDOWS:
        copies = spoilt(files, window, tmp_path / "copies")
        for found, vectors in file_features.stream_features(copies, model.reader, model.prepare, store, []):
            assert len(found) == len(vectors) > 0


def test_the_list_is_as_long_as_there_are_bad_files(
    checkpoint: Path, files: list[Path], tmp_path: Path, ganrm: Ganrm
) -> None:
    for path in files[1:]:
        path.write_bytes(b"no picture")
    ran = ganrm("score", checkpoint, files[0].parent)
    assert ran.err.endswith("and 2 more. All are listed in what --json and --csv print.\n")
    ran = ganrm("best", checkpoint, files[0].parent, "--output", tmp_path / "best")
    assert "and 2 more. All are listed in scores.csv.\n" in ran.err
    listed = (tmp_path / "best" / "scores.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [Path(line.split(",")[0]).name for line in listed[2:]] == [path.name for path in files[1:]]
    csv_lines = ganrm("score", checkpoint, files[0].parent, "--csv").lines
    assert len(csv_lines) == 1 + COUNT
    assert json.dumps(str(files[7]))[1:-1] in csv_lines[-1]

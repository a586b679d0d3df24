"""Runs on a real Ray cluster: the scores, selection and model of one machine, whatever happens to the workers."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.cli.rate_line import RateLine
from ganrm_core.distributed.cluster import ClusterSettings, connected
from ganrm_core.utils.progress import Progress

pytest.importorskip("ray")

import pyarrow.parquet as pq

from benchmarks.scale import finished_parts, local_cluster, paused, stamps, workers

Ganrm = Callable[..., Any]
PATIENCE_S = 300


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one node with two cores, to which this process is connected."""
    with local_cluster(2) as cluster, connected(ClusterSettings(cluster.address)):
        yield cluster


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, make_folder: Any) -> Path:
    """Sixty pictures and a file that is none."""
    folder: Path = make_folder(tmp_path_factory.mktemp("many") / "in", "liked", 60)
    (folder / "liked99.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def alone(ganrm: Ganrm, trained: Any, many: Path) -> dict[str, dict[str, Any]]:
    """What the command says without Ray, by path."""
    return {line["file"]: line for line in ganrm("score", trained.checkpoint, many, "--json").json}


@pytest.fixture
def score(cluster: Any, ganrm: Ganrm, trained: Any, many: Path, tmp_path: Path) -> Callable[[], Any]:
    """Score the sixty in small shards into the folder `out`."""
    options = ("--worker-cores", 1, "--shard-size", 3, "--json")
    return lambda: ganrm(
        "score", trained.checkpoint, many, "--engine", "ray", "--output", tmp_path / "out", *options
    )


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of a table, by path."""
    found = pq.read_table(folder).to_pylist()
    by_path = {row["path"]: row for row in found}
    assert len(by_path) == len(found)
    return by_path


def check_scores(output: Path, alone: dict[str, dict[str, Any]]) -> None:
    """A row for every file, with the scores of one machine, or the reason why there is none."""
    found = rows(output / "scores")
    assert found.keys() == alone.keys()
    for path, line in alone.items():
        assert found[path]["error"] == line.get("skipped")
        for figure in ("score", "logit", "uncertainty"):
            assert found[path][figure] == pytest.approx(line.get(figure), abs=1e-5)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_stopped_run_goes_on_with_what_is_missing(
    score: Callable[[], Any], alone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(line: RateLine, progress: Progress) -> None:
        if progress.stage == "scoring" and progress.done >= 12:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RateLine, "show", stop)
        ran = score()
    assert ran.code == 130
    assert "the same command goes on" in ran.err
    before = stamps(tmp_path / "out")
    assert 4 <= len(before) < 21
    ran = score()
    assert ran.code == 0, ran.err
    assert ran.json[0]["pictures"] == 61
    assert 12 <= ran.json[0]["earlier"] < 61
    after = stamps(tmp_path / "out")
    assert len(after) == 21
    assert before.items() <= after.items()
    check_scores(tmp_path / "out", alone)
    ran = score()
    assert ran.json[0]["earlier"] == 61
    assert stamps(tmp_path / "out") == after


def test_a_killed_worker_costs_its_shard_only(score: Callable[[], Any], alone: Any, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(score)
        wait_for(lambda: finished_parts(tmp_path / "out") >= 1)
        before = stamps(tmp_path / "out")
        victim = workers()[0]
        os.kill(victim, signal.SIGKILL)
        ran = run.result(PATIENCE_S)
    assert ran.code == 0, ran.err
    assert 1 <= len(before) < 21
    assert before.items() <= stamps(tmp_path / "out").items()
    check_scores(tmp_path / "out", alone)
    assert not list((tmp_path / "out" / "run" / "attempts").iterdir())


def test_a_node_that_joins_late_is_used(
    cluster: Any, score: Callable[[], Any], alone: Any, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(score)
        wait_for(lambda: finished_parts(tmp_path / "out") >= 1)
        with paused(workers()):  # what is finished now, a later worker has done
            before = finished_parts(tmp_path / "out")
            node = cluster.add_node(num_cpus=1)
            wait_for(lambda: finished_parts(tmp_path / "out") > before)
        ran = run.result(PATIENCE_S)
    cluster.remove_node(node)
    assert ran.code == 0, ran.err
    check_scores(tmp_path / "out", alone)


def test_several_folders_are_listed_by_workers(
    cluster: Any, ganrm: Ganrm, trained: Any, many: Path, alone: Any, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    moved = [shutil.copy(path, tmp_path / "in") for path in sorted(many.iterdir())[:2]]
    ran = ganrm(
        "score", trained.checkpoint, many, tmp_path / "in", "--engine", "ray", "--output", tmp_path / "out"
    )
    assert ran.code == 0, ran.err
    found = rows(tmp_path / "out" / "scores")
    assert found.keys() == {*alone, *moved}
    for path in moved:
        assert found[path]["logit"] == pytest.approx(alone[str(many / Path(path).name)]["logit"], abs=1e-5)


def test_an_empty_folder_is_an_error(cluster: Any, ganrm: Ganrm, trained: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    ran = ganrm("score", trained.checkpoint, tmp_path / "in", "--engine", "ray", "--output", tmp_path / "out")
    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert "is empty" in ran.err


def test_the_best_of_each_group_are_those_of_one_machine(
    cluster: Any, ganrm: Ganrm, trained: Any, many: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for path in sorted(many.iterdir())[:30]:
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    command = ("best", trained.checkpoint, tmp_path / "in", "--keep", 2, "--group-by", r"^[a-z]+\d", "--json")
    here = ganrm(*command, "--output", tmp_path / "here")
    there = ganrm(*command, "--output", tmp_path / "there", "--engine", "ray", "--shard-size", 10)
    assert there.code == 0, there.err
    kept = rows(tmp_path / "there" / "best")
    expected = {line["file"]: line for line in here.json if "rank" in line}
    assert there.json[0]["kept"] == len(expected) > 4
    assert kept.keys() == expected.keys()
    for path, line in expected.items():
        assert (kept[path]["rank"], kept[path]["clear"]) == (line["rank"], line["clear"])


def test_the_best_of_all(
    cluster: Any, ganrm: Ganrm, trained: Any, many: Path, alone: Any, tmp_path: Path
) -> None:
    options = ("--keep", 3, "--engine", "ray", "--output", tmp_path / "out")
    ran = ganrm("best", trained.checkpoint, many, *options)
    assert ran.code == 0, ran.err
    order = sorted((path for path in alone if "logit" in alone[path]), key=lambda path: -alone[path]["logit"])
    kept = rows(tmp_path / "out" / "best")
    assert sorted(kept, key=lambda path: kept[path]["rank"]) == order[:3]


def test_the_best_of_nothing_is_an_error(cluster: Any, ganrm: Ganrm, trained: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"no picture")
    options = ("--group-by", "^.", "--engine", "ray", "--output", tmp_path / "out")
    ran = ganrm("best", trained.checkpoint, tmp_path / "in", *options)
    assert ran.code == 2
    assert "No picture could be scored" in ran.err


def test_training_gives_the_same_model(
    cluster: Any, ganrm: Ganrm, trained: Any, make_folder: Any, many: Path, tmp_path: Path
) -> None:
    liked, ordinary = (make_folder(tmp_path / kind, kind, 12) for kind in ("liked", "ordinary"))
    (liked / "liked99.png").write_bytes(b"no picture")
    sets = ("--liked", liked, "--ordinary", ordinary, "--backbone", f"file:{trained.backbone}", "--views", 2)
    figures, scores = [], []
    for engine in ("local", "ray"):
        model = tmp_path / f"{engine}.safetensors"
        ran = ganrm("train", *sets, "--output", model, "--engine", engine, "--json")
        assert ran.code == 0, ran.err
        figures.append(ran.json[-1])
        scored = ganrm("score", model, many, "--backbone", f"file:{trained.backbone}", "--json").json
        scores.append([line["score"] for line in scored if "score" in line])
    assert figures[1]["auc"] == pytest.approx(figures[0]["auc"], abs=1e-5)
    assert figures[1]["n_liked"] == figures[0]["n_liked"] == 12
    assert scores[1] == pytest.approx(scores[0], abs=1e-4)


def test_an_error_of_a_worker_is_one_line(
    cluster: Any, ganrm: Ganrm, trained: Any, many: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / "taste.safetensors"
    moved.parent.mkdir()
    moved.write_bytes(trained.checkpoint.read_bytes())
    ran = ganrm("score", moved, many, "--engine", "ray", "--output", tmp_path / "out")
    assert ran.code == 2
    assert "tiny.safetensors" in ran.err
    assert "Traceback" not in ran.err

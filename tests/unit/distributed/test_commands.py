"""`--engine ray` on the command line: the same figures as one machine, runs that go on, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.cli.rate_line import RateLine
from ganrm_core.distributed.cluster import ClusterSettings, connected, own_error
from ganrm_core.utils.errors import BackboneError, GanRMError
from ganrm_core.utils.progress import Progress

Ganrm = Callable[..., Any]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster on this machine, or the one of the environment variable RAY_ADDRESS."""
    pytest.importorskip("ray")
    with connected(ClusterSettings()) as ray:
        yield ray


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, make_folder: Any) -> Path:
    """Eight pictures of two groups, and a file that is none."""
    folder: Path = make_folder(tmp_path_factory.mktemp("eight") / "in", "liked", 4, first=30)
    make_folder(folder, "ordinary", 4, first=30)
    (folder / "ordinary99.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def alone(ganrm: Ganrm, trained: Any, pictures: Path) -> dict[str, dict[str, Any]]:
    """What the command says without Ray, by path."""
    return {line["file"]: line for line in ganrm("score", trained.checkpoint, pictures, "--json").json}


def rows(folder: Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    found: list[dict[str, Any]] = parquet.read_table(folder).to_pylist()
    return found


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


class TestOnRay:
    def test_scores_are_those_of_one_machine_and_are_not_made_again(
        self, ray: Any, ganrm: Ganrm, trained: Any, pictures: Path, alone: Any, tmp_path: Path
    ) -> None:
        options = ("--engine", "ray", "--output", tmp_path / "out", "--shard-size", 4, "--json")
        ran = ganrm("score", trained.checkpoint, pictures, *options)
        assert ran.code == 0, ran.err
        assert ran.json == [{"pictures": 9, "earlier": 0, "errors": 1, "written": str(tmp_path / "out")}]
        scored = {row["path"]: row for row in rows(tmp_path / "out" / "scores")}
        assert scored.keys() == alone.keys()
        for path, line in alone.items():
            assert scored[path]["error"] == line.get("skipped")
            for figure in ("score", "logit", "uncertainty"):
                assert scored[path][figure] == pytest.approx(line.get(figure), abs=1e-5)
        before = stamps(tmp_path / "out" / "scores")
        (tmp_path / "out" / "scores" / sorted(before)[-1]).unlink()
        ran = ganrm("score", trained.checkpoint, pictures, *options)
        assert ran.json[0]["earlier"] == 8
        after = stamps(tmp_path / "out" / "scores")
        assert after.keys() == before.keys()
        assert sum(after[name] == before[name] for name in before) == 2

    def test_the_best_of_each_group_are_those_of_one_machine(
        self, ray: Any, ganrm: Ganrm, trained: Any, pictures: Path, tmp_path: Path
    ) -> None:
        options = ("--keep", 2, "--group-by", "^[a-z]+", "--json")
        here = ganrm("best", trained.checkpoint, pictures, "--output", tmp_path / "here", *options)
        there = ganrm(
            "best", trained.checkpoint, pictures, "--output", tmp_path / "there", *options, "--engine", "ray"
        )
        assert there.code == 0, there.err
        kept = {row["path"]: row for row in rows(tmp_path / "there" / "best")}
        expected = {line["file"]: line for line in here.json if "rank" in line}
        assert kept.keys() == expected.keys()
        for path, line in expected.items():
            assert (kept[path]["rank"], kept[path]["clear"]) == (line["rank"], line["clear"])

    def test_the_best_of_all(
        self, ray: Any, ganrm: Ganrm, trained: Any, pictures: Path, alone: Any, tmp_path: Path
    ) -> None:
        ran = ganrm(
            *(
                "best",
                trained.checkpoint,
                pictures,
                "--keep",
                3,
                "--engine",
                "ray",
                "--output",
                tmp_path / "o",
            )
        )
        assert ran.code == 0, ran.err
        order = sorted((path for path in alone if "logit" in alone[path]), key=lambda p: -alone[p]["logit"])
        kept = sorted(rows(tmp_path / "o" / "best"), key=lambda row: row["rank"])
        assert [row["path"] for row in kept] == order[:3]

    def test_training_reads_pictures_on_workers(
        self, ray: Any, ganrm: Ganrm, trained: Any, make_folder: Any, tmp_path: Path
    ) -> None:
        liked, ordinary = (make_folder(tmp_path / kind, kind, 12) for kind in ("liked", "ordinary"))
        found = []
        for engine in ("local", "ray"):
            ran = ganrm(
                *(
                    "train",
                    "--liked",
                    liked,
                    "--ordinary",
                    ordinary,
                    "--backbone",
                    f"file:{trained.backbone}",
                ),
                *("--views", 2, "--output", tmp_path / f"{engine}.safetensors", "--engine", engine, "--json"),
            )
            assert ran.code == 0, ran.err
            found.append(ran.json[-1])
        assert found[1]["auc"] == pytest.approx(found[0]["auc"], abs=1e-5)
        assert found[1]["n_liked"] == 12
        scored = [
            ganrm("score", tmp_path / f"{engine}.safetensors", liked, "--json").json
            for engine in ("local", "ray")
        ]
        for here, there in zip(*scored, strict=True):
            assert there["score"] == pytest.approx(here["score"], abs=1e-3)

    def test_an_error_of_a_worker_is_one_line(
        self, ray: Any, ganrm: Ganrm, trained: Any, pictures: Path, tmp_path: Path
    ) -> None:
        moved = tmp_path / "elsewhere" / "taste.safetensors"
        moved.parent.mkdir()
        moved.write_bytes(trained.checkpoint.read_bytes())
        ran = ganrm("score", moved, pictures, "--engine", "ray", "--output", tmp_path / "out")
        assert ran.code == 2
        assert "tiny.safetensors" in ran.err
        assert "Traceback" not in ran.err


def test_without_ray_it_says_what_to_install(
    ganrm: Ganrm, trained: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for command in (("score",), ("best", "--group-by", "^[a-z]+")):
        ran = ganrm(
            *(command[0], trained.checkpoint, pictures, *command[1:]),
            *("--engine", "ray", "--output", tmp_path / "out"),
        )
        assert ran.code == 2
        assert 'Install it with: pip install "gan-rm[ray]"' in ran.err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("score", "MODEL", "IN", "--output", "OUT"), "--output is for --engine ray"),
        (("score", "MODEL", "IN", "--ray-address", "auto"), "--ray-address is for --engine ray"),
        (("score", "MODEL", "s3://bucket/in"), "s3://bucket/in is no path on this machine"),
        (("score", "MODEL", "IN", "--engine", "ray"), "give --output"),
        (("score", "MODEL", "IN", "--engine", "ray", "--output", "OUT", "--csv"), "not CSV"),
        (("best", "MODEL", "s3://bucket/in", "--output", "OUT"), "s3://bucket/in is no path on this machine"),
        (("best", "MODEL", "IN", "--output", "OUT", "--engine", "ray", "--group-size", "4"), "--group-by"),
        (("best", "MODEL", "IN", "--output", "OUT", "--engine", "ray", "--move"), "leave out --move"),
        (("best", "MODEL", "IN", "--output", "OUT", "--engine", "ray", "--surer-first"), "--group-by"),
        (("best", "MODEL", "IN", "--output", "OUT", "--shard-size", "4"), "--shard-size is for --engine ray"),
    ],
)
def test_options_that_do_not_go_together(
    ganrm: Ganrm, trained: Any, pictures: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    known = {"MODEL": trained.checkpoint, "IN": pictures, "OUT": tmp_path / "out"}
    ran = ganrm(*(known.get(each, each) for each in arguments))
    assert ran.code == 2
    assert message in ran.err
    assert not (tmp_path / "out").exists()


def test_the_error_behind_an_error_of_ray_is_found() -> None:
    inner = BackboneError("the weights are missing")
    outer = RuntimeError("the task failed")
    outer.__cause__ = ValueError("user code")
    outer.__cause__.cause = inner  # type: ignore[attr-defined]
    assert own_error(outer) is inner
    assert own_error(RuntimeError("other")) is None
    assert isinstance(own_error(inner), GanRMError)


def test_the_progress_line_counts_only_what_this_run_did() -> None:
    now = [0.0]
    line = RateLine(lambda: now[0])
    line.show(Progress("scoring", 1000, 5000))
    text = line.text(Progress("scoring", 2000, 5000, {"errors": 3}), now=10.0)
    assert text == "scoring: 2,000 of 5,000 (40 %), 100.0 files/s, about 30 s left, 3 without a score"
    assert line.text(Progress("scoring", 1000, 5000), now=0.0) == "scoring: 1,000 of 5,000 (20 %)"

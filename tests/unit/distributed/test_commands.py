"""`--engine ray` on the command line without Ray: what is refused, and the progress line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganrm_core.cli.rate_line import RateLine
from ganrm_core.distributed.cluster import ClusterSettings, own_error, worker_resources
from ganrm_core.utils.errors import BackboneError, GanRMError
from ganrm_core.utils.progress import Progress

Ganrm = Callable[..., Any]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, make_folder: Any) -> Path:
    folder: Path = make_folder(tmp_path_factory.mktemp("few") / "in", "liked", 2, first=30)
    return folder


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
        (
            ("score", "MODEL", "IN", "--engine", "ray", "--output", "OUT", "--write-ratings"),
            "--write-ratings",
        ),
        (("score", "MODEL", "IN", "--engine", "ray", "--output", "OUT", "--cache", "KEPT"), "--cache"),
        (
            ("score", "MODEL", "IN", "--engine", "ray", "--output", "OUT", "--prompt", " "),
            "--prompt is empty",
        ),
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
    known = {"MODEL": trained.checkpoint, "IN": pictures, "OUT": tmp_path / "out", "KEPT": tmp_path / "kept"}
    ran = ganrm(*(known.get(each, each) for each in arguments))
    assert ran.code == 2
    assert message in ran.err
    assert not (tmp_path / "out").exists()


def test_ray_is_started_without_torch_and_only_once_nothing_is_left_to_refuse(
    trained: Any, pictures: Path, tmp_path: Path
) -> None:
    code = f"""
import sys
from ganrm_core.cli import main
from ganrm_core.distributed import cluster

def begun(settings):
    print("torch" in sys.modules)
    raise SystemExit(7)

cluster.connected = begun
command = ["score", {str(trained.checkpoint)!r}, "PICTURES", "--engine", "ray", "--output", {str(tmp_path / "out")!r}]
main([each.replace("PICTURES", {str(tmp_path / "none")!r}) for each in command])
main([each.replace("PICTURES", {str(pictures)!r}) for each in command])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "There is no file or folder" in ran.stderr
    assert (ran.stdout.strip(), ran.returncode) == ("False", 7), ran.stderr


def test_gpus_that_are_asked_for_must_be_there() -> None:
    ray = SimpleNamespace(cluster_resources=dict, nodes=lambda: [{"Alive": True, "Resources": {"CPU": 2}}])
    with pytest.raises(GanRMError, match="No node of the Ray cluster has a GPU now"):
        worker_resources(ray, ClusterSettings(device="cuda"))
    assert worker_resources(ray, ClusterSettings(device="auto")).device == "cpu"


def test_a_cluster_whose_head_takes_no_work_is_asked_for_a_node() -> None:
    nodes = [{"Alive": True, "Resources": {"memory": 1e9}}]

    def remote(task: Any) -> Any:
        return SimpleNamespace(remote=lambda: nodes.append({"Alive": True, "Resources": {"CPU": 8}}))

    ray = SimpleNamespace(
        cluster_resources=dict, nodes=lambda: nodes, remote=remote, get=lambda result: result
    )
    assert worker_resources(ray, ClusterSettings(cores=3)).cores == 3
    assert worker_resources(ray, ClusterSettings()).cores == 4
    assert len(nodes) == 2


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
    line.show(Progress("listing", 0, 2))
    assert line.text(Progress("listing", 1, 2), now=10.0) == "listing: 1 of 2 (50 %)"

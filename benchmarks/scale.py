"""Scoring on Ray: overhead, memory, a killed worker, a late node, a stopped run: python -m benchmarks.scale [PART …]

  overhead   `ganrm score --engine ray` against `ganrm score --cache off`, both as commands, best of three in turn
  memory     peak memory of the process that drives the run, for few and for many small files
  killed     a worker is killed by its process id in the middle: the table is whole and the same
  late       a node joins a running cluster of one: its worker takes part
  stopped    a run is interrupted and taken up: finished files of scores stay as they are

All on one machine, with workers of one core, on the CPU. Small numbers first: --files 400 --few 100 --many 1000.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.rewards.discriminator.readout import default_readout

from .scoring_speed import untrained

_WORKER = "ScoringActor"
_POLL_S = 0.2


@dataclass(frozen=True)
class Bench:
    """The model and folders of a benchmark, and its settings."""

    room: Path
    model: Path
    files: int
    few: int
    many: int
    rounds: int
    shard: int

    def pictures(self, count: int, side: int = 256) -> Path:
        """A folder of `count` small PNG files, all different; made once."""
        folder = self.room / f"pictures-{count}-{side}"
        if not folder.exists():
            folder.mkdir()
            rng = np.random.default_rng(0)
            for number in range(count):
                coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
                coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number:06}.png")
        return folder

    def command(self, folder: Path, output: str = "", address: str = "") -> list[str]:
        """The command that scores a folder, with Ray where an output is named."""
        start = [
            sys.executable,
            "-m",
            "ganrm_core.cli",
            "score",
            str(self.model),
            str(folder),
            "--device",
            "cpu",
        ]
        if not output:
            return [*start, "--cache", "off", "--json"]
        where = ["--ray-address", address] if address else []
        size = ["--shard-size", str(self.shard), "--worker-cores", "1"]
        return [*start, "--engine", "ray", "--output", str(self.room / output), *size, *where]


def overhead(bench: Bench) -> None:
    folder = bench.pictures(bench.files)
    seconds: dict[str, list[float]] = {"alone": [], "ray": []}
    for turn in range(bench.rounds):
        seconds["alone"].append(seconds_of(bench.command(folder)))
        seconds["ray"].append(seconds_of(bench.command(folder, f"overhead-{turn}")))
    alone, ray = min(seconds["alone"]), min(seconds["ray"])
    print(
        f"overhead  {bench.files} files: alone {alone:.1f} s, ray {ray:.1f} s, ray / alone {ray / alone:.2f}"
    )


def memory(bench: Bench) -> None:
    peaks = []
    for count in (bench.few, bench.many):
        process = subprocess.Popen(bench.command(bench.pictures(count, side=16), f"memory-{count}"))
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"the run over {count} files failed")
        peaks.append(usage.ru_maxrss / 1024)
    print(
        f"memory    driver's peak: {bench.few} files {peaks[0]:.0f} MB, {bench.many} files {peaks[1]:.0f} MB"
    )


def killed(bench: Bench) -> None:
    folder = bench.pictures(bench.files)
    with local_cluster(2) as cluster:
        run(bench.command(folder, "undisturbed", cluster.address))
        process = subprocess.Popen(bench.command(folder, "killed", cluster.address))
        wait_for(lambda: parts(bench.room / "killed") >= 1, process)
        victim = workers()[0]
        os.kill(victim, signal.SIGKILL)
        finish(process)
    same = table(bench.room / "killed") == table(bench.room / "undisturbed")
    print(
        f"killed    worker {victim} of a run over {bench.files} files: the table is {'' if same else 'NOT '}the same"
    )


def late(bench: Bench) -> None:
    folder = bench.pictures(bench.files)
    with local_cluster(1) as cluster:
        process = subprocess.Popen(bench.command(folder, "late", cluster.address))
        wait_for(lambda: parts(bench.room / "late") >= 1, process)
        before = len(workers())
        cluster.add_node(num_cpus=1)
        wait_for(lambda: len(workers()) > before, process)
        after = len(workers())
        finish(process)
    rows = len(table(bench.room / "late"))
    print(f"late      {before} worker, {after} once a node has joined; {rows} of {bench.files} rows")


def stopped(bench: Bench) -> None:
    folder, output = bench.pictures(bench.files), bench.room / "stopped"
    process = subprocess.Popen(bench.command(folder, "stopped"))
    wait_for(lambda: parts(output) >= 2, process)
    process.send_signal(signal.SIGINT)
    process.wait()
    before = {path.name: path.stat().st_mtime_ns for path in (output / "scores").glob("part-*")}
    run(bench.command(folder, "stopped"))
    kept = sum((output / "scores" / name).stat().st_mtime_ns == stamp for name, stamp in before.items())
    rows = len(table(output))
    print(
        f"stopped   after {len(before)} of {parts(output)} parts (exit code {process.returncode}); taken up: {kept} of these "
        f"untouched, {rows} of {bench.files} rows"
    )


PARTS: dict[str, Callable[[Bench], None]] = {
    "overhead": overhead,
    "memory": memory,
    "killed": killed,
    "late": late,
    "stopped": stopped,
}


@contextmanager
def local_cluster(cpus: int) -> Iterator[Any]:
    """Ray's own cluster of several nodes on one machine."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus, "include_dashboard": False})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def workers() -> list[int]:
    """Process ids of the scoring actors on this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and _WORKER in (entry / "cmdline").read_text(errors="replace"):
                found.append(int(entry.name))
        except OSError:  # ended meanwhile
            continue
    return sorted(found)


def parts(output: Path) -> int:
    return len(list((output / "scores").glob("part-*")))


def table(output: Path) -> list[dict[str, Any]]:
    rows = pq.read_table(output / "scores").to_pylist()
    rounded = [{**row, **{name: round(row[name], 4) for name in ("score", "logit")}} for row in rows]
    return sorted(rounded, key=lambda row: row["path"])


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not condition():
        if process.poll() is not None:
            raise RuntimeError(
                "the run ended before it could be disturbed: take more files or smaller shards"
            )
        time.sleep(_POLL_S)


def finish(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise RuntimeError(f"the run failed with code {process.returncode}")


def run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def seconds_of(command: Sequence[str]) -> float:
    started = time.perf_counter()
    run(command)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--files", type=int, default=5000, help="(default 5000)")
    parser.add_argument(
        "--few", type=int, default=1000, help="files of the smaller memory run (default 1000)"
    )
    parser.add_argument("--many", type=int, default=50_000, help="of the larger one (default 50000)")
    parser.add_argument("--rounds", type=int, default=3, help="of the overhead (default 3)")
    parser.add_argument("--shard", type=int, default=250, help="files per shard (default 250)")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "untrained.safetensors"
        backbone = load_backbone("efficientnet_lite0")
        untrained(backbone, default_readout(backbone.spec)).save(model)
        sizes = (options.files, options.few, options.many, options.rounds, options.shard)
        bench = Bench(Path(name), model, *sizes)
        for part in options.parts or PARTS:
            PARTS[part](bench)


if __name__ == "__main__":
    main()

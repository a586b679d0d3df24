"""Scoring on Ray: overhead, memory, a killed worker, a late node, a stopped run: python -m benchmarks.scale [PART …]

  overhead   `ganrm score --engine ray` against `ganrm score --cache off`, both as commands, best of three in turn
  memory     most private memory of the process that drives the run (RssAnon: no library code, nothing shared), sampled five
             times a second, for few and for many small files; with a tiny network, as only workers run it
  killed     a worker is killed by its process id in the middle: the table is whole and the same
  late       a node joins a running cluster of one: its worker scores
  stopped    a run is interrupted and taken up: finished files of scores stay as they are

All on one machine, with workers of one core, on the CPU, on Linux. To see it work: --files 300 --few 500 --many 3000
--rounds 1 --shard 25.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.rewards.discriminator.readout import default_readout

from .scoring_speed import untrained

_WORKER = "ScoringActor"
_POLL_S = 0.2
_INTERRUPTED = 130


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
    bench = replace(bench, model=tiny_model(bench.room))
    peaks = []
    for count in (bench.few, bench.many):
        process = subprocess.Popen(bench.command(bench.pictures(count, side=16), f"memory-{count}"))
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, own_memory(process.pid))
            time.sleep(_POLL_S)
        finish(process)
        peaks.append(peak)
    print(
        f"memory    driver's peak: {bench.few} files {peaks[0]:.0f} MB, {bench.many} files {peaks[1]:.0f} MB"
    )


def killed(bench: Bench) -> None:
    folder, output = bench.pictures(bench.files), bench.room / "killed"
    with local_cluster(2) as cluster:
        run(bench.command(folder, "undisturbed", cluster.address))
        process = subprocess.Popen(bench.command(folder, "killed", cluster.address))
        wait_for(lambda: finished_parts(output) >= 1, process)
        victim, before = workers()[0], stamps(output)
        os.kill(victim, signal.SIGKILL)
        finish(process)
    print(
        f"killed    worker {victim} of a run over {bench.files} files, after {len(before)} of {finished_parts(output)} parts: "
        f"{untouched(before, output)} of these untouched, {difference(bench.room / 'undisturbed', output)}"
    )


def late(bench: Bench) -> None:
    folder, output = bench.pictures(bench.files), bench.room / "late"
    with local_cluster(1) as cluster:
        process = subprocess.Popen(bench.command(folder, "late", cluster.address))
        wait_for(lambda: finished_parts(output) >= 1, process)
        first = workers()
        with paused(first):  # what is finished now, a later worker has done
            before, started = finished_parts(output), time.perf_counter()
            cluster.add_node(num_cpus=1)
            wait_for(lambda: finished_parts(output) > before, process)
            seconds = time.perf_counter() - started
        count = len(workers())
        finish(process)
    print(
        f"late      {len(first)} worker, then {count}: the new node's first part is finished {seconds:.0f} s after it joins; "
        f"{len(table(output))} of {bench.files} rows"
    )


def stopped(bench: Bench) -> None:
    folder, output = bench.pictures(bench.files), bench.room / "stopped"
    # In the background of a shell this process ignores Ctrl-C, and its child would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(bench.command(folder, "stopped"))
    wait_for(lambda: finished_parts(output) >= 2, process)
    process.send_signal(signal.SIGINT)
    if process.wait() != _INTERRUPTED:
        raise RuntimeError(f"the run was not stopped: it ended with code {process.returncode}")
    before = stamps(output)
    run(bench.command(folder, "stopped"))
    print(
        f"stopped   after {len(before)} of {finished_parts(output)} parts (exit code {process.returncode}); taken up: "
        f"{untouched(before, output)} of these untouched, {len(table(output))} of {bench.files} rows"
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
    # Newer versions of Ray start clusters with token authentication, and then need this where a run connects.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus, "include_dashboard": False})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def workers() -> list[int]:
    """Process ids of the scoring actors below this process."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and _WORKER in (entry / "cmdline").read_text(errors="replace"):
                found.append(int(entry.name))
        except OSError:  # ended meanwhile
            continue
    return sorted(process for process in found if os.getpid() in ancestors(process))


def ancestors(process: int) -> Iterator[int]:
    while process:
        try:
            status = Path(f"/proc/{process}/stat").read_text(errors="replace")
        except OSError:
            return
        process = int(status.rpartition(")")[2].split()[1])
        yield process


@contextmanager
def paused(processes: Sequence[int]) -> Iterator[None]:
    """Inside, the processes stand still."""
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def tiny_model(room: Path) -> Path:
    """A checkpoint that hardly takes time, its backbone beside it."""
    shape = {
        "image_size": 32,
        "patch_size": 16,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 64,
    }
    network = CLIPVisionModelWithProjection(
        CLIPVisionConfig(num_attention_heads=1, projection_dim=16, **shape)
    )
    save_file(
        {name: each.contiguous() for name, each in network.state_dict().items()}, room / "vision.safetensors"
    )
    backbone = load_backbone(f"file:{room / 'vision.safetensors'}")
    untrained(backbone, default_readout(backbone.spec)).save(room / "tiny.safetensors")
    return room / "tiny.safetensors"


def own_memory(process: int) -> float:
    """Resident memory of a process in MB that is neither of files nor shared; 0 once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def finished_parts(output: Path) -> int:
    """How many shards of a run have their scores."""
    return len(stamps(output))


def stamps(output: Path) -> dict[str, int]:
    """When each file of scores was written, in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in (output / "scores").glob("part-*")}


def untouched(before: dict[str, int], output: Path) -> int:
    """How many files of scores are as they were."""
    return len(before.items() & stamps(output).items())


def table(output: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(output / "scores").sort_by("path").to_pylist()
    return rows


def difference(expected: Path, output: Path) -> str:
    """How far the scores of two runs differ."""
    first, second = table(expected), table(output)
    if [(row["path"], row["error"]) for row in first] != [(row["path"], row["error"]) for row in second]:
        return "the rows DIFFER"
    logits = [(a["logit"], b["logit"]) for a, b in zip(first, second, strict=True) if a["error"] is None]
    return f"the same {len(first)} rows, logits within {max(abs(a - b) for a, b in logits):.0e}"


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

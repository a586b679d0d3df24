"""Mutation fuzzing of everything that reads files: python -m benchmarks.fuzz [--pictures 10000] [--checkpoints 2000]

Each case is a small intact file with one to four seeded mutations (tests/fuzz_support). Pictures are of every format
that Pillow writes; pixels, header, metadata and file statistics of each are read, and all are scored in folders of
250. Checkpoints with each kind of head and a LoRA adapter, combinations, feature archives and backbone files are
loaded, scored with, and shown by `ganrm info`. Each must give a sound result or one clear line that names the file,
in bounded time and memory, with nothing else on standard error.

Cases run in a subprocess with a memory limit: a case that crashes it or hangs is reported, and a new subprocess goes
on with the next case. Faults are printed as they are found. Exit code 1 if there are any. `--picture N` or
`--checkpoint N` runs one case again and says what was done to which file; `--keep DIR` writes the files of faulty
cases there. Linux only (memory limits and counters)."""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PICTURE, CHECKPOINT, FOLDER = "picture", "checkpoint", "folder"
PER_FOLDER = 250
_PER_PROCESS = {PICTURE: 1000, CHECKPOINT: 500, FOLDER: 40}
_SECONDS = {PICTURE: 20.0, CHECKPOINT: 20.0, FOLDER: 600.0}
"""Processor time that a case may take: 268 megapixels take some seconds to fill and look at."""
_HANGS = 900
"""Seconds after which a process is ended that stands still; more than a busy machine needs for a folder."""
_MEMORY = 4 << 30
"""Bytes on top of a process that has loaded the libraries."""


def main() -> int:
    options = _options()
    if options.worker:
        _work(options.worker, range(options.first, options.last), options.keep)
        return 0
    for kind in (PICTURE, CHECKPOINT):
        if (number := getattr(options, kind)) is not None:
            return _run(kind, range(number, number + 1), options.keep, told=True).print()
    tables = [
        _run(PICTURE, range(options.pictures), options.keep),
        _run(FOLDER, range(-(-options.pictures // PER_FOLDER)), options.keep),
        _run(CHECKPOINT, range(options.checkpoints), options.keep),
    ]
    return max([table.print() for table in tables])


@dataclass
class Table:
    """Outcome counts and slowest case of one kind."""

    kind: str
    cases: int
    ends: Counter[str] = field(default_factory=Counter)
    faulty: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    peak_mb: float = 0.0
    seconds: float = 0.0

    def print(self) -> int:
        """Print the table line; return 1 if any case failed."""
        ends = ", ".join(f"{count:,} {end}" for end, count in sorted(self.ends.items()))
        print(
            f"{self.cases:>7,} {self.kind}s: {ends}; {self.faulty} faulty. Slowest {self.slowest[0]:.2f} s "
            f"({self.kind} {self.slowest[1]}), peak memory {self.peak_mb:,.0f} MB, {self.seconds:,.0f} s in all",
            flush=True,
        )
        return int(self.faulty > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mutation fuzzing of everything that reads files.")
    parser.add_argument("--pictures", type=int, default=10_000, help="how many picture files (default 10000)")
    parser.add_argument("--checkpoints", type=int, default=2_000, help="how many model files (default 2000)")
    parser.add_argument("--picture", type=int, metavar="N", help="run this one again")
    parser.add_argument("--checkpoint", type=int, metavar="N", help="run this one again")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where the files of faulty cases are written"
    )
    parser.add_argument("--worker", choices=(PICTURE, CHECKPOINT, FOLDER), help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--last", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(kind: str, numbers: range, keep: Path | None, *, told: bool = False) -> Table:
    table = Table(kind, len(numbers))
    started = time.perf_counter()
    for number, end in _outcomes(kind, numbers, keep):
        faults = end["faults"]
        if end["seconds"] > _SECONDS[kind]:
            faults.append(f"took {end['seconds']:.0f} s")
        table.ends[end["end"]] += end.get("count", 1)
        table.faulty += bool(faults)
        table.slowest = max(table.slowest, (end["seconds"], number))
        table.peak_mb = max(table.peak_mb, end["peak_mb"])
        if faults or told:
            print(f"{kind} {number}: {', '.join(end['done'])}: {end['end']}")
            for fault in faults:
                print(f"    {fault}")
            if kind != FOLDER:
                print(f"    again: python -m benchmarks.fuzz --{kind} {number}", flush=True)
    table.seconds = time.perf_counter() - started
    return table


def _outcomes(kind: str, numbers: range, keep: Path | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (case number, outcome), restarting the subprocess after a crash."""
    first = numbers.start
    while first < numbers.stop:
        some = ("--first", str(first), "--last", str(min(first + _PER_PROCESS[kind], numbers.stop)))
        command = [sys.executable, "-m", "benchmarks.fuzz", "--worker", kind, *some]
        command += ["--keep", str(keep)] if keep else []
        with tempfile.TemporaryFile("w+") as said:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    yield first, json.loads(line)
                    first += 1
            if process.returncode:
                said.seek(0)
                words = [f"ended the process with {process.returncode}", *said.read().splitlines()[-30:]]
                yield first, {"end": "crashed", "done": [], "faults": words, "seconds": 0.0, "peak_mb": 0.0}
                first += 1


def _work(kind: str, numbers: range, keep: Path | None) -> None:
    """Run the cases in this process, one JSON line each. Files are saved before reading, which may crash the process."""
    import torch

    torch.set_num_threads(1)
    os.environ["GANRM_CACHE"] = "off"
    with tempfile.TemporaryDirectory() as name:
        run = _runner(kind, Path(name), keep)
        _limit_memory()
        out, err = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w")
        for number in numbers:
            faulthandler.dump_traceback_later(_HANGS, exit=True, file=err)
            started = time.process_time()
            end, done, faults, more = run(number)
            seconds = time.process_time() - started
            faulthandler.cancel_dump_traceback_later()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            about = {"end": end, "done": done, "faults": faults, "seconds": seconds, "peak_mb": peak, **more}
            print(json.dumps(about), file=out, flush=True)


Ran = tuple[str, tuple[str, ...], list[str], dict[str, int]]


def _runner(kind: str, folder: Path, keep: Path | None) -> Callable[[int], Ran]:
    from tests.fuzz_support.checkpoint_cases import checkpoint_case, checkpoint_faults, put, remove
    from tests.fuzz_support.checkpoint_seeds import make_checkpoint_seeds
    from tests.fuzz_support.picture_cases import folder_faults, picture_case, picture_faults

    def run_picture(number: int) -> Ran:
        case = picture_case(number)
        path = folder / case.name
        path.write_bytes(case.content)
        with _kept(path, keep) as faults:
            end, found = picture_faults(path)
            faults += found
        path.unlink()
        return end, case.done, faults, {}

    if kind == PICTURE:
        return run_picture
    seeds = make_checkpoint_seeds(folder)

    def run_checkpoint(number: int) -> Ran:
        case = checkpoint_case(number, seeds)
        path = put(case, seeds)
        with _kept(path, keep) as faults:
            end, found = checkpoint_faults(path, seeds)
            faults += found
        remove(path)
        return end, case.done, faults, {}

    if kind == CHECKPOINT:
        return run_checkpoint
    from ganrm_core.rewards.discriminator.reward_model import RewardModel

    model = RewardModel.load(folder / seeds.checkpoints[0])

    def run_folder(number: int) -> Ran:
        with tempfile.TemporaryDirectory() as name:
            for each in range(number * PER_FOLDER, (number + 1) * PER_FOLDER):
                case = picture_case(each)
                (Path(name) / case.name).write_bytes(case.content)
            scored, faults = folder_faults(Path(name), model)
        return "pictures scored", (), faults, {"count": scored}

    return run_folder


def _limit_memory() -> None:
    with Path("/proc/self/statm").open() as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, taken + _MEMORY))


@contextmanager
def _kept(path: Path, keep: Path | None) -> Iterator[list[str]]:
    """Save a copy in `keep`, removed again if no fault is appended to the yielded list."""
    faults: list[str] = []
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / path.name).write_bytes(path.read_bytes())
    yield faults
    if keep and not faults:
        (keep / path.name).unlink()


if __name__ == "__main__":
    sys.exit(main())

"""Peak memory of scoring many files: python benchmarks/memory_scoring.py [--files 1000 10000]

Scores folders of different size through the command line, each in a process of its own, and prints
the peak resident memory. The files are links to a few hundred real pictures, so that the disk does
not fill up; nothing is kept, so each of them is worked out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ganrm_core.demo.pictures import demo_pictures


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of scoring many files.")
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000], help="numbers of files")
    options = parser.parse_args()
    sources = [picture.path for picture in demo_pictures()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = train_small_model(folder)
        print(f"{'files':>8}{'peak MB':>10}{'ratio':>8}{'pictures/s':>12}")
        first = 0.0
        for count in options.files:
            files = folder / f"files-{count}"
            files.mkdir()
            for index in range(count):
                source = sources[index % len(sources)]
                (files / f"{index:06}{source.suffix}").symlink_to(source)
            done = run("score", model, files, "--json", "--cache", "off")
            if done.lines != count:
                raise RuntimeError(f"{done.lines} of {count} files were scored")
            first = first or done.peak_mb
            row = f"{count:>8}{done.peak_mb:>10.0f}{done.peak_mb / first:>8.3f}{count / done.seconds:>12.1f}"
            print(row, flush=True)


@dataclass(frozen=True)
class Finished:
    """What a command printed (in lines), its peak resident memory and how long it took."""

    lines: int
    peak_mb: float
    seconds: float


def train_small_model(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, level in (("liked", 0), ("ordinary", 60)):
        (folder / name).mkdir()
        for index in range(20):
            smooth = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((128, 128))
            noise = rng.normal(0, level, (128, 128, 3))
            noisy = (np.asarray(smooth) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / name / f"{index}.png")
    model = folder / "model.safetensors"
    run("train", "--liked", folder / "liked", "--ordinary", folder / "ordinary", "--output", model)
    return model


def run(*arguments: object) -> Finished:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "ganrm_core.cli", *map(str, arguments), "--device", "cpu"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    lines = sum(1 for _ in process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Finished(lines, usage.ru_maxrss / unit, time.perf_counter() - started)


if __name__ == "__main__":
    main()

"""Peak memory of training and of scoring: python benchmarks/memory.py [--files 1000 20000] [--train 500]

Peak resident memory of each command in a new process, in MB, and its excess over a process that only loads
the backbone and runs it on one batch:

  train   on --train images per class of 1024 × 1024, `--neutralise auto`
  score   folders of different size, whose files are links to a few hundred images to save disk space; without cache,
          so that each is computed

Images are real ones, enlarged where they are smaller.
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

from PIL import Image, ImageOps

from ganrm_core.synthetic.sample_images import demo_pictures

SIDE = 1024
LINKED = 300
_BACKBONE_ALONE = """
import torch
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import default_readout
backbone = load_backbone("efficientnet_lite0")
reader = FeatureExtractor(backbone, default_readout(backbone.spec))
reader(torch.rand(reader.batch_size, 3, backbone.spec.input_size, backbone.spec.input_size))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of training and of scoring.")
    parser.add_argument(
        "--files", type=int, nargs="*", default=[1000, 20_000], help="numbers of files to score"
    )
    parser.add_argument(
        "--train", type=int, default=500, help="pictures of each kind to train on (default 500)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = run("-c", _BACKBONE_ALONE).peak_mb
        print(f"{'':<24}{'peak MB':>9}{'on top':>9}{'pictures/s':>12}")
        print(f"{'backbone alone':<24}{alone:>9.0f}", flush=True)
        pictures = write_pictures(folder, options.train)
        model = folder / "model.safetensors"
        sets = ("--liked", folder / "liked", "--ordinary", folder / "ordinary", "--output", model)
        report(f"train {options.train} + {options.train}", command("train", *sets), alone, 2 * options.train)
        for count in options.files:
            files = folder / f"files-{count}"
            files.mkdir()
            for index in range(count):
                (files / f"{index:06}.jpg").symlink_to(pictures[index % min(LINKED, len(pictures))])
            done = command("score", model, files, "--json")
            if done.lines != count:
                raise RuntimeError(f"{done.lines} of {count} files were scored")
            report(f"score {count}", done, alone, count)


@dataclass(frozen=True)
class Finished:
    """A finished process: its output lines, peak resident memory and seconds."""

    lines: int
    peak_mb: float
    seconds: float


def report(what: str, done: Finished, alone: float, pictures: int) -> None:
    row = f"{what:<24}{done.peak_mb:>9.0f}{done.peak_mb - alone:>9.0f}{pictures / done.seconds:>12.1f}"
    print(row, flush=True)


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Write `count` liked and as many ordinary files; if there are too few real images, cropped repeats."""
    sources = [picture.path for picture in demo_pictures()]
    written = []
    for kind in ("liked", "ordinary"):
        (folder / kind).mkdir()
    for index in range(2 * count):
        with Image.open(sources[index % len(sources)]) as opened:
            picture = opened.convert("RGB")
        inset = 8 * (index // len(sources))
        picture = picture.crop((inset, inset, *picture.size))
        path = folder / ("liked", "ordinary")[index % 2] / f"{index:05}.jpg"
        ImageOps.fit(picture, (SIDE, SIDE)).save(path, quality=92)
        written.append(path)
    return written


def command(*arguments: object) -> Finished:
    """Run the CLI without cache."""
    return run("-m", "ganrm_core.cli", *arguments, "--device", "cpu", "--cache", "off")


def run(*arguments: object) -> Finished:
    """Run Python in a new process."""
    line = [sys.executable, *map(str, arguments)]
    started = time.perf_counter()
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    lines = sum(1 for _ in process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(line)} ended with {process.returncode}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Finished(lines, usage.ru_maxrss / unit, time.perf_counter() - started)


if __name__ == "__main__":
    main()

"""Does LoRA help a transformer? python benchmarks/adapted.py --backbone transformers:FOLDER [task …] [--sizes 25 50]

Whole trainings on picture files, as users run them: the same folders with `--adapt none` and `--adapt lora`, for tasks and
splits of fewshot.py. Per task and number of pictures a class the AUC on unseen subjects and the minutes that a training
took. `vit_small.py` makes a FOLDER. Needs the extra [lora].
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from families import FAMILIES, BenchTask, pool_of, tasks_of
from intervals import mean_interval
from packages import timed
from torch import Tensor

from ganrm_core.data.image_io import to_pil
from ganrm_core.metrics.binary import auc
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.trainer import train

ADAPTED = ("none", "lora")
MOST_TEST = 100
"""Pictures a class to judge on: scoring files costs time, too."""


def main() -> None:
    parser = argparse.ArgumentParser(description="LoRA against a frozen backbone.")
    parser.add_argument("names", nargs="*", help="tasks to run; all of them if none is named")
    parser.add_argument("--family", choices=FAMILIES, default="third", help="of tasks (default third)")
    parser.add_argument("--backbone", required=True, help="such as transformers:FOLDER")
    parser.add_argument("--seeds", type=int, default=1, help="splits per task and size (default 1)")
    parser.add_argument("--sizes", type=int, nargs="*", default=(50,), help="pictures per class (default 50)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pool = pool_of(options.family)
    print(f"{'task':<20}{'n':>4}" + "".join(f"{arm:>8}{'minutes':>9}" for arm in ADAPTED), flush=True)
    gains = []
    for task in tasks_of(options.family):
        if options.names and task.name not in options.names:
            continue
        pictures = list(task.pictures(pool))
        for n in options.sizes:
            if 2 * n + 2 > len(pictures):
                continue
            rows = [compared(task, pictures, n, seed, options.backbone) for seed in range(options.seeds)]
            gains += [row[1][0] - row[0][0] for row in rows]
            means = np.mean(rows, axis=0)
            print(
                f"{task.name:<20}{n:>4}" + "".join(f"{a:>8.3f}{m:>9.1f}" for a, m in means),
                flush=True,
            )
    if len(gains) > 1:
        low, high = mean_interval(np.array(gains), np.random.default_rng(0))
        print(f"lora − none {np.mean(gains):+.4f} [{low:+.4f}, {high:+.4f}]")


def compared(
    task: BenchTask, pictures: Sequence[tuple[Tensor, Tensor]], n: int, seed: int, backbone: str
) -> list[tuple[float, float]]:
    """AUC and minutes of each arm."""
    split = task.split(len(pictures), n, seed)
    test = (split.test_liked[:MOST_TEST], split.test_ordinary[:MOST_TEST])
    truth = np.repeat([1, 0], [len(part) for part in test])
    found = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        saved(pictures, split.train_liked, 0, home / "liked")
        saved(pictures, split.train_ordinary, 1, home / "ordinary")
        judged = saved(pictures, test[0], 0, home / "a") + saved(pictures, test[1], 1, home / "b")
        for arm in ADAPTED:
            started = time.perf_counter()
            settings = TrainingSettings(backbone=backbone, adapt=arm, seed=seed)  # type: ignore[arg-type]
            model = train(home / "liked", home / "ordinary", settings).model
            minutes = (time.perf_counter() - started) / 60
            logits = np.array([float(scores.logit) for _, scores in model.score_files(judged, [])])
            found.append((auc(logits, truth), minutes))
    return found


def saved(
    pictures: Sequence[tuple[Tensor, Tensor]], chosen: Sequence[int], hand: int, folder: Path
) -> list[Path]:
    """The liked (0) or ordinary (1) pictures at these places as PNG files."""
    folder.mkdir()
    files = []
    for place in chosen:
        files.append(folder / f"{place:04}.png")
        to_pil((pictures[place][hand] * 255).round().to(torch.uint8)).save(files[-1])
    return files


if __name__ == "__main__":
    timed(main)

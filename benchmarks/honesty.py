"""Reported against true AUC and calibration error: python benchmarks/honesty.py [task …] [--draws 4] [--size 100]

Each task of fewshot.py is trained --draws times on different images. The cross-validated metrics that training
reports are compared with those on all unseen images in both conditions:

  reported   cross-validated AUC with its 95 % interval, as in the model's card; mean over draws
  unseen     AUC on unseen images; mean over draws
  covered    draws whose interval holds the unseen AUC
  ECE        15-bin balanced calibration error of the held-out scores, as in the card, and of the unseen ones
  bound      what a perfectly calibrated model with these scores stays under 95 times of 100
  within     draws whose ECE stays within its bound

Features are kept in benchmarks/results.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from fewshot import Bench
from tasks import Task, content_disjoint_split, load_pool, tasks

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.metrics.binary import auc, calibration_error_bound, expected_calibration_error
from ganrm_core.metrics.summary import SummaryMetrics, measure
from ganrm_core.training.cross_validation import fit_default
from ganrm_core.training.feature_rows import Rows
from ganrm_core.utils.progress import no_progress


@dataclass(frozen=True)
class Draw:
    """One training: its reported metrics and those on unseen images."""

    reported: SummaryMetrics
    auc: float
    ece: float
    bound: float

    @property
    def covered(self) -> bool:
        return self.reported.auc.low <= self.auc <= self.reported.auc.high


def main() -> None:
    parser = argparse.ArgumentParser(description="Does a model tell the truth about itself?")
    parser.add_argument("names", nargs="*", help="tasks to run; all of them if none is named")
    parser.add_argument("--draws", type=int, default=4, help="trainings per task (default 4)")
    parser.add_argument("--size", type=int, default=100, help="pictures per class (default 100)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench(load_backbone("efficientnet_lite0"), load_pool()[1])
    print(
        f"{'':<13}{'':>27}{'':>8}{'':>9}{'held-out':>23}{'unseen':>24}\n{'task':<13}{'reported':>27}{'unseen':>8}"
        f"{'covered':>9}" + f"{'ECE':>8}{'bound':>7}{'within':>8}" * 2,
        flush=True,
    )
    found: list[Draw] = []
    for task in tasks():
        if options.names and task.name not in options.names:
            continue
        drawn = [draw(bench, task, options.size, seed) for seed in range(options.draws)]
        found += drawn
        print(row(task.name, drawn), flush=True)
    print(row("together", found))


def draw(bench: Bench, task: Task, n: int, seed: int) -> Draw:
    columns, blocks = bench.columns("default")
    liked, ordinary = (part[..., columns] for part in bench.features(task))
    # Seeds of their own: the splits of fewshot.py are those the recipe was looked at with.
    split = content_disjoint_split(len(liked), n, 1000 + seed)
    labels = np.repeat([1, 0], n)
    fitted = fit_default(
        Rows(
            torch.cat([liked[split.train_liked], ordinary[split.train_ordinary]]),
            torch.from_numpy(labels).float(),
        ),
        np.arange(2 * n),
        blocks,
        seed=seed,
        progress=no_progress,
    )
    rest = [*split.test_liked, *split.test_ordinary]
    with torch.no_grad():
        logits = fitted.layer.head(torch.cat([liked[rest, 0], ordinary[rest, 0]])).double().numpy()
    truth = np.repeat([1, 0], len(rest))
    scores = fitted.calibration.scores(logits)
    return Draw(
        measure(fitted.held_out_scores, labels, np.arange(2 * n), seed),
        auc(logits, truth),
        expected_calibration_error(scores, truth),
        calibration_error_bound(scores, truth, seed=seed),
    )


def row(name: str, drawn: list[Draw]) -> str:
    reported, low, high = np.mean(
        [(d.reported.auc.value, d.reported.auc.low, d.reported.auc.high) for d in drawn], axis=0
    )
    unseen, ece, bound = np.mean([(d.auc, d.ece, d.bound) for d in drawn], axis=0)
    held_ece, held_bound = np.mean([(d.reported.ece.value, d.reported.ece_bound) for d in drawn], axis=0)
    covered = sum(d.covered for d in drawn)
    within = (
        sum(d.reported.ece.value <= d.reported.ece_bound for d in drawn),
        sum(d.ece <= d.bound for d in drawn),
    )
    count = len(drawn)
    return (
        f"{name:<13}{f'{reported:.3f} [{low:.3f}, {high:.3f}]':>27}{unseen:>8.3f}{f'{covered}/{count}':>9}"
        f"{held_ece:>8.3f}{held_bound:>7.3f}{f'{within[0]}/{count}':>8}{ece:>8.3f}{bound:>7.3f}{f'{within[1]}/{count}':>8}"
    )


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

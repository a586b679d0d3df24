"""Effect of more ordinary images when liked ones are few: python benchmarks/more_ordinary.py [task …] [--family third]

Preset `default`, trained on different numbers of liked and ordinary images; every row is tested on the same unseen
images of unseen contents, and on the groups of within_group.py. Means over tasks and splits:

  AUC         liked against ordinary
  change      paired difference to equally many ordinary images, with its 95 % bootstrap interval
  tau         Kendall's tau within groups
  efficiency  selection efficiency within groups: 1 always the best of eight, 0 chance

Features are shared with fewshot.py and within_group.py (benchmarks/results). Of a family whose sets differ in size, those
that leave fewer than 100 pictures of a class to judge on are left out.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from families import FAMILIES, BenchTask, pool_of, tasks_of
from fewshot import Bench
from intervals import mean_interval
from what_works import Trial, Variant
from within_group import GROUPS, candidates

from ganrm_core.backbones.registry import load_backbone

MOST_LIKED, MOST_ORDINARY, LEAST_TEST = 100, 200, 100
SETS = ((25, 25), (25, 50), (25, 100), (25, 200), (50, 50), (50, 100), (50, 200), (100, 100), (100, 200))


def main() -> None:
    parser = argparse.ArgumentParser(description="Do more ordinary pictures help?")
    parser.add_argument("names", nargs="*", help="tasks to run; all of them if none is named")
    parser.add_argument("--seeds", type=int, default=3, help="splits per task (default 3)")
    parser.add_argument("--family", choices=FAMILIES, default="first", help="of tasks (default first)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench(load_backbone("efficientnet_lite0"), pool_of(options.family))
    metrics: dict[tuple[int, int], list[list[float]]] = {sizes: [] for sizes in SETS}
    for task in tasks_of(options.family):
        if options.names and task.name not in options.names:
            continue
        free = task.pool_size(bench.pool) - task.group_subjects(GROUPS)
        if free < MOST_LIKED + MOST_ORDINARY + LEAST_TEST:
            print(f"{task.name} left out: {free} pictures a class", flush=True)
            continue
        for seed in range(options.seeds):
            for sizes in SETS:
                metrics[sizes].append(trial(bench, task, *sizes, seed).metrics(Variant("default")))
        print(f"{task.name} done", flush=True)
    print_table(metrics)


def trial(bench: Bench, task: BenchTask, n_liked: int, n_ordinary: int, seed: int) -> Trial:
    columns, blocks = bench.columns("default")
    groups, qualities = candidates(bench, task)
    # No picture of a group is learned from.
    aside = task.group_subjects(GROUPS)
    liked, ordinary = (part[aside:][..., columns] for part in bench.features(task))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(liked)))
    for_liked, for_ordinary, for_test = order.tensor_split([MOST_LIKED, MOST_LIKED + MOST_ORDINARY])
    return Trial(
        blocks,
        torch.cat([liked[for_liked[:n_liked]], ordinary[for_ordinary[:n_ordinary]]]),
        torch.tensor([1.0] * n_liked + [0.0] * n_ordinary),
        torch.cat([liked[for_test], ordinary[for_test]])[:, 0],
        np.repeat([1, 0], len(for_test)),
        groups[..., columns],
        qualities,
        seed,
    )


def print_table(metrics: dict[tuple[int, int], list[list[float]]]) -> None:
    print(f"\n{'liked':>6}{'ordinary':>10}{'AUC':>8}{'change':>26}{'tau':>8}{'effic.':>8}")
    rng = np.random.default_rng(0)
    for (n_liked, n_ordinary), rows in metrics.items():
        table, even = np.array(rows), np.array(metrics[n_liked, n_liked])
        gain = table[:, 0] - even[:, 0]
        low, high = mean_interval(gain, rng)
        change = "" if n_liked == n_ordinary else f"{gain.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        area, tau, efficiency = table.mean(axis=0)
        print(f"{n_liked:>6}{n_ordinary:>10}{area:>8.3f}{change:>26}{tau:>8.3f}{efficiency:>8.3f}")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

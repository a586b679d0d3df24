"""Searches that steer against Best of N at equal calls of the model: python -m benchmarks.search

Samples from the generator of coloured shapes and trains the reward as `benchmarks.best_of_n` does, in ComfyUI's Python. For
4, 8 and 16 finished pictures' worth of calls, and over groups of seeds, the true quality of the picture that the node's
own code keeps:

  best of n   as many finished pictures
  pruned      standard pruning, with as many more begun as its calls allow
  paths       Search over Paths
  resample    Feynman-Kac steering

`calls`: counted, as a share of the budget. `over pruned`: paired by group. Intervals: 95 %, bootstrap over groups.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.best_of_n import STEPS, interval, trained, truth
from benchmarks.shapes.bench import Bench, pack

BUDGETS = (4, 8, 16)
TOGETHER = 32  # candidates per call, only to be quick: each counts as one
METHODS = ("best of n", "pruned", "paths", "resample")


def main() -> None:
    parser = argparse.ArgumentParser(description="What searches that steer are worth.")
    parser.add_argument("--groups", type=int, default=60, help="of seeds (default 60)")
    parser.add_argument(
        "--first", type=int, default=0, help="group (default 0); the constants were set on 100 and on"
    )
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, help="finished pictures (4 8 16)")
    parser.add_argument("--sampler", default="euler", help="(default euler)")
    parser.add_argument("--half-made", action="store_true", help="train on half-made pictures too")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench()
    reward = trained(bench, options.half_made)
    for budget in options.budgets:
        report(
            budget,
            [
                compared(bench, reward, budget, options.first + group, options.sampler)
                for group in range(options.groups)
            ],
        )


def settings(method: str, budget: int) -> Any:
    """The node's settings that begin as many candidates as `budget` finished pictures' worth of steps allow."""
    steering = pack("ganrm_core.selection.steering")
    halving = pack("ganrm_core.selection.successive_halving")
    schedule = halving.SCHEDULES["standard"] if method == "pruned" else ()

    def cost(count: int) -> int:
        if method == "paths":
            return int(steering.path_steps(steering.path_levels(STEPS, count, 1), STEPS, count))
        return int(halving.total_steps(halving.halving_rungs(schedule, STEPS, count, 1), STEPS, count))

    count = max(count for count in range(1, 4 * budget) if cost(count) <= budget * STEPS)
    search = method if method in steering.SEARCHES else "best of n"
    return pack("nodes.best_of_n.halving_settings").HalvingSettings(
        count, 1, schedule, together=TOGETHER, search=search
    )


def compared(bench: Bench, reward: Any, budget: int, group: int, sampler: str) -> list[tuple[float, float]]:
    """True quality and calls of each method, each from the same first seed."""
    rows = []
    run_of = pack("nodes.best_of_n.search_run").run_of
    for method in METHODS:
        rules = settings(method, budget)
        with bench.counted() as calls, torch.inference_mode():
            setup = bench.setup(4_000_000 + 1000 * group, STEPS, sampler)
            kept = run_of(rules)(setup, bench.vae, reward, rules).run(lambda _: None).kept[0]
        rows.append((float(truth(kept.picture.unsqueeze(0).numpy())[0]), float(sum(calls))))
    return rows


def report(budget: int, rows: list[list[tuple[float, float]]]) -> None:
    table: NDArray[np.float64] = np.array(rows)  # [groups, methods, truth and calls]
    pruned = table[:, METHODS.index("pruned"), 0]
    print(
        f"\n{budget} pictures' worth{'calls':>9}  {'truth':<24}over pruned ({len(table)} groups)", flush=True
    )
    for place, method in enumerate(METHODS):
        worth = table[:, place, 0]
        calls = table[:, place, 1].mean() / (budget * STEPS)
        said = interval(lambda chosen, w=worth: w[chosen].mean(), len(worth))
        over = interval(lambda chosen, w=worth: (w - pruned)[chosen].mean(), len(worth))
        print(f"{method:<18}{calls:>9.0%}  {said:<24}{over if method != 'pruned' else ''}")


if __name__ == "__main__":
    main()

"""Drafts, pruning and both against plain Best of 16: python -m benchmarks.drafts

Samples from the generator of coloured shapes and trains the reward as `benchmarks.best_of_n` does, in ComfyUI's Python. For
each way, over groups of 16 seeds and with the node's own code:

  calls   of the model, as a share of those that sixteen finished pictures take
  gain    true quality of the picture kept over the mean of the group
  share   of plain Best of 16's gain, with its 95 % interval, bootstrap over groups

Ways are named by draft, strength, how many are made in full, and pruning. Choose constants on `--first 100`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.best_of_n import STEPS, N, interval, trained, truth
from benchmarks.shapes.bench import Bench, pack

TARGET = (0.97, 0.30)  # of the gain, of the calls
TOGETHER = 16  # candidates per call without drafts, only to be quick: each counts as one
PRUNING = ("off", "standard", "strong")
FINALS = (1, 2, 3)


@dataclass(frozen=True)
class Way:
    """What the node's inputs of these names say."""

    draft: str
    strength: str
    finals: int
    pruning: str

    @property
    def name(self) -> str:
        drafted = (
            f"{self.draft}, {self.strength}, {self.finals} in full" if self.draft != "off" else "no drafts"
        )
        return f"{drafted}, pruning {self.pruning}"

    def settings(self) -> Any:
        """The settings of the node's run."""
        drafts = pack("ganrm_core.selection.drafts").DraftSettings(self.draft, self.strength, self.finals)
        schedule = pack("ganrm_core.selection.successive_halving").SCHEDULES[self.pruning]
        # A draft's exact calls are known for the picture in full only where they were made alone.
        together = TOGETHER if self.draft == "off" else 1
        return pack("nodes.best_of_n.halving_settings").HalvingSettings(
            N, 1, schedule, together=together, draft=drafts
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="What drafts are worth.")
    parser.add_argument("--groups", type=int, default=60, help="of seeds (default 60)")
    parser.add_argument(
        "--first", type=int, default=0, help="group (default 0); constants are chosen on 100 and on"
    )
    parser.add_argument("--sampler", default="euler", help="(default euler)")
    parser.add_argument("--finals", type=int, nargs="+", default=FINALS, help="made in full (default 1 2 3)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench()
    reward = trained(bench, False)
    every = ways(options.finals)
    rows = [
        compared(bench, reward, every, options.first + group, options.sampler)
        for group in range(options.groups)
    ]
    report(every, np.array(rows))


def ways(finals: tuple[int, ...]) -> list[Way]:
    """Plain Best of N first, then pruning alone, drafts alone and both together."""
    drafts = pack("ganrm_core.selection.drafts")
    alone = [Way("off", "standard", 1, pruning) for pruning in PRUNING]
    kinds = [kind for kind in drafts.DRAFTS if kind != "off"]
    return [*alone, *(Way(*given) for given in product(kinds, drafts.STRENGTHS, finals, PRUNING))]


def compared(
    bench: Bench, reward: Any, every: list[Way], group: int, sampler: str
) -> list[tuple[float, float]]:
    """Gain and calls of each way on one group of seeds."""
    first = 5_000_000 + 1000 * group
    mean = truth(bench.many(range(first, first + N), STEPS)[0]).mean()
    rows = []
    run_of = pack("nodes.best_of_n.search_run").run_of
    for way in every:
        rules = way.settings()
        with bench.counted() as calls, torch.inference_mode():
            kept = run_of(rules)(bench.setup(first, STEPS, sampler), bench.vae, reward, rules)
            picture = kept.run(lambda _: None).kept[0].picture
        rows.append((float(truth(picture.unsqueeze(0).numpy())[0] - mean), float(sum(calls))))
    return rows


def report(every: list[Way], table: NDArray[np.float64]) -> None:
    """`table`: [groups, ways, gain and calls]."""
    gains, calls = table[..., 0], table[..., 1].mean(0)
    print(f"\n{'':<46}{'calls':>7}{'gain':>8}  share of plain Best of {N}'s gain ({len(table)} groups)")
    for place, way in enumerate(every):
        shared = gains[:, place].mean() / gains[:, 0].mean()
        taken = calls[place] / calls[0]
        said = interval(lambda rows, p=place: gains[rows, p].mean() / gains[rows, 0].mean(), len(table))
        mark = "  *" if shared >= TARGET[0] and taken <= TARGET[1] else ""
        print(f"{way.name:<46}{taken:>7.1%}{gains[:, place].mean():>8.3f}  {said}{mark}", flush=True)
    print(f"* at least {TARGET[0]} of the gain with at most {TARGET[1]:.0%} of the calls")


if __name__ == "__main__":
    main()

"""Which blocks of a transformer to read, and whether a second look helps: python benchmarks/transformer_readouts.py
--backbone transformers:FOLDER [task …]

Preset `default` on a transformer, trained with one view of n liked and n ordinary pictures, by what it sees:

  four blocks      what the library reads: after a quarter, half, three quarters and all of them; with histograms
  … no histograms  the network alone
  … second look    and the response of the four to a picture of half the side (positions are interpolated)
  … of two blocks  the same, of the two lower ones of the four only
  first half       the blocks up to the middle, every one
  six, all         every second block, and every one; the latter also with the response of all
  built-in         EfficientNet-lite0 as it is, on one view, for comparison

Per kind and n: AUC on unseen subjects, and tau and selection efficiency of groups of candidates (`within_group.py`), means over
splits. All readings come from one pass over each picture, kept in benchmarks/results. `vit_small.py` makes a FOLDER.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from backbone_options import SizedLook, readable_backbone
from families import FAMILIES, BenchTask, pool_of, tasks_of
from fewshot import Bench
from numpy.typing import NDArray
from packages import timed
from torch import Tensor
from within_group import GROUPS, candidates, judge, scores

from ganrm_core.backbones.base import BackboneSpec
from ganrm_core.backbones.vit import VitBackbone, depth_of, tap_depths
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.readout import Readout, default_readout

TASKS = ("emojione/fluent", "emojione 1/2", "3d/shaded")
SIZES = (25, 50, 100)
BUILT_IN = "efficientnet_lite0"

Array = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description="What to read of a transformer.")
    parser.add_argument("names", nargs="*", help=f"tasks to run (default: {', '.join(TASKS)})")
    parser.add_argument("--family", choices=FAMILIES, default="third", help="of tasks (default third)")
    parser.add_argument("--backbone", required=True, help="such as transformers:FOLDER")
    parser.add_argument("--seeds", type=int, default=3, help="splits per task and size (default 3)")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="training pictures per class")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pool = pool_of(options.family)
    transformer = transformer_bench(options.backbone, pool)
    seen = [
        *((name, transformer, readout) for name, readout in readings(transformer).items()),
        ("built-in", built_in := Bench(readable_backbone(BUILT_IN), pool, views=1), built_in.default),
    ]
    print(f"{'kind':<20}{'n':>4}  {'seen':<18}{'AUC':>7}{'tau':>7}{'effic.':>8}", flush=True)
    table: dict[tuple[int, str], list[Array]] = {}
    for task in tasks_of(options.family):
        if task.name not in (options.names or TASKS):
            continue
        for n in options.sizes:
            for name, bench, readout in seen:
                bench.see(readout)
                rows = [judged(bench, task, n, seed) for seed in range(options.seeds)]
                table.setdefault((n, name), []).append(np.mean(rows, axis=0))
                _print_row(f"{task.name:<20}", n, name, table[n, name][-1])
    for (n, name), means in table.items():
        _print_row(f"{'mean over kinds':<20}", n, name, np.mean(means, axis=0))


def transformer_bench(name: str, pool: list[Tensor]) -> Bench:
    """A bench that reads every block of a transformer, at a picture and at one of half the side."""
    backbone = readable_backbone(name)
    if not isinstance(backbone, VitBackbone):
        raise SystemExit(f"{name} is no transformer.")
    backbone = readable_backbone(name, range(1, backbone.layout.depth + 1))
    bench = Bench(backbone, pool, views=1)
    usual = bench.default
    bench.read_as(replace(usual, second_look=SizedLook("smaller", usual.taps, backbone.spec.input_size // 2)))
    return bench


def readings(bench: Bench) -> dict[str, Readout]:
    """What `default` is to see, by name; all of it among what `bench` reads."""
    spec, look = bench.backbone.spec, bench.default.second_look
    assert look
    depth = max(depth_of(tap) or 0 for tap in bench.default.taps)
    four = tap_depths(depth)
    usual = default_readout(spec)

    def after(blocks: Sequence[int], again: Sequence[int] = ()) -> Readout:
        second = replace(look, taps=_taps(spec, again)) if again else None
        return replace(usual, taps=_taps(spec, blocks), second_look=second)

    return {
        "four blocks": after(four),
        "… no histograms": replace(after(four), histograms=()),
        "… second look": after(four, four),
        "… of two blocks": after(four, four[:2]),
        "first half": after(range(1, depth // 2 + 1)),
        "six blocks": after(range(2, depth + 1, 2)),
        "all blocks": after(range(1, depth + 1)),
        "… and second look": after(range(1, depth + 1), range(1, depth + 1)),
    }


def _taps(spec: BackboneSpec, blocks: Sequence[int]) -> tuple[str, ...]:
    return tuple(tap.name for tap in spec.taps if depth_of(tap.name) in blocks)


def judged(bench: Bench, task: BenchTask, n: int, seed: int) -> tuple[float, float, float]:
    """AUC, tau and efficiency of `default`, trained on n + n pictures that are in no group."""
    liked, ordinary = bench.features(task)
    groups, qualities = candidates(bench, task)
    aside = task.group_subjects(GROUPS)
    split = task.split(task.pool_size(bench.pool) - aside, n, seed)
    liked, ordinary = liked[aside:], ordinary[aside:]
    train = torch.cat([liked[split.train_liked], ordinary[split.train_ordinary]])
    test = torch.cat([liked[split.test_liked], ordinary[split.test_ordinary]])[:, 0]
    truth = np.repeat([1, 0], [len(split.test_liked), len(split.test_ordinary)])
    both = scores(
        bench, "default", train, np.repeat([1, 0], n), torch.cat([test, groups.flatten(0, 1)]), seed
    )
    ranking = judge(both[len(test) :].reshape(qualities.shape), qualities)
    return auc(both[: len(test)], truth), float(ranking.tau.mean()), ranking.efficiency


def _print_row(kind: str, n: int, name: str, means: Array) -> None:
    print(f"{kind}{n:>4}  {name:<18}{means[0]:>7.3f}{means[1]:>7.3f}{means[2]:>8.3f}", flush=True)


if __name__ == "__main__":
    timed(main)

"""Ranking of candidates within a group: python benchmarks/within_group.py [kind …] [--seeds 3]

Each reward is trained as in fewshot.py: n liked and n ordinary images of different contents, at the frozen strength
of the task. Then it ranks groups of eight candidates: one image outside every training set, with a degradation or a
style at eight evenly spaced strengths up to twice the frozen one (at most 1). Each candidate gets its own benign
variation (light, hue, softness, grain, crop), as candidates of one prompt differ in more than their faults. True
quality is minus the SSIM loss of a degradation, or the strength of a style.

  tau         Kendall's tau-b between logit and quality, mean over groups; 0 is chance
  top-1       share of groups whose highest logit is the best candidate; 1/8 is chance
  efficiency  metrics.selection_efficiency: 0 is chance, 1 always the best candidate

With --family third or fourth the groups are those of `illustrators.py`: sheets of four drawings of which none to all are
the liked illustrator's, or one drawing faded into the other where the same lines lie at the same places. Quality is
the liked illustrator's share.

The methods are those of fewshot.py. Intervals are 95 % bootstrap intervals of the paired difference of
tau, `default` minus the other, over kinds, splits and groups (whole kinds are drawn first). Features
are kept in benchmarks/results.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from backbone_options import add_backbone_options
from families import FAMILIES, BenchTask, pool_of, tasks_of
from fewshot import (
    RESULTS,
    VIEWS,
    Array,
    Bench,
    add_methods_option,
    bench_of,
    centroid,
    file_name,
    linear_probe,
    methods_of,
)
from numpy.typing import NDArray
from packages import timed
from scipy.stats import kendalltau
from tasks import CANDIDATES
from torch import Tensor

from ganrm_core.data.transforms import resize
from ganrm_core.metrics.binary import selection_efficiency
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor

METHODS = ("centroid", "pooled", "paper", "first", "network", "default")
SIZES = (25, 50, 100)
GROUPS = 40


@dataclass(frozen=True)
class Ranking:
    """Ranking metrics of one method on all groups of one kind after one training: arrays [groups]."""

    tau: Array
    top: Array
    efficiency: float


def main() -> None:
    parser = argparse.ArgumentParser(description="The order among candidates that share a picture.")
    parser.add_argument("names", nargs="*", help="kinds to run; all of them if none is named")
    parser.add_argument("--seeds", type=int, default=3, help="splits per kind and size (default 3)")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="training pictures per class")
    parser.add_argument("--family", choices=FAMILIES, default="first", help="of kinds (default first)")
    add_methods_option(parser, METHODS)
    add_backbone_options(parser)
    parser.add_argument("--views", type=int, default=VIEWS, help="of a picture to learn from (default 4)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    methods = methods_of(options, METHODS)
    chosen = [task for task in tasks_of(options.family) if not options.names or task.name in options.names]
    bench = bench_of(options, pool_of(options.family))
    print(f"{GROUPS} groups a kind, {options.seeds} splits each")
    print(f"\n{'':<20}{'':>4}" + "".join(f"{name:^27}" for name in methods))
    print(f"{'kind':<20}{'n':>4}" + f"{'tau':>9}{'top-1':>8}{'effic.':>8}  " * len(methods), flush=True)
    results: dict[int, list[list[list[Ranking]]]] = {n: [] for n in options.sizes}
    for task in chosen:
        groups = candidates(bench, task)
        for n in _sizes(bench, task, options.sizes):
            done = [rankings(bench, task, groups, n, seed, methods) for seed in range(options.seeds)]
            results[n].append(done)
            print(f"{task.name:<20}{n:>4}" + _row(done), flush=True)
    print("\nmean over kinds")
    results = {n: kinds for n, kinds in results.items() if kinds}
    for n, kinds in results.items():
        print(f"{'':<20}{n:>4}" + _row([trained for kind in kinds for trained in kind]))
    print()
    for n, kinds in results.items():
        print(
            f"{n:>4}  tau of default "
            + ", ".join(_gain(kinds, place, name) for place, name in enumerate(methods[:-1]))
        )


def _sizes(bench: Bench, task: BenchTask, sizes: Sequence[int]) -> list[int]:
    """Those for which the pictures suffice that are in no group."""
    free = task.pool_size(bench.pool) - task.group_subjects(GROUPS)
    return [n for n in sizes if 2 * n + 2 <= free]


def candidates(bench: Bench, task: BenchTask) -> tuple[Tensor, Array]:
    """Features [groups, candidates, columns] as `Bench.features` lays them out, and true qualities."""
    key = hashlib.sha256(
        f"({task.version}, {GROUPS}, {CANDIDATES}, {bench.readout!r}, {bench.backbone.spec!r})".encode()
    ).hexdigest()
    path = RESULTS / f"groups-{file_name(task.name)}-{key[:12]}.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True)
        return kept["features"], kept["qualities"].numpy()
    reader = FeatureExtractor(bench.backbone, bench.readout)
    size = bench.backbone.spec.input_size
    rows, qualities = [], []
    for index in range(GROUPS):
        pictures, quality = task.group(bench.pool, index)
        rows.append(reader(torch.stack([resize(picture, size) for picture in pictures])))
        qualities.append(quality)
    kept = {"features": torch.stack(rows), "qualities": torch.tensor(qualities, dtype=torch.float64)}
    RESULTS.mkdir(exist_ok=True)
    torch.save(kept, path)
    return kept["features"], kept["qualities"].numpy()


def rankings(
    bench: Bench, task: BenchTask, groups: tuple[Tensor, Array], n: int, seed: int, methods: Sequence[str]
) -> list[Ranking]:
    """Train each of `methods` on n + n pictures that are in no group, and rank all of `candidates`' groups."""
    features, qualities = groups
    liked, ordinary = bench.features(task)
    aside = task.group_subjects(GROUPS)
    split = task.split(task.pool_size(bench.pool) - aside, n, seed)
    train = torch.cat([liked[aside:][split.train_liked], ordinary[aside:][split.train_ordinary]])
    labels = np.repeat([1, 0], n)
    return [
        judge(
            scores(bench, method, train, labels, features.flatten(0, 1), seed).reshape(qualities.shape),
            qualities,
        )
        for method in methods
    ]


def judge(logits: Array, qualities: Array) -> Ranking:
    """Both [groups, candidates]."""
    tau = np.array([float(kendalltau(*pair).statistic) for pair in zip(logits, qualities, strict=True)])
    chosen = logits.argmax(axis=1)
    top = qualities[np.arange(len(chosen)), chosen] >= qualities.max(axis=1) - 1e-9
    return Ranking(np.nan_to_num(tau), top.astype(float), selection_efficiency(qualities, chosen))


def scores(
    bench: Bench, method: str, train: Tensor, labels: NDArray[np.int64], test: Tensor, seed: int
) -> Array:
    """Logits, or a centroid's cosines, of rows [rows, columns]; `train` [pictures, views, columns]."""
    columns, _ = bench.columns(method)
    train, test = train[..., columns], test[:, columns]
    if method == "centroid":
        return centroid(train[:, 0], labels, test)
    if method == "pooled":
        return linear_probe(train[:, 0], labels, test)
    return bench.preset(method, train[:, :1] if method == "paper" else train, labels, test, seed)


def _row(trained: list[list[Ranking]]) -> str:
    """Means over trainings for every method; `trained` [trainings][methods]."""
    cells = []
    for method in range(len(trained[0])):
        done = [each[method] for each in trained]
        metrics = (
            np.mean([each.tau for each in done]),
            np.mean([each.top for each in done]),
            np.mean([each.efficiency for each in done]),
        )
        cells.append("{:>9.3f}{:>8.3f}{:>8.3f}  ".format(*metrics))
    return "".join(cells)


def _gain(kinds: list[list[list[Ranking]]], other: int, name: str) -> str:
    """Paired difference of tau to `default`, the last method, with its bootstrap interval."""
    default = -1
    # Trainings on one kind rank the same groups: a group's mean over them is one observation.
    gains = [np.mean([each[default].tau - each[other].tau for each in kind], axis=0) for kind in kinds]
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(2000):
        drawn = [gains[i] for i in rng.integers(len(gains), size=len(gains))]
        draws.append(np.mean([rng.choice(gain, len(gain)).mean() for gain in drawn]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"− {name} {np.mean(gains):+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    timed(main)

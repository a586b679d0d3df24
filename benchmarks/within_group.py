"""Ranking of candidates within a group: python benchmarks/within_group.py [kind …] [--seeds 3]

Each reward is trained as in fewshot.py: n liked and n ordinary images of different contents, at the frozen strength
of the task. Then it ranks groups of eight candidates: one image outside every training set, with a degradation or a
style at eight evenly spaced strengths up to twice the frozen one (at most 1). Each candidate gets its own benign
variation (light, hue, softness, grain, crop), as candidates of one prompt differ in more than their faults. True
quality is minus the SSIM loss of a degradation, or the strength of a style.

  tau         Kendall's tau-b between logit and quality, mean over groups; 0 is chance
  top-1       share of groups whose highest logit is the best candidate; 1/8 is chance
  efficiency  metrics.selection_efficiency: 0 is chance, 1 always the best candidate

The methods are those of fewshot.py. Intervals are 95 % bootstrap intervals of the paired difference of
tau, `default` minus the other, over kinds, splits and groups (whole kinds are drawn first). Features
are kept in benchmarks/results.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from dataclasses import dataclass

import numpy as np
import torch
from fewshot import RESULTS, Array, Bench, centroid, linear_probe
from numpy.typing import NDArray
from scipy.stats import kendalltau
from styles import STYLES
from tasks import Task, content_disjoint_split, finish, load_pool, tasks
from torch import Tensor

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data.transforms import resize
from ganrm_core.metrics.binary import selection_efficiency
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import SECOND_LOOKS
from ganrm_core.synthetic.degradations import apply_fault

METHODS = ("centroid", "pooled", "paper", "first", "default")
SIZES = (25, 50, 100)
GROUPS = 40
CANDIDATES = 8


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
    parser.add_argument("--second-look", choices=SECOND_LOOKS, default="smaller", help="of default")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = [task for task in tasks() if not options.names or task.name in options.names]
    pool = load_pool()[1]
    bench = Bench(load_backbone("efficientnet_lite0"), pool, second_look=options.second_look)
    print(f"{GROUPS} groups of {CANDIDATES} a kind, {options.seeds} splits each")
    print(f"\n{'':<12}{'':>4}" + "".join(f"{name:^27}" for name in METHODS))
    print(f"{'kind':<12}{'n':>4}" + f"{'tau':>9}{'top-1':>8}{'effic.':>8}  " * len(METHODS), flush=True)
    results: dict[int, list[list[list[Ranking]]]] = {n: [] for n in options.sizes}
    for task in chosen:
        groups, qualities = candidates(bench, task)
        for n in options.sizes:
            done = [rankings(bench, task, groups, qualities, n, seed) for seed in range(options.seeds)]
            results[n].append(done)
            print(f"{task.name:<12}{n:>4}" + _row(done), flush=True)
    print("\nmean over kinds")
    for n, kinds in results.items():
        print(f"{'':<12}{n:>4}" + _row([trained for kind in kinds for trained in kind]))
    print()
    for n, kinds in results.items():
        print(
            f"{n:>4}  tau of default " + ", ".join(_gain(kinds, other) for other in range(len(METHODS) - 1))
        )


def candidates(bench: Bench, task: Task) -> tuple[Tensor, Array]:
    """Features [groups, candidates, columns] as `Bench.features` lays them out, and true qualities."""
    key = hashlib.sha256(
        repr((task, GROUPS, CANDIDATES, bench.readout, bench.backbone.spec)).encode()
    ).hexdigest()
    path = RESULTS / f"groups-{task.name}-{key[:12]}.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True)
        return kept["features"], kept["qualities"].numpy()
    reader = FeatureExtractor(bench.backbone, bench.readout)
    size = bench.backbone.spec.input_size
    rows, qualities = [], []
    for index in range(GROUPS):
        pictures, quality = candidate_pictures(task, bench.pool[index], index)
        rows.append(reader(torch.stack([resize(picture, size) for picture in pictures])))
        qualities.append(quality)
    kept = {"features": torch.stack(rows), "qualities": torch.tensor(qualities, dtype=torch.float64)}
    RESULTS.mkdir(exist_ok=True)
    torch.save(kept, path)
    return kept["features"], kept["qualities"].numpy()


def candidate_pictures(task: Task, picture: Tensor, index: int) -> tuple[list[Tensor], list[float]]:
    """One group: pictures [3, 256, 256] in 0–1 and their qualities. `picture`: uint8 [3, H, W]."""
    image = picture.float() / 255
    made, qualities = [], []
    strongest = min(1.0, 2 * task.strength)
    for place in range(CANDIDATES):
        rng = torch.Generator().manual_seed(1_000_000 + CANDIDATES * index + place)
        amount = strongest * (place + 0.5) / (CANDIDATES - 0.5)
        if task.kind == "style":
            changed, quality = STYLES[task.name](image, amount, rng), amount
        else:
            faulty = apply_fault(image, task.name, amount, int(torch.randint(2**31, (), generator=rng)))
            changed, quality = faulty.image, -faulty.ssim_loss
        made.append(finish(changed, rng))
        qualities.append(quality)
    return made, qualities


def rankings(bench: Bench, task: Task, groups: Tensor, qualities: Array, n: int, seed: int) -> list[Ranking]:
    """Train every method on n + n pictures that are in no group, and rank all groups."""
    liked, ordinary = bench.features(task)
    split = content_disjoint_split(len(bench.pool) - GROUPS, n, seed)
    train = torch.cat([liked[GROUPS:][split.train_liked], ordinary[GROUPS:][split.train_ordinary]])
    labels = np.repeat([1, 0], n)
    return [
        judge(
            scores(bench, method, train, labels, groups.flatten(0, 1), seed).reshape(qualities.shape),
            qualities,
        )
        for method in METHODS
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
    for method in range(len(METHODS)):
        done = [each[method] for each in trained]
        metrics = (
            np.mean([each.tau for each in done]),
            np.mean([each.top for each in done]),
            np.mean([each.efficiency for each in done]),
        )
        cells.append("{:>9.3f}{:>8.3f}{:>8.3f}  ".format(*metrics))
    return "".join(cells)


def _gain(kinds: list[list[list[Ranking]]], other: int) -> str:
    """Paired difference of tau to `default`, the last method, with its bootstrap interval."""
    default = len(METHODS) - 1
    # Trainings on one kind rank the same groups: a group's mean over them is one observation.
    gains = [np.mean([each[default].tau - each[other].tau for each in kind], axis=0) for kind in kinds]
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(2000):
        drawn = [gains[i] for i in rng.integers(len(gains), size=len(gains))]
        draws.append(np.mean([rng.choice(gain, len(gain)).mean() for gain in drawn]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"− {METHODS[other]} {np.mean(gains):+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

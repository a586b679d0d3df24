"""Calibrate the strength of each few-shot task: python benchmarks/tune_tasks.py [task …] [--target 0.75]

For each task, bisection over the strength until a linear probe on the built-in backbone's pooled
embedding, trained on 50 pictures a class, reaches the target AUC. The AUC is the mean over several
content-disjoint splits of one pool. Prints the table to copy into `tasks.py`.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tasks import FAMILIES, Split, Task, content_disjoint_split, load_pool, tasks
from torch import Tensor

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.rewards.discriminator.preprocessing import backbone_input

Features = np.ndarray[tuple[int, int], np.dtype[np.float32]]

PER_CLASS = 50
FAINTEST = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", default=[], help="tasks to tune; all of them if none is named")
    parser.add_argument("--family", choices=FAMILIES, default="first", help="of tasks (default first)")
    parser.add_argument("--target", type=float, default=0.75, help="AUC to aim at (default 0.75)")
    parser.add_argument(
        "--tolerance", type=float, default=0.02, help="how near is near enough (default 0.02)"
    )
    parser.add_argument("--pool", type=int, default=200, help="pictures used (default 200)")
    parser.add_argument("--splits", type=int, default=6, help="splits averaged (default 6)")
    parser.add_argument("--check", action="store_true", help="only measure the frozen strengths")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    known = FAMILIES[options.family]
    if unknown := set(options.names) - set(known):
        parser.error(f"unknown task {', '.join(sorted(unknown))}; there are {', '.join(known)}")

    torch.set_num_threads(options.threads)
    backbone = load_backbone("efficientnet_lite0")
    _, pool = load_pool(options.pool)
    splits = [content_disjoint_split(len(pool), PER_CLASS, seed) for seed in range(options.splits)]
    print(f"{len(pool)} pictures, {len(splits)} splits, {PER_CLASS} a class to train on", flush=True)
    for task in tasks(options.family):
        if options.names and task.name not in options.names:
            continue
        started = time.monotonic()
        measure = _measurer(task, pool, backbone, splits)
        steps = 1 if options.check else 6
        strength, auc = bisect(measure, task.strength, options.target, options.tolerance, steps)
        print(
            f'    "{task.name}": {strength:.3f},  # AUC {auc:.3f}, {time.monotonic() - started:.0f} s',
            flush=True,
        )


def bisect(
    measure: Callable[[float], float], start: float, target: float, tolerance: float, steps: int
) -> tuple[float, float]:
    """The strength found and its AUC. Strengths act by ratios, so the middle is the geometric one."""
    low, high, strength = FAINTEST, 1.0, start
    best_strength, best_auc = strength, math.inf
    for _ in range(steps):
        auc = measure(strength)
        if abs(auc - target) < abs(best_auc - target):
            best_strength, best_auc = strength, auc
        if abs(auc - target) <= tolerance:
            break
        low, high = (strength, high) if auc < target else (low, strength)
        strength = (low * high) ** 0.5
    return best_strength, best_auc


def probe_auc(liked: Features, ordinary: Features, split: Split) -> float:
    """Test AUC of a linear probe whose regularisation inner cross-validation chose on the training part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn announces renamed defaults on every fit
        probe = make_pipeline(
            StandardScaler(),
            PCA(),  # only turns the axes: as many are left as there are pictures, and the fit is the same
            LogisticRegressionCV(Cs=np.logspace(-4, 0, 5), cv=5, scoring="roc_auc", max_iter=500),
        )
        probe.fit(*_stacked(liked[split.train_liked], ordinary[split.train_ordinary]))
    features, labels = _stacked(liked[split.test_liked], ordinary[split.test_ordinary])
    return float(roc_auc_score(labels, probe.decision_function(features)))


def embed(images: list[Tensor], backbone: Backbone) -> Features:
    """Pictures [3, H, W] in 0–1 → pooled embeddings [N, D]."""
    rows = []
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    with torch.inference_mode():
        for first in range(0, len(images), 4):
            pixels = backbone_input(images[first : first + 4], backbone.spec)
            rows.append(backbone.features(pixels.contiguous(memory_format=torch.channels_last))[-1][:, 0])
    return torch.cat(rows).numpy()


def _measurer(
    task: Task, pool: list[Tensor], backbone: Backbone, splits: list[Split]
) -> Callable[[float], float]:
    def condition(strength: float, liked: bool) -> Features:
        at_strength = replace(task, strength=strength)
        images = []
        for place, picture in enumerate(pool):
            rng = torch.Generator().manual_seed(2 * place + int(liked))
            image = picture.float().div(255)
            images.append(at_strength.liked(image, rng) if liked else at_strength.ordinary(image, rng))
        return embed(images, backbone)

    changed_is_liked = task.kind == "style"
    unchanged = condition(task.strength, not changed_is_liked)

    def measure(strength: float) -> float:
        changed = condition(strength, changed_is_liked)
        liked, ordinary = (changed, unchanged) if changed_is_liked else (unchanged, changed)
        auc = float(np.mean([probe_auc(liked, ordinary, split) for split in splits]))
        print(f"    # {task.name} at {strength:.3f}: {auc:.3f}", flush=True)
        return auc

    return measure


def _stacked(
    liked: Features, ordinary: Features
) -> tuple[Features, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return np.concatenate([liked, ordinary]), np.repeat([1, 0], [len(liked), len(ordinary)])


if __name__ == "__main__":
    main()

"""Effect of rank-based bootstrapping on held-out AUC: python benchmarks/bootstrapping.py [task …] [--seeds 3]

For each task, number of training images per class, and pool size: the AUC on unseen images of unseen contents before
and after `ganrm refine`, with promoted pictures and with `bottom only`.

  before   the `default` preset on the training pictures alone
  after    what `refine` returns: the same model wherever held-out pictures did not rank better
  always   the model after one round, kept or not: what the method does without the guard
  oracle   a fit with the true label of every pool picture: what a perfect ranking could bring at most
  kept     rounds kept, mean over the splits

The pool is 200 contents that are neither trained nor tested on. A fifth of the pool leans to the
liked side by 0.3 to 1.2 of the task's strength, the rest is ordinary. A pool of 200 is one variant of
each content. A pool of 1,000 is *five* variants (other crop, light, grain and strength) of the very
same 200 contents, since the demo pictures are no more than that: it has 1,000 pictures' worth of
conditions but only 200 contents, so it may show less than 1,000 different outputs would. For the same
reason near-duplicates inside the pool are left in; none of them is in the training or test pictures.
Features are kept in benchmarks/results.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from fewshot import RESULTS, VIEWS, Bench
from intervals import mean_interval
from tasks import Task, content_disjoint_split, load_pool, tasks
from torch import Tensor

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data.augmentation import views
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.heads import Head
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.training.cross_validation import fit_default
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.self_training.fold_chains import StartingPoint
from ganrm_core.training.self_training.head_recipe import HeadRecipe
from ganrm_core.training.self_training.rounds import Bootstrapped, BootstrapSettings, bootstrap, pick
from ganrm_core.utils.progress import no_progress

POOL_CONTENTS, LIKED_SHARE = 200, 0.2
SIZES, POOLS = (25, 50), (200, 1000)
NAMES = ("film", "noise", "inked", "warp", "smooth", "watercolour")


def main() -> None:
    parser = argparse.ArgumentParser(description="Does rank-based bootstrapping help?")
    parser.add_argument("names", nargs="*", help=f"tasks to run (default: {' '.join(NAMES)})")
    parser.add_argument("--seeds", type=int, default=3, help="splits per task and size (default 3)")
    parser.add_argument(
        "--pools", type=int, nargs="*", default=POOLS, help="multiples of 200 (default 200 1000)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="at most so many (default 3)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = [task for task in tasks() if task.name in (options.names or NAMES)]
    bench = Bench(load_backbone("efficientnet_lite0"), load_pool()[1])
    order = torch.randperm(len(bench.pool), generator=torch.Generator().manual_seed(99)).tolist()
    print(f"{'task':<12}{'n':>4}{'pool':>6}  {'picks':<12}" + "".join(f"{m:>8}" for m in COLUMNS), flush=True)
    results: dict[tuple[int, int, str], list[list[float]]] = {}
    for task in chosen:
        liked, ordinary = (features[..., bench.columns("default")[0]] for features in bench.features(task))
        pool = pool_features(bench, task, order[:POOL_CONTENTS], max(options.pools) // POOL_CONTENTS)
        rest = order[POOL_CONTENTS:]
        for n in SIZES:
            rows: dict[tuple[int, str], list[list[float]]] = {}
            for seed in range(options.seeds):
                trial = Trial(bench, liked[rest], ordinary[rest], n, seed)
                for count in options.pools:
                    part = pool.first(count)
                    oracle = trial.oracle(part)
                    for picks, bottom_only in (("standard", False), ("bottom only", True)):
                        settings = BootstrapSettings(rounds=options.rounds, bottom_only=bottom_only)
                        rows.setdefault((count, picks), []).append(trial.row(part, settings, oracle))
            for (count, picks), found in rows.items():
                results.setdefault((n, count, picks), []).extend(found)
                print_row(task.name, n, count, picks, np.mean(found, axis=0))
    print_summary(results)


COLUMNS = ("before", "after", "always", "oracle", "kept")


class Trial:
    """A trained model, and what becomes of it."""

    def __init__(self, bench: Bench, liked: Tensor, ordinary: Tensor, n: int, seed: int) -> None:
        split = content_disjoint_split(len(liked), n, seed)
        self.rows = Rows(
            torch.cat([liked[split.train_liked], ordinary[split.train_ordinary]]),
            torch.tensor([1.0] * n + [0.0] * n),
        )
        self.groups = np.arange(2 * n)
        self.test = torch.cat([liked[split.test_liked], ordinary[split.test_ordinary]])[:, 0]
        self.truth = np.repeat([1, 0], [len(split.test_liked), len(split.test_ordinary)])
        _, blocks = bench.columns("default")
        fitted = fit_default(self.rows, self.groups, blocks, seed=seed, progress=no_progress)
        self.layer = fitted.layer
        self.recipe = HeadRecipe(fitted.config, blocks, seed)

    def row(self, pool: Pool, settings: BootstrapSettings, oracle: float) -> list[float]:
        outcome = self._bootstrap(pool, settings)
        after = outcome.layer.head if outcome.layer else self.layer.head
        return [
            self._auc(self.layer.head),
            self._auc(after),
            self._auc(self._once(pool, settings)),
            oracle,
            outcome.kept,
        ]

    def oracle(self, pool: Pool) -> float:
        told = Rows(pool.features, pool.liked.float())
        return self._auc(self.recipe.fit(self.rows, self.groups, told))

    def _bootstrap(self, pool: Pool, settings: BootstrapSettings) -> Bootstrapped:
        return bootstrap(
            StartingPoint(self.rows, self.groups, self.layer, same_folds=True),
            pool.features,
            self.recipe,
            settings,
            progress=no_progress,
        )

    def _once(self, pool: Pool, settings: BootstrapSettings) -> Head:
        top, bottom = settings.picks(len(pool.features), len(self.rows) // 2)
        picked = pick(self.layer.head, pool.features, top, bottom, settings.decay(top))
        return self.recipe.fit(self.rows, self.groups, picked.rows)

    def _auc(self, head: Head) -> float:
        with torch.no_grad():
            return auc(head(self.test).numpy(), self.truth)


@dataclass(frozen=True)
class Pool:
    """Features [variants · contents, views, columns], variant by variant, and which lean to the liked side."""

    features: Tensor
    liked: Tensor

    def first(self, count: int) -> Pool:
        return Pool(self.features[:count], self.liked[:count])


def pool_features(bench: Bench, task: Task, contents: Sequence[int], variants: int) -> Pool:
    """The pool of a task: every content in so many variants, each made once."""
    parts = [_variant(bench, task, contents, variant) for variant in range(variants)]
    return Pool(torch.cat([part.features for part in parts]), torch.cat([part.liked for part in parts]))


def _variant(bench: Bench, task: Task, contents: Sequence[int], variant: int) -> Pool:
    seen = default_readout(bench.backbone.spec)
    about = (task, VIEWS, list(contents), LIKED_SHARE, seen, bench.backbone.spec)
    key = hashlib.sha256(repr(about).encode()).hexdigest()[:12]
    path = RESULTS / f"bootstrapping-{task.name}-{key}-{variant}.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True)
        return Pool(kept["features"], kept["liked"])
    reader = FeatureExtractor(bench.backbone, seen)
    size = bench.backbone.spec.input_size
    features, liked = [], []
    for content in contents:
        seed = 10_000 * (variant + 1) + content
        rng = torch.Generator().manual_seed(seed)
        leans = bool(torch.rand((), generator=rng) < LIKED_SHARE)
        pixels = bench.pool[content].float() / 255
        picture = _leaning(task, pixels, rng) if leans else task.ordinary(pixels, rng)
        features.append(reader(views(picture, VIEWS, size, seed=seed)).clone())
        liked.append(leans)
    made = Pool(torch.stack(features), torch.tensor(liked))
    RESULTS.mkdir(exist_ok=True)
    torch.save({"features": made.features, "liked": made.liked}, path)
    return made


def _leaning(task: Task, image: Tensor, rng: torch.Generator) -> Tensor:
    """On the liked side by 0.3 to 1.2 of the task's strength: more of the style, or less of the fault."""
    lean = 0.3 + 0.9 * float(torch.rand((), generator=rng))
    if task.kind == "style":
        return replace(task, strength=task.strength * lean).liked(image, rng)
    left = task.strength * (1 - lean)
    return replace(task, strength=left).ordinary(image, rng) if left > 0 else task.liked(image, rng)


def print_row(task: str, n: int, count: int, picks: str, means: Sequence[float]) -> None:
    metrics = "".join(f"{value:>8.3f}" for value in means[:-1])
    print(f"{task:<12}{n:>4}{count:>6}  {picks:<12}{metrics}{means[-1]:>8.1f}", flush=True)


def print_summary(results: dict[tuple[int, int, str], list[list[float]]]) -> None:
    print(
        f"\n{'all tasks':<12}{'n':>4}{'pool':>6}  {'picks':<12}{'after − before':>28}{'always − before':>28}"
    )
    rng = np.random.default_rng(0)
    for (n, count, picks), rows in results.items():
        table = np.array(rows)
        cells = []
        for column in ("after", "always"):
            gain = table[:, COLUMNS.index(column)] - table[:, 0]
            low, high = mean_interval(gain, rng)
            cells.append(f"{f'{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]':>28}")
        print(f"{'':<12}{n:>4}{count:>6}  {picks:<12}" + "".join(cells))
    print("The intervals are 95 % bootstrap intervals over tasks and splits.")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

"""Few-shot AUC on held-out images: python benchmarks/fewshot.py [task …] [--seeds 3] [--family second]

For each task and number of training images per class, the AUC on unseen images of unseen contents of:

  centroid   cosine of the pooled embedding to the mean of the liked ones
  pooled     a linear probe on the pooled embedding
  multi-tap  a plain linear probe on mean and standard deviation at the end of every stage
  paper      preset `paper`: the MLP of GAN-RM on the pooled embedding
  first      what preset `default` was at first: its head, on what the plain probe sees
  default    preset `default`

The probes are scikit-learn's logistic regression on standardised columns, the penalty chosen by
cross-validation. *Closing* is the share of the pooled probe's shortfall that `default` makes good:
1 − Σ(1 − AUC of default) / Σ(1 − AUC of pooled). Features are kept in benchmarks/results.

`default` was tuned while looking at the first family of tasks; the second one was made afterwards.
"""

from __future__ import annotations

import argparse
import hashlib
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from first_default import fit_first_default
from intervals import mean_interval
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV
from tasks import FAMILIES, Split, Task, content_disjoint_split, load_pool, tasks
from torch import Tensor

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data.augmentation import views
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.heads import Head
from ganrm_core.rewards.discriminator.readout import (
    SECOND_LOOKS,
    Block,
    Readout,
    SecondLookSetting,
    SeveralReadouts,
    default_readout,
    embedding_readout,
)
from ganrm_core.training.cross_validation import fit_default, fit_paper
from ganrm_core.training.feature_rows import Rows
from ganrm_core.utils.progress import no_progress

SIZES = (25, 50, 100, 200)
METHODS = ("centroid", "pooled", "multi-tap", "paper", "first", "default")
STAGE_ENDS = tuple(f"stage{place}" for place in range(1, 8))
VIEWS = 4
LEAST_TEST_GROUPS = 100
RESULTS = Path(__file__).parent / "results"

Array = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description="Few-shot discrimination, held out.")
    parser.add_argument("names", nargs="*", help="tasks to run; all of them if none is named")
    parser.add_argument("--family", choices=FAMILIES, default="first", help="of tasks (default first)")
    parser.add_argument("--seeds", type=int, default=3, help="splits per task and size (default 3)")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="pictures per class")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="or efficientnet_lite2")
    parser.add_argument("--second-look", choices=SECOND_LOOKS, default="smaller", help="of default")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = [task for task in tasks(options.family) if not options.names or task.name in options.names]
    backbone = load_backbone(options.backbone)
    pool = load_pool()[1]
    bench = Bench(backbone, pool, second_look=options.second_look)
    sizes = [n for n in options.sizes if len(pool) - 2 * n >= LEAST_TEST_GROUPS]
    print(f"{len(pool)} pictures, no two alike; {options.seeds} splits each")
    if dropped := sorted(set(options.sizes) - set(sizes)):
        print(
            f"n = {', '.join(map(str, dropped))} is left out: fewer than {LEAST_TEST_GROUPS} pictures would remain"
        )
    print(
        f"\n{'task':<12}{'kind':<7}{'n':>4}{'test groups':>13}" + "".join(f"{m:>11}" for m in METHODS),
        flush=True,
    )
    results: dict[int, list[list[float]]] = {n: [] for n in sizes}
    for task in chosen:
        liked, ordinary = bench.features(task)
        for n in sizes:
            aucs = []
            for seed in range(options.seeds):
                split = content_disjoint_split(len(pool), n, seed)
                aucs.append([bench.auc_of(m, liked, ordinary, split, seed) for m in METHODS])
            results[n] += aucs
            mean = np.mean(aucs, axis=0)
            row = f"{task.name:<12}{task.kind:<7}{n:>4}{len(pool) - 2 * n:>13}"
            print(row + "".join(f"{value:>11.3f}" for value in mean), flush=True)
    print_summary(results)


class Bench:
    """Image pool, backbone and cached features of the benchmark."""

    def __init__(
        self,
        backbone: Backbone,
        pool: list[Tensor],
        *more: Readout,
        second_look: SecondLookSetting = "smaller",
    ) -> None:
        """`more`: feature blocks beyond those of the methods; `second_look`: the one `default` uses."""
        self.backbone = backbone
        self.pool = pool
        self.default = default_readout(backbone.spec, second_look)
        self.readout = SeveralReadouts([self.default, embedding_readout(backbone.spec), *more])

    def columns(self, method: str) -> tuple[Tensor, list[Block]]:
        """Column indices and blocks that a method uses."""
        spec = self.backbone.spec
        if method in ("centroid", "pooled", "paper"):
            seen = embedding_readout(spec)
        elif method in ("multi-tap", "first"):
            seen = Readout(STAGE_ENDS)
        else:
            seen = self.default
        return self._places(seen.blocks(spec))

    def every_column(self) -> tuple[Tensor, list[Block]]:
        """All blocks of `default` and `more`, without repeats."""
        spec = self.backbone.spec
        blocks = [block for block in self.readout.blocks(spec) if block.tap != spec.embedding]
        return self._places(list({(block.tap, block.statistic): block for block in blocks}.values()))

    def _places(self, blocks: Sequence[Block]) -> tuple[Tensor, list[Block]]:
        """Column indices of the blocks, and the blocks placed one after the other."""
        places = {(block.tap, block.statistic): block for block in self.readout.blocks(self.backbone.spec)}
        found, moved, start = [], [], 0
        for block in blocks:
            place = places[block.tap, block.statistic]
            found.append(torch.arange(place.start, place.stop))
            moved.append(Block(block.tap, block.statistic, start, start := start + len(found[-1])))
        return torch.cat(found), moved

    def features(self, task: Task) -> tuple[Tensor, Tensor]:
        """Features of every image in both conditions: two arrays [pool, views, columns]."""
        made_from = repr((task, VIEWS, len(self.pool), self.readout, self.backbone.spec))
        path = RESULTS / f"fewshot-{task.name}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}.pt"
        if path.exists():
            kept = torch.load(path, weights_only=True)
            return kept["liked"], kept["ordinary"]
        reader = FeatureExtractor(self.backbone, self.readout)
        size = self.backbone.spec.input_size
        rows: dict[str, list[Tensor]] = {"liked": [], "ordinary": []}
        for index, image in enumerate(self.pool):
            pixels = image.float() / 255
            for name, condition in (("liked", task.liked), ("ordinary", task.ordinary)):
                rng = torch.Generator().manual_seed(2 * index + (name == "liked"))
                picture = condition(pixels, rng)
                rows[name].append(reader(views(picture, VIEWS, size, seed=2 * index + (name == "liked"))))
        stacked = {name: torch.stack(part) for name, part in rows.items()}
        RESULTS.mkdir(exist_ok=True)
        torch.save(stacked, path)
        return stacked["liked"], stacked["ordinary"]

    def auc_of(self, method: str, liked: Tensor, ordinary: Tensor, split: Split, seed: int) -> float:
        train = torch.cat([liked[split.train_liked], ordinary[split.train_ordinary]])
        test = torch.cat([liked[split.test_liked], ordinary[split.test_ordinary]])[:, 0]
        labels = np.repeat([1, 0], [len(split.train_liked), len(split.train_ordinary)])
        truth = np.repeat([1, 0], [len(split.test_liked), len(split.test_ordinary)])
        columns, _ = self.columns(method)
        train, test = train[..., columns], test[:, columns]
        scorers: dict[str, Callable[[], Array]] = {
            "centroid": lambda: centroid(train[:, 0], labels, test),
            "pooled": lambda: linear_probe(train[:, 0], labels, test),
            "multi-tap": lambda: linear_probe(train[:, 0], labels, test),
            "paper": lambda: self.preset("paper", train[:, :1], labels, test, seed),
            "first": lambda: self.preset("first", train, labels, test, seed),
            "default": lambda: self.preset("default", train, labels, test, seed),
        }
        return auc(scorers[method](), truth)

    def preset(self, preset: str, train: Tensor, labels: NDArray[np.int64], test: Tensor, seed: int) -> Array:
        rows = Rows(train, torch.from_numpy(labels).float())
        groups = np.arange(len(labels))
        blocks = self.columns(preset)[1]
        head: Head
        if preset == "paper":
            head = fit_paper(rows, groups, seed=seed, progress=no_progress).layer.head
        elif preset == "first":
            head = fit_first_default(rows, blocks, seed)
        else:
            head = fit_default(rows, groups, blocks, seed=seed, progress=no_progress).layer.head
        with torch.no_grad():
            return np.asarray(head(test).double().numpy())


def centroid(train: Tensor, labels: NDArray[np.int64], test: Tensor) -> Array:
    unit = torch.nn.functional.normalize
    middle = unit(unit(train[torch.from_numpy(labels) == 1], dim=1).mean(dim=0), dim=0)
    return np.asarray((unit(test, dim=1) @ middle).double().numpy())


def linear_probe(train: Tensor, labels: NDArray[np.int64], test: Tensor) -> Array:
    mean, scale = train.mean(dim=0), train.std(dim=0).clamp_min(1e-8)
    x, t = ((part - mean) / scale for part in (train.double(), test.double()))
    # A ridge penalty does not notice a rotation, and in the rows' own space the fit is quick.
    _, _, directions = torch.linalg.svd(x, full_matrices=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe = LogisticRegressionCV(Cs=np.logspace(-5, 1, 7), cv=5, scoring="neg_log_loss", max_iter=2000)
        probe.fit((x @ directions.T).numpy(), labels)
    return np.asarray(probe.decision_function((t @ directions.T).numpy()))


def print_summary(results: dict[int, list[list[float]]]) -> None:
    print(f"\n{'n':>4}" + "".join(f"{m:>11}" for m in METHODS) + f"{'closing':>11}{'default − first':>32}")
    rng = np.random.default_rng(0)
    for n, rows in results.items():
        table = np.array(rows)
        pooled, default, first = (table[:, METHODS.index(m)] for m in ("pooled", "default", "first"))
        closing = 1 - (1 - default).sum() / (1 - pooled).sum()
        gain = default - first
        low, high = mean_interval(gain, rng)
        means = "".join(f"{value:>11.3f}" for value in table.mean(axis=0))
        print(f"{n:>4}{means}{closing:>11.3f}{f'{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]':>32}")
    print("The interval is the 95 % bootstrap interval of the paired difference over tasks and splits.")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

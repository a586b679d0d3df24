"""Few-shot AUC on held-out images: python benchmarks/fewshot.py [task …] [--seeds 3] [--family second|third|fourth]

For each task and number of training images per class, the AUC on unseen images of unseen contents of:

  centroid   cosine of the pooled embedding to the mean of the liked ones
  pooled     a linear probe on the pooled embedding
  multi-tap  a plain linear probe on mean and standard deviation at the end of every stage
  paper      preset `paper`: the MLP of GAN-RM on the pooled embedding
  first      what preset `default` was at first: its head, on what the plain probe sees
  network    preset `default` without its histograms of pixels
  default    preset `default`

The probes are scikit-learn's logistic regression on standardised columns, the penalty chosen by
cross-validation. *Closing* is the share of the pooled probe's shortfall that `default` makes good:
1 − Σ(1 − AUC of default) / Σ(1 − AUC of pooled). Features are kept in benchmarks/results.

`default` was tuned while looking at the first family of tasks; the second one was made afterwards. In the third and fourth
two illustrators drew the same subjects (`illustrators.py`); the fourth is for reporting alone.

--backbone takes any backbone of the library, such as transformers:FOLDER (`vit_small.py` makes one). For a
transformer --blocks says after which blocks it is read, --second-look and --second-side what else is read of a picture.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from backbone_options import add_backbone_options, readable_backbone, readout_of
from families import FAMILIES, BenchTask, pool_of, tasks_of
from first_default import fit_first_default
from intervals import mean_interval
from numpy.typing import NDArray
from packages import RESULTS, timed
from sklearn.linear_model import LogisticRegressionCV
from tasks import Split
from torch import Tensor

from ganrm_core.backbones.base import Backbone
from ganrm_core.data.augmentation import views
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.heads import Head
from ganrm_core.rewards.discriminator.readout import (
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
METHODS = ("centroid", "pooled", "multi-tap", "paper", "first", "network", "default")
BASELINES = ("first", "network")
"""Methods that `default` is compared with picture by picture."""
STAGE_ENDS = tuple(f"stage{place}" for place in range(1, 8))
VIEWS = 4
LEAST_TEST_GROUPS = 100

Array = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description="Few-shot discrimination, held out.")
    parser.add_argument("names", nargs="*", help="tasks to run; all of them if none is named")
    parser.add_argument("--family", choices=FAMILIES, default="first", help="of tasks (default first)")
    parser.add_argument("--seeds", type=int, default=3, help="splits per task and size (default 3)")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="pictures per class")
    add_methods_option(parser, METHODS)
    add_backbone_options(parser)
    parser.add_argument("--views", type=int, default=VIEWS, help="of a picture to learn from (default 4)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    methods = methods_of(options, METHODS)
    chosen = [task for task in tasks_of(options.family) if not options.names or task.name in options.names]
    bench = bench_of(options, pool_of(options.family))
    print(f"no two pictures alike; {options.seeds} splits each")
    print(f"n is left out where fewer than {LEAST_TEST_GROUPS} pictures would remain to judge on")
    print(
        f"\n{'task':<20}{'kind':<7}{'n':>4}{'test groups':>13}" + "".join(f"{m:>11}" for m in methods),
        flush=True,
    )
    results: dict[int, list[list[float]]] = {n: [] for n in options.sizes}
    for task in chosen:
        liked, ordinary = bench.features(task)
        for n in options.sizes:
            if (
                2 * n + 2 > len(liked)
                or _judged_on(split := task.split(len(liked), n, 0)) < LEAST_TEST_GROUPS
            ):
                continue
            aucs = []
            for seed in range(options.seeds):
                split = task.split(len(liked), n, seed)
                aucs.append([bench.auc_of(m, liked, ordinary, split, seed) for m in methods])
            results[n] += aucs
            mean = np.mean(aucs, axis=0)
            row = f"{task.name:<20}{task.kind:<7}{n:>4}{_judged_on(split):>13}"
            print(row + "".join(f"{value:>11.3f}" for value in mean), flush=True)
    print_summary({n: rows for n, rows in results.items() if rows}, methods)


def _judged_on(split: Split) -> int:
    return len(split.test_liked) + len(split.test_ordinary)


def add_methods_option(parser: argparse.ArgumentParser, methods: Sequence[str]) -> None:
    parser.add_argument(
        "--methods", nargs="*", choices=methods, default=methods, help="beside default (default: all)"
    )


def methods_of(options: argparse.Namespace, methods: Sequence[str]) -> list[str]:
    """The chosen ones of `methods` in their order, and "default", with which they are compared."""
    return [method for method in methods if method in options.methods or method == "default"]


def bench_of(options: argparse.Namespace, pool: list[Tensor]) -> Bench:
    """A bench with the backbone and the looks that `add_backbone_options` were given."""
    backbone = readable_backbone(options.backbone, options.blocks)
    bench = Bench(backbone, pool, views=options.views)
    bench.read_as(readout_of(backbone.spec, options.second_look, options.second_side))
    return bench


def file_name(task: str) -> str:
    """A task's name as part of a file's."""
    return "".join(letter if letter.isalnum() or letter == "_" else "-" for letter in task)


class Bench:
    """Image pool, backbone and cached features of the benchmark."""

    def __init__(
        self,
        backbone: Backbone,
        pool: list[Tensor],
        *more: Readout,
        second_look: SecondLookSetting = "smaller",
        views: int = VIEWS,
    ) -> None:
        """`more`: feature blocks beyond those of the methods; `second_look`: the one `default` uses."""
        self.views = views
        self.backbone = backbone
        self.pool = pool
        self._more = more
        self.read_as(default_readout(backbone.spec, second_look))

    def read_as(self, default: Readout) -> None:
        """Let `default` see these columns, and read them."""
        self.see(default)
        self.readout = SeveralReadouts([default, embedding_readout(self.backbone.spec), *self._more])

    def see(self, default: Readout) -> None:
        """Let `default` see these columns, which must be among those that are read."""
        self.default = default

    def columns(self, method: str) -> tuple[Tensor, list[Block]]:
        """Column indices and blocks that a method uses."""
        spec = self.backbone.spec
        if method in ("centroid", "pooled", "paper"):
            seen = embedding_readout(spec)
        elif method in ("multi-tap", "first"):
            names = {tap.name for tap in spec.taps}
            seen = Readout(STAGE_ENDS if names >= {*STAGE_ENDS} else self.default.taps)
        elif method == "network":
            seen = replace(self.default, histograms=())
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

    def features(self, task: BenchTask) -> tuple[Tensor, Tensor]:
        """Features of every image in both conditions: two arrays [pool, views, columns]."""
        size = task.pool_size(self.pool)
        made_from = f"({task.version}, {self.views}, {size}, {self.readout!r}, {self.backbone.spec!r})"
        path = (
            RESULTS
            / f"fewshot-{file_name(task.name)}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}.pt"
        )
        if path.exists():
            kept = torch.load(path, weights_only=True)
            return kept["liked"], kept["ordinary"]
        reader = FeatureExtractor(self.backbone, self.readout)
        side = self.backbone.spec.input_size
        rows: dict[str, list[Tensor]] = {"liked": [], "ordinary": []}
        for index, (liked, ordinary) in enumerate(task.pictures(self.pool)):
            for name, picture in (("liked", liked), ("ordinary", ordinary)):
                rows[name].append(
                    reader(views(picture, self.views, side, seed=2 * index + (name == "liked")))
                )
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
            "network": lambda: self.preset("network", train, labels, test, seed),
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


def print_summary(results: dict[int, list[list[float]]], methods: Sequence[str]) -> None:
    baselines = [name for name in BASELINES if name in methods]
    closing = f"{'closing':>11}" if "pooled" in methods else ""
    gains = "".join(f"{f'default − {name}':>32}" for name in baselines)
    print(f"\n{'n':>4}" + "".join(f"{m:>11}" for m in methods) + closing + gains)
    rng = np.random.default_rng(0)
    for n, rows in results.items():
        of = dict(zip(methods, np.array(rows).T, strict=True))
        line = f"{n:>4}" + "".join(f"{of[method].mean():>11.3f}" for method in methods)
        if closing:
            line += f"{1 - (1 - of['default']).sum() / (1 - of['pooled']).sum():>11.3f}"
        for name in baselines:
            gain = of["default"] - of[name]
            low, high = mean_interval(gain, rng)
            line += f"{f'{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]':>32}"
        print(line)
    print("Intervals are 95 % bootstrap intervals of the paired difference over tasks and splits.")


if __name__ == "__main__":
    timed(main)

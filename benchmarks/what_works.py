"""Ablations of preset `default`: python benchmarks/what_works.py [task …] [--family third] [--same-features] [--variants ROW …]

Every row is `default` with one thing changed, on the tasks and splits of fewshot.py and the groups of
within_group.py, at --size pictures a class (default 50). `default` was chosen on the first family:

  AUC         on unseen images, mean over tasks and splits
  change      paired difference to `default`, with its 95 % bootstrap interval
  tau         Kendall's tau within groups, mean over kinds and splits
  efficiency  selection efficiency within groups: 1 always the best of eight, 0 chance

Rows *by cross-validation* take, training set by training set, the variant with the least held-out cross-entropy, rows *best on
test pictures* the one with the highest AUC there: more than any rule could gain. Features are kept in benchmarks/results.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from families import FAMILIES, BenchTask, pool_of, tasks_of
from fewshot import STAGE_ENDS, Array, Bench
from intervals import mean_interval
from torch import Tensor
from within_group import GROUPS, candidates, judge

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.heads import Head, LinearHead
from ganrm_core.rewards.discriminator.readout import (
    Block,
    Readout,
    SecondLook,
    base_statistic,
    default_readout,
    is_histogram,
    is_response,
)
from ganrm_core.training.block_weights import Shrinkage, block_weights
from ganrm_core.training.cross_validation import FitLinear, FitOptions, FittedHead, Weigh, fit_default
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.head_fitting import fit_linear_heads, fit_linear_path
from ganrm_core.training.self_training.head_recipe import HeadRecipe
from ganrm_core.training.whitening import WHITENING, Directions
from ganrm_core.utils.progress import no_progress

HELD_OUT = 3
"""Where `Trial.measured` puts the held-out cross-entropy."""

Handed = Callable[[FittedHead, Rows, Sequence[Block], int], Head]


def _as_fitted(fitted: FittedHead, *_: object) -> Head:
    return fitted.layer.head


def _default(block: Block) -> bool:
    return not is_response(block) or (_of_smaller(block) and _stage(block) <= 5)


def _of_smaller(block: Block) -> bool:
    return block.statistic.endswith("to size")


def _stage(block: Block) -> int:
    return int(block.tap.removeprefix("stage")[0])


@dataclass(frozen=True)
class Variant:
    """`sees` picks blocks of the features, `views` how many views of a picture are learned from.

    `handed` makes the head that scores of what was fitted and of the rows, blocks and seed it was fitted with. `more`: it sees
    what the preset does not read, which takes another pass over all pictures.
    """

    name: str
    sees: Callable[[Block], bool] = _default
    weigh: Weigh = block_weights
    linear: FitLinear = fit_linear_heads
    views: int = 4
    handed: Handed = _as_fitted
    more: bool = False


def _weighed(shrinkage: Shrinkage) -> Weigh:
    def weigh(rows: Rows, blocks: Sequence[Block], nuisances: Sequence[Tensor]) -> Tensor:
        return block_weights(rows, blocks, nuisances, shrinkage)

    return weigh


def _whitened(power: float) -> FitLinear:
    def fit(
        rows: Rows, directions: Directions, penalties: Sequence[float], on_fit: Callable[[], None]
    ) -> list[LinearHead]:
        return fit_linear_heads(rows, directions, penalties, on_fit, power)

    return fit


def _all_views_alike(
    rows: Rows, directions: Directions, penalties: Sequence[float], on_fit: Callable[[], None]
) -> list[LinearHead]:
    return fit_linear_path(rows, directions.views, WHITENING, penalties, on_fit)


def _plain_views_alone(
    rows: Rows, directions: Directions, penalties: Sequence[float], on_fit: Callable[[], None]
) -> list[LinearHead]:
    return fit_linear_path(rows.plain(), directions.plain, WHITENING, penalties, on_fit)


def _fitted_again(fitted: FittedHead, rows: Rows, blocks: Sequence[Block], seed: int) -> Head:
    """One head for all pictures instead of the mean of the folds' heads."""
    recipe = HeadRecipe(fitted.config, blocks, seed)
    nothing = Rows(rows.features[:0], rows.labels[:0])
    return recipe.fit(rows, np.arange(len(rows)), nothing)


def _blurred_until(stage: int) -> Callable[[Block], bool]:
    """A blurred picture looked at instead of a smaller one, and followed to this stage."""
    return lambda block: not is_response(block) or (not _of_smaller(block) and _stage(block) <= stage)


VARIANTS = (
    Variant("default"),
    Variant("no histograms", lambda block: _default(block) and not is_histogram(block)),
    Variant("histograms alone", is_histogram),
    Variant(
        "histograms of brightness and colour, not of edges",
        lambda block: _default(block) and "edges" not in block.tap,
    ),
    Variant("no second look", lambda block: not is_response(block)),
    Variant("the second look alone", lambda block: _default(block) and is_response(block)),
    Variant(
        "smaller, followed to the end",
        lambda block: not is_response(block) or _of_smaller(block),
        more=True,
    ),
    Variant("blurred instead of smaller", _blurred_until(7), more=True),
    Variant("blurred, followed to stage 3 of 7", _blurred_until(3), more=True),
    Variant("both second looks", lambda block: _default(block) or _blurred_until(7)(block), more=True),
    Variant("the response counts in full", weigh=_weighed(Shrinkage(response=1.0))),
    Variant("histograms count in full", weigh=_weighed(Shrinkage(histogram=1.0))),
    Variant(
        "ends of stages instead of every block",
        lambda block: is_histogram(block) or (_default(block) and block.tap in STAGE_ENDS),
    ),
    Variant(
        "means alone, without deviations", lambda block: _default(block) and base_statistic(block) != "std"
    ),
    Variant(
        "all depths and statistics count the same", weigh=_weighed(Shrinkage(trust=0.0, histogram_trust=0.0))
    ),
    Variant("evidence at full strength", weigh=_weighed(Shrinkage(trust=1.0))),
    Variant("one view", views=1),
    Variant("no half of the head from plain views", linear=_all_views_alike),
    Variant("all of the head from plain views", linear=_plain_views_alone),
    Variant("no whitening", linear=_whitened(0.0)),
    Variant("less whitening, 0.5", linear=_whitened(0.5)),
    Variant("one head fitted to all folds", handed=_fitted_again),
)


@dataclass(frozen=True)
class Choice:
    """What could be decided anew for every training set, and the variants, of which those count that are measured."""

    name: str
    among: tuple[str, ...]


CHOICES = (
    Choice(
        "second look",
        ("default", "no second look", "blurred instead of smaller", "both second looks"),
    ),
    Choice(
        "share of plain views",
        ("default", "no half of the head from plain views", "all of the head from plain views"),
    ),
    Choice("whitening", ("default", "no whitening", "less whitening, 0.5")),
    Choice(
        "all of it",
        tuple(variant.name for variant in VARIANTS if variant.handed is _as_fitted),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="What makes the discriminator good.")
    parser.add_argument("names", nargs="*", help="tasks to run; all of them if none is named")
    parser.add_argument("--family", choices=FAMILIES, default="first", help="of tasks (default first)")
    parser.add_argument("--seeds", type=int, default=3, help="splits per task (default 3)")
    parser.add_argument("--size", type=int, default=50, help="pictures per class (default 50)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    parser.add_argument(
        "--variants",
        nargs="*",
        metavar="ROW",
        help="beside default, by their names in the table (default: all)",
    )
    parser.add_argument(
        "--same-features",
        action="store_true",
        help="only rows that see what the preset reads: no blurred picture, which takes another pass",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    variants = [one for one in variants_of(options.variants) if not (one.more and options.same_features)]
    bench = bench_of(variants, options.family)
    tasks = [task for task in tasks_of(options.family) if not options.names or task.name in options.names]
    measured: dict[str, list[list[float]]] = {variant.name: [] for variant in variants}
    for task in tasks:
        for trial in trials(bench, task, options.size, options.seeds):
            for variant in variants:
                measured[variant.name].append(trial.measured(variant))
        print(f"{task.name} done", flush=True)
    add_choices(measured)
    print_table(measured)


def variants_of(names: Sequence[str] | None) -> list[Variant]:
    """Those of these names, and `default`; all where no names are given."""
    if unknown := {*(names or ())} - {variant.name for variant in VARIANTS}:
        raise SystemExit(f"no row is called {', '.join(sorted(unknown))}")
    return [variant for variant in VARIANTS if names is None or variant.name in ("default", *names)]


def bench_of(variants: Sequence[Variant], family: str) -> Bench:
    """A bench that reads what these variants see."""
    backbone = load_backbone("efficientnet_lite0")
    if not any(variant.more for variant in variants):
        return Bench(backbone, pool_of(family))
    blurred = default_readout(backbone.spec, "blurred")
    return Bench(
        backbone, pool_of(family), blurred, Readout(blurred.taps, SecondLook("smaller", blurred.taps))
    )


def add_choices(measured: dict[str, list[list[float]]]) -> None:
    """Two rows [trials] for each of `CHOICES`: decided by cross-validation, and by the test pictures."""
    for choice in CHOICES:
        among = [measured[name] for name in choice.among if name in measured]
        if len(among) > 1:
            by_trial = list(zip(*among, strict=True))
            chosen = [min(rows, key=lambda row: row[HELD_OUT]) for rows in by_trial]
            measured[f"{choice.name} by cross-validation"] = chosen
            measured[f"{choice.name}, best on test pictures"] = [max(rows) for rows in by_trial]


@dataclass(frozen=True)
class Trial:
    """One split of one task: features [pictures, views, columns] to learn from, and those to judge on."""

    blocks: list[Block]
    train: Tensor
    labels: Tensor
    test: Tensor
    truth: Array
    groups: Tensor
    qualities: Array
    seed: int

    def measured(self, variant: Variant) -> list[float]:
        """AUC, tau, efficiency, and the cross-entropy of the training set's held-out pictures."""
        columns, blocks = _chosen(self.blocks, variant.sees)
        rows = Rows(self.train[:, : variant.views, columns], self.labels)
        fitted = fit_default(
            rows,
            np.arange(len(self.labels)),
            blocks,
            seed=self.seed,
            progress=no_progress,
            options=FitOptions(weigh=variant.weigh, linear=variant.linear),
        )
        head = variant.handed(fitted, rows, blocks, self.seed)
        with torch.no_grad():
            logits = head(self.groups[..., columns].flatten(0, 1)).double().numpy()
            area = auc(head(self.test[:, columns]).double().numpy(), self.truth)
        ranking = judge(logits.reshape(self.qualities.shape), self.qualities)
        return [area, float(ranking.tau.mean()), ranking.efficiency, held_out_loss(fitted, self.labels)]


def held_out_loss(fitted: FittedHead, labels: Tensor) -> float:
    scores = torch.from_numpy(fitted.held_out_scores).clamp(1e-7, 1 - 1e-7)
    return float(torch.nn.functional.binary_cross_entropy(scores, labels.to(scores)))


def trials(bench: Bench, task: BenchTask, n: int, seeds: int) -> Iterator[Trial]:
    columns, blocks = bench.every_column()
    liked, ordinary = (part[..., columns] for part in bench.features(task))
    groups, qualities = candidates(bench, task)
    # No picture of a group is learned from.
    aside = task.group_subjects(GROUPS)
    liked, ordinary = liked[aside:], ordinary[aside:]
    for seed in range(seeds):
        split = task.split(len(liked), n, seed)
        yield Trial(
            blocks,
            torch.cat([liked[split.train_liked], ordinary[split.train_ordinary]]),
            torch.tensor([1.0] * n + [0.0] * n),
            torch.cat([liked[split.test_liked], ordinary[split.test_ordinary]])[:, 0],
            np.repeat([1, 0], [len(split.test_liked), len(split.test_ordinary)]),
            groups[..., columns],
            qualities,
            seed,
        )


def _chosen(blocks: list[Block], sees: Callable[[Block], bool]) -> tuple[Tensor, list[Block]]:
    """The columns of the blocks seen, and those blocks where they then lie."""
    seen = [block for block in blocks if sees(block)]
    moved, start = [], 0
    for block in seen:
        stop = start + block.stop - block.start
        moved.append(Block(block.tap, block.statistic, start, stop))
        start = stop
    return torch.cat([torch.arange(block.start, block.stop) for block in seen]), moved


def print_table(measured: dict[str, list[list[float]]]) -> None:
    print(f"\n{'':<54}{'AUC':>7}{'change':>28}{'tau':>8}{'effic.':>8}")
    rng = np.random.default_rng(0)
    default = np.array(measured["default"])
    for name, rows in measured.items():
        table = np.array(rows)
        gain = table[:, 0] - default[:, 0]
        low, high = mean_interval(gain, rng)
        change = "" if name == "default" else f"{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        area, tau, efficiency, _ = table.mean(axis=0)
        print(f"{name:<54}{area:>7.3f}{change:>28}{tau:>8.3f}{efficiency:>8.3f}")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

"""Reliability of score differences (close calls): python benchmarks/certainty.py [task …] [--seeds 2]

A model is trained on `n` images per class and scores

  pairs      two test pictures of the task, one liked and one ordinary
  versions   groups of eight versions of one picture never seen, which differ in how strong the style or the
             fault is, and each in light, colour, crop and grain
  pictures   groups of eight different pictures, each at a strength drawn at random

How often is the higher-scored of two the better one (in the groups: of the first two)? By their distance d in
log-odds, and by z, the same distance over √(u₁² + u₂²), u being the spread of the logit over the cross-validation
heads. `says` is sigmoid(d), what the scores themselves say. Then: what `ganrm_core.selection.close_calls` makes of the groups,
and what other ways to break ties would choose. Features and fits are kept in benchmarks/results.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from fewshot import RESULTS, Bench
from intervals import mean_interval
from numpy.typing import NDArray
from tasks import Task, load_pool, tasks
from torch import Tensor

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data.transforms import resize
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.selection.close_calls import MARGIN
from ganrm_core.training.cross_validation import fit_default
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.trainer import METHOD
from ganrm_core.utils.progress import no_progress

SIZES = (25, 50, 150)
GROUPS, CANDIDATES = 60, 8
STRONGEST = 1.5  # times the task's own strength

Array = NDArray[np.float64]


def graded(bench: Bench, task: Task) -> Tensor:
    """Features of the first pictures of the pool, weakest style or strongest fault first: [GROUPS, CANDIDATES, columns]."""
    seen = default_readout(bench.backbone.spec)
    about = (task, GROUPS, CANDIDATES, STRONGEST, len(bench.pool), seen, bench.backbone.spec)
    path = RESULTS / f"certainty-{task.name}-{hashlib.sha256(repr(about).encode()).hexdigest()[:12]}.pt"
    if path.exists():
        return torch.load(path, weights_only=True)
    reader, size = FeatureExtractor(bench.backbone, seen), bench.backbone.spec.input_size
    rows = []
    for index, image in enumerate(bench.pool[:GROUPS]):
        pictures = []
        for step in range(CANDIDATES):
            rng = torch.Generator().manual_seed(10_000 + index * CANDIDATES + step)
            share = STRONGEST * step / (CANDIDATES - 1)
            worse_first = share if task.kind == "style" else STRONGEST - share
            version = replace(task, strength=task.strength * worse_first)
            draw = version.liked if task.kind == "style" else version.ordinary
            pictures.append(resize(draw(image.float() / 255, rng), size))
        rows.append(reader(torch.stack(pictures)))
    features = torch.stack(rows)
    torch.save(features, path)
    return features


def judged(bench: Bench, task: Task, n: int, seed: int) -> dict[str, Array]:
    """What a model makes of the groups, and of the test pictures of the task itself."""
    columns, blocks = bench.columns("default")
    about = (task, n, METHOD, bench.readout, bench.backbone.spec)
    key = hashlib.sha256(repr(about).encode()).hexdigest()[:12]
    path = RESULTS / f"certainty-fits-{task.name}-{key}-{seed}.npz"
    if path.exists():
        return dict(np.load(path))
    liked, ordinary = (part[GROUPS:, :, columns] for part in bench.features(task))
    order = torch.randperm(len(liked), generator=torch.Generator().manual_seed(seed))
    rest = order[2 * n :]
    train = torch.cat([liked[order[:n]], ordinary[order[n : 2 * n]]])
    labels = torch.tensor([1.0] * n + [0.0] * n)
    fitted = fit_default(Rows(train, labels), np.arange(2 * n), blocks, seed=seed, progress=no_progress)
    found = {
        "temperature": np.array(fitted.calibration.temperature),
        "bias": np.array(fitted.calibration.bias),
    }
    for name, features in (
        ("groups", graded(bench, task)),
        ("liked", liked[rest, 0]),
        ("ordinary", ordinary[rest, 0]),
    ):
        flat = features.flatten(0, -2)
        with torch.no_grad():
            heads = [fitted.layer.head, *fitted.layer.siblings]
            logits = torch.stack([head(flat) for head in heads], dim=-1)
        found[name] = logits.reshape(*features.shape[:-1], -1).double().numpy()
    np.savez(path, **found)
    return found


@dataclass(frozen=True)
class Groups:
    """Log-odds, their uncertainty and the true rank, each [groups, candidates]."""

    odds: Array
    uncertainty: Array
    truth: Array

    def efficiency(self, chosen: NDArray[np.int64]) -> float:
        """1 always the best, 0 no better than chance."""
        picked = self.truth[np.arange(len(chosen)), chosen].mean()
        return float((picked - self.truth.mean()) / (self.truth.max(axis=1).mean() - self.truth.mean()))

    def best_two(self) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Distance, its spread and who is better, for the first two of each group that differ in truth."""
        order = np.argsort(-self.odds, axis=1)[:, :2]
        odds, spread, truth = (
            np.take_along_axis(part, order, axis=1) for part in (self.odds, self.uncertainty, self.truth)
        )
        differ = truth[:, 0] != truth[:, 1]
        gap, both = odds[:, 0] - odds[:, 1], np.hypot(spread[:, 0], spread[:, 1])
        return gap[differ], both[differ], (truth[:, 0] > truth[:, 1])[differ]


Pairs = tuple[Array, Array, NDArray[np.bool_]]


def versions(fit: dict[str, Array]) -> Groups:
    odds, spread = _odds(fit["groups"], fit)
    return Groups(odds, spread, np.tile(np.arange(odds.shape[1]), (len(odds), 1)))


def pictures(fit: dict[str, Array], rng: np.random.Generator) -> Groups:
    odds, spread = _odds(fit["groups"], fit)
    who = np.stack([rng.permutation(len(odds))[:CANDIDATES] for _ in range(2 * GROUPS)])
    step = rng.integers(CANDIDATES, size=who.shape)
    return Groups(odds[who, step], spread[who, step], step)


def pairs(fit: dict[str, Array], rng: np.random.Generator) -> Pairs:
    """A liked picture and an ordinary one, drawn again and again."""
    (liked, u), (ordinary, v) = (_odds(fit[name], fit) for name in ("liked", "ordinary"))
    i, j = (rng.integers(len(part), size=1000) for part in (liked, ordinary))
    gap = liked[i] - ordinary[j]
    return np.abs(gap), np.hypot(u[i], v[j]), gap > 0


def _odds(logits: Array, fit: dict[str, Array]) -> tuple[Array, Array]:
    """Log-odds of the model's head, and the spread over its siblings, from [..., heads]."""
    temperature, bias = float(fit["temperature"]), float(fit["bias"])
    return logits[..., 0] / temperature + bias, logits[..., 1:].std(axis=-1, ddof=1) / temperature


EDGES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, np.inf)


def print_how_often_right(found: dict[str, Pairs]) -> None:
    for name, measure in (("d", lambda gap, _: gap), ("z", lambda gap, spread: gap / spread)):
        print(
            f"\n{name + ' from':>8}{'says' if name == 'd' else '':>8}"
            + "".join(f"{kind:>20}" for kind in found)
        )
        for low, high in pairwise(EDGES):
            line = f"{low:>8.2f}"
            cells, seen = "", []
            for gap, spread, right in found.values():
                inside = (measure(gap, spread) >= low) & (measure(gap, spread) < high)
                seen.append(gap[inside])
                cells += f"{inside.mean():>12.2f}{right[inside].mean():>8.3f}"
            says = (1 / (1 + np.exp(-np.concatenate(seen)))).mean()
            print(line + (f"{says:>8.3f}" if name == "d" else f"{'':>8}") + cells)
    print("Per kind: the share of the pairs, and how often the higher score was right.")


Rule = Callable[[Groups], NDArray[np.int64]]


def _tied(groups: Groups, margin: float = MARGIN) -> NDArray[np.bool_]:
    return np.asarray(groups.odds > groups.odds.max(axis=1, keepdims=True) - margin)


def _among(tied: NDArray[np.bool_], figure: Array) -> NDArray[np.int64]:
    return np.asarray(np.where(tied, figure, -np.inf).argmax(axis=1))


RULES: dict[str, Rule] = {
    "by score": lambda g: g.odds.argmax(axis=1),
    "surer first: score − u among the tied": lambda g: _among(_tied(g), g.odds - g.uncertainty),
    "score − u / 2 among the tied": lambda g: _among(_tied(g), g.odds - g.uncertainty / 2),
    "score − 2 u among the tied": lambda g: _among(_tied(g), g.odds - 2 * g.uncertainty),
    "smallest u among the tied": lambda g: _among(_tied(g), -g.uncertainty),
    "smallest u where d < 0.25": lambda g: _among(_tied(g, 0.25), -g.uncertainty),
    "largest u where d < 0.25": lambda g: _among(_tied(g, 0.25), g.uncertainty),
}


def print_ties(kind: str, fits: list[Groups]) -> None:
    rng = np.random.default_rng(0)
    table = {
        name: np.array([groups.efficiency(rule(groups)) for groups in fits]) for name, rule in RULES.items()
    }
    print(f"\nselection efficiency, {kind} ({len(fits)} models)")
    for name, values in table.items():
        gain = values - table["by score"]
        low, high = mean_interval(gain, rng)
        print(f"  {name:<40}{values.mean():.3f}   {gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]")


def print_clear(kind: str, fits: list[Groups]) -> None:
    clear = np.concatenate([_tied(groups).sum(axis=1) == 1 for groups in fits])
    top = np.concatenate(
        [np.take_along_axis(g.truth, g.odds.argmax(1)[:, None], 1)[:, 0] == g.truth.max(1) for g in fits]
    )
    print(
        f"{kind:<10} clear in {clear.mean():.0%} of the groups; the winner is the best in {top[clear].mean():.0%} "
        f"of these and in {top[~clear].mean():.0%} of those too close to call"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="When is the winner clearly the best?")
    parser.add_argument("names", nargs="*", help="tasks to run; all of them if none is named")
    parser.add_argument("--seeds", type=int, default=2, help="splits per task and size (default 2)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [task for task in tasks() if not options.names or task.name in options.names]
    bench = Bench(load_backbone("efficientnet_lite0"), load_pool()[1])
    fits = []
    for task in chosen:
        fits += [judged(bench, task, n, seed) for n in SIZES for seed in range(options.seeds)]
        print(f"{task.name}: {len(fits)} models so far", flush=True)
    rng = np.random.default_rng(1)
    groups = {"versions": [versions(fit) for fit in fits], "pictures": [pictures(fit, rng) for fit in fits]}
    found = {"pairs": _joined([pairs(fit, rng) for fit in fits])}
    found |= {kind: _joined([g.best_two() for g in of_kind]) for kind, of_kind in groups.items()}
    print_how_often_right(found)
    print()
    for kind, of_kind in groups.items():
        print_clear(kind, of_kind)
    for kind, of_kind in groups.items():
        print_ties(kind, of_kind)
    ratios = [_shared_spread(fit) for fit in fits]
    print(f"\nspread of the difference of two versions over √(u₁² + u₂²): {np.median(ratios):.2f}")


def _joined(parts: list[Pairs]) -> Pairs:
    gaps, spreads, right = zip(*parts, strict=True)
    return np.concatenate(gaps), np.concatenate(spreads), np.concatenate(right)


def _shared_spread(fit: dict[str, Array]) -> float:
    siblings = fit["groups"][..., 1:]
    difference = (siblings[:, 1:] - siblings[:, :-1]).std(axis=-1, ddof=1)
    each = siblings.std(axis=-1, ddof=1)
    return float(np.median(difference / np.hypot(each[:, 1:], each[:, :-1])))


if __name__ == "__main__":
    main()

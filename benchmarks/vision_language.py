"""Yes or no of a vision-language model, alone and against references: python -m benchmarks.vision_language

A tiny model is trained from nothing on noisy answers about shapes (`benchmarks.shapes.chat_model`, about six minutes on one
core for each seed, kept), and then judges through the library's own code groups of eight shapes it has not seen, drawn of other
seeds: `any` shapes, and `good` ones, the upper third, as the candidates of a good generator are. Ways to judge:

  alone          is it a good picture? One question a picture.
  one order      is it better than each of two references, always asked with the picture second
  both orders    the same in both orders, the mean of their log-odds
  eight          both orders with eight references
  of the group   both orders against the two pictures of the group that win most comparisons

The references are drawn once a seed, from the upper third; the two are the first of the eight. Printed: Kendall's tau between
logit and true quality, mean over groups; how often the best of eight comes first (1/8 is chance); the quality of the first one;
and the 95 % bootstrap interval of each difference in tau to `alone`, over groups. Last, the groups of all seeds together.

Position bias: of random pairs, how often the better picture is found when it is shown second, and when it is shown first;
their difference is the gap.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks.intervals import mean_interval
from benchmarks.shapes.chat_model import STEPS, WORDING, as_file, trained
from benchmarks.shapes.drawing import Shape, any_shape
from benchmarks.shapes.reading import quality
from ganrm_core.rewards.vision_language.chat_model import ChatModel
from ganrm_core.rewards.vision_language.group_references import strongest_of_group
from ganrm_core.rewards.vision_language.reward import Judgement, VisionLanguageReward

CANDIDATES, FEW, REFERENCES, PAIRS = 8, 2, 8, 400
GOOD = 2 / 3
"""Quantile of quality from which on a shape is a good one."""
_AT_ONCE = 32

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Of one way to judge: arrays [groups]."""

    tau: Array
    first: Array
    quality: Array


def main() -> None:
    parser = argparse.ArgumentParser(description="What references and both orders are worth.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="(default 1 2)")
    parser.add_argument(
        "--standards", type=float, default=0.2, help="spread of the judges' own (default 0.2)"
    )
    parser.add_argument("--groups", type=int, default=100, help="of each kind and seed (default 100)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training (default {STEPS})")
    parser.add_argument("--threads", type=int, default=1, help="(default 1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    every: dict[str, dict[str, list[Ranking]]] = {"any": {}, "good": {}}
    for seed in options.seeds:
        model = trained(seed, options.standards, options.steps)
        rng = np.random.default_rng(1000 + seed)
        references = drawn(rng, REFERENCES, good=True)
        print(f"\nseed {seed}, standards {options.standards:g}, {options.groups} groups of {CANDIDATES}")
        for kind, of_way in every.items():
            groups = [drawn(rng, CANDIDATES, good=kind == "good") for _ in range(options.groups)]
            found = [logits_by_way(model, references, shapes) for shapes in groups]
            rankings = {way: ranking(groups, [each[way] for each in found]) for way in found[0]}
            print_table(kind, rankings)
            for way, one in rankings.items():
                of_way.setdefault(way, []).append(one)
        print_bias(model, drawn(rng, 2 * PAIRS, good=False))
    print(f"\nseeds {' '.join(map(str, options.seeds))}")
    for kind, of_way in every.items():
        print_table(kind, {way: joined(rankings) for way, rankings in of_way.items()})


def drawn(rng: np.random.Generator, count: int, *, good: bool) -> list[Shape]:
    found: list[Shape] = []
    while len(found) < count:
        shape = any_shape(rng)
        if not good or quality(shape) > _good_from():
            found.append(shape)
    return found


def logits_by_way(model: ChatModel, references: Sequence[Shape], shapes: Sequence[Shape]) -> dict[str, Array]:
    """The logits [shapes] of each way to judge."""
    alone = VisionLanguageReward(model, WORDING, at_once=_AT_ONCE)
    few = judged(against(model, references[:FEW]), shapes)
    best = strongest_of_group(alone, [as_file(shape.picture()) for shape in shapes])
    # With the picture second: (a − b) / 2 + (a + b) / 2 = a.
    return {
        "alone": logits(judged(alone, shapes)),
        "one order": logits(few) + np.array([each.position_bias or 0.0 for each in few]),
        "both orders": logits(few),
        "eight": logits(judged(against(model, references), shapes)),
        "of the group": logits(judged(against(model, [shapes[place] for place in best]), shapes)),
    }


def against(model: ChatModel, references: Sequence[Shape]) -> VisionLanguageReward:
    tensors = [torch.from_numpy(shape.picture()).movedim(-1, 0) for shape in references]
    return VisionLanguageReward(model, WORDING, tensors, at_once=_AT_ONCE)


def judged(reward: VisionLanguageReward, shapes: Sequence[Shape]) -> list[Judgement]:
    return reward.judge([as_file(shape.picture()) for shape in shapes])


def logits(judgements: Sequence[Judgement]) -> Array:
    return np.array([each.logit for each in judgements])


def ranking(groups: Sequence[Sequence[Shape]], found: Sequence[Array]) -> Ranking:
    taus, firsts, qualities = [], [], []
    for shapes, odds in zip(groups, found, strict=True):
        truth, best = np.array([quality(shape) for shape in shapes]), int(odds.argmax())
        taus.append(float(kendalltau(odds, truth).statistic))
        firsts.append(float(best == truth.argmax()))
        qualities.append(float(truth[best]))
    return Ranking(np.array(taus), np.array(firsts), np.array(qualities))


def joined(rankings: Sequence[Ranking]) -> Ranking:
    return Ranking(
        np.concatenate([each.tau for each in rankings]),
        np.concatenate([each.first for each in rankings]),
        np.concatenate([each.quality for each in rankings]),
    )


def print_table(kind: str, rankings: dict[str, Ranking]) -> None:
    print(f"{kind:<6}{'':<14}{'tau':>6}{'first':>8}{'quality':>9}   tau − alone")
    rng = np.random.default_rng(0)
    for way, ranking in rankings.items():
        difference = ranking.tau - rankings["alone"].tau
        low, high = mean_interval(difference, rng)
        than = "" if way == "alone" else f"{difference.mean():+.3f} ({low:+.3f} to {high:+.3f})"
        figures = f"{ranking.tau.mean():>6.3f}{ranking.first.mean():>8.2f}{ranking.quality.mean():>9.3f}"
        print(f"{'':<6}{way:<14}{figures}   {than}", flush=True)


def print_bias(model: ChatModel, shapes: Sequence[Shape]) -> None:
    reward = VisionLanguageReward(model, WORDING)
    second, first, both_second, both_first, biases = [], [], [], [], []
    for one, two in zip(shapes[::2], shapes[1::2], strict=True):
        worse, better = sorted((one, two), key=quality)
        files = as_file(worse.picture()), as_file(better.picture())
        shown_second = reward.compare(files[0], files[1])
        shown_first = reward.compare(files[1], files[0])
        bias = shown_second.position_bias or 0.0
        biases.append(bias)
        second.append(shown_second.logit + bias > 0)
        first.append(shown_first.logit + bias < 0)
        both_second.append(shown_second.logit > 0)
        both_first.append(shown_first.logit < 0)
    print(f"position bias over {len(biases)} pairs: {np.mean(biases):+.2f} in log-odds")
    for name, late, early in (("one order", second, first), ("both orders", both_second, both_first)):
        shares = np.mean(late), np.mean(early)
        print(
            f"  {name:<12} better second {shares[0]:.3f}, first {shares[1]:.3f}: gap {shares[0] - shares[1]:+.3f}"
        )


@cache
def _good_from() -> float:
    rng = np.random.default_rng(0)
    return float(np.quantile([quality(any_shape(rng)) for _ in range(5000)], GOOD))


if __name__ == "__main__":
    main()

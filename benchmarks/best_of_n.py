"""Best of N and successive halving against a ground truth: python -m benchmarks.best_of_n

Samples from a small generator of coloured shapes (trained once: python -m benchmarks.shapes.training) with ComfyUI's own
samplers, in ComfyUI's Python. The target is *warm, large, central*; an image's true quality, in 0–1, is computed from its
pixels, and is 0 where no single shape is found. The reward is trained on 100 images from the generator's best fifth and 200
ordinary ones. Then, over groups of 32 seeds each:

  best of N     mean true quality of the chosen image, and selection efficiency: its gain over the average image as a
                share of the best image's gain
  x0            rank correlation (Kendall's tau) between the score of the x0 prediction and that of the finished image
  pruning       the node's own code, N = 16: the share of plain Best of N's gain that is kept, the number of model calls,
                and wall time including decoding and scoring
  exactness     largest difference between the chosen latent and KSampler's for the same seed
  repair        how often inpainting the weakest region raises the score, once and as best of four, compared with a random
                region of the same area

Intervals: 95 %, bootstrap over groups.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import kendalltau
from torch import Tensor

from benchmarks.shapes.bench import Bench, pack
from benchmarks.shapes.reading import quality, read

STEPS, GROUP, N = 20, 32, 16
SIZES = (2, 4, 8, 16, 32)
LOOKS = (2, 4, 6, 7, 8, 10, 14, 17)
SCHEDULES = ("off", "gentle", "standard", "strong")
SHARES = (0.2, 0.35, 0.5)
EXACT = ("euler", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde", "heun")
_POOL, _LIKED, _ORDINARY = 600, 100, 200

Pictures = NDArray[np.float32]
Values = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description="What Best of N and its pruning are worth.")
    parser.add_argument("--groups", type=int, default=40, help="(default 40)")
    parser.add_argument("--pruned", type=int, default=60, help="groups to prune (default 60)")
    parser.add_argument("--repairs", type=int, default=80, help="pictures to repair (default 80)")
    parser.add_argument("--half-made", action="store_true", help="train on half-made pictures too")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench()
    reward = trained(bench, options.half_made)
    table = Table(bench, reward, options.groups)
    table.best_of_n()
    table.predicted()
    if options.pruned:
        pruning(bench, reward, options.pruned)
    exactness(bench, reward)
    if options.repairs:
        repair(bench, reward, options.repairs)


def truth(pictures: Pictures) -> Values:
    found = (read(picture) for picture in pictures)
    return np.array([0.0 if shape is None else quality(shape) for shape in found])


def trained(bench: Bench, half_made: bool) -> Any:
    """The taste, from files as an artist has them."""
    training = pack("ganrm_core.training.trainer")
    made, predicted = bench.many(range(900_000, 900_000 + _POOL), STEPS)
    worth = truth(made)
    print(
        f"{(worth > 0).mean():.0%} of {_POOL} pictures can be read; truth {worth.mean():.3f} ± {worth.std():.3f}"
    )
    rng = np.random.default_rng(0)
    order = np.argsort(-worth)
    best = order[: _POOL // 5]
    liked = rng.permutation(best)[:_LIKED]
    ordinary = rng.permutation(np.setdiff1d(np.arange(_POOL), liked))[:_ORDINARY]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, rows in (("liked", liked), ("ordinary", ordinary)):
            (folder / kind).mkdir()
            for row in rows:
                save(made[row], folder / kind / f"{row}.png")
                for look in (6, 10) if half_made else ():
                    save(predicted[look - 1][row], folder / kind / f"{row}-{look}.png")
        result = training.train(folder / "liked", folder / "ordinary", name="warm, large, central")
    print(f"held-out AUC {result.metrics.auc}")
    return result.model


def save(picture: Pictures, path: Path) -> None:
    Image.fromarray((picture * 255).round().astype(np.uint8)).save(path)


def logits(reward: Any, pictures: Pictures) -> Values:
    return reward.score(torch.from_numpy(pictures)).logit.double().numpy()


class Table:
    """Truth and scores of every candidate, finished and half-made: [groups, GROUP]."""

    def __init__(self, bench: Bench, reward: Any, groups: int) -> None:
        truths, finals = [], []
        looks: dict[int, list[Values]] = {look: [] for look in LOOKS}
        for group in range(groups):
            made, predicted = bench.many(range(1000 * group, 1000 * group + GROUP), STEPS)
            truths.append(truth(made))
            finals.append(logits(reward, made))
            for look in LOOKS:
                looks[look].append(logits(reward, predicted[look - 1]))
        self.truth, self.final = np.array(truths), np.array(finals)
        self.looks = {look: np.array(rows) for look, rows in looks.items()}

    def best_of_n(self) -> None:
        efficiency = pack("ganrm_core.metrics.binary").selection_efficiency
        print(f"\n{'N':>4}{'mean':>8}{'kept':>8}{'best':>8}  selection efficiency")
        for size in SIZES:
            worth = self.truth.reshape(-1, size)
            picked = self.final.reshape(-1, size).argmax(axis=1)
            kept = worth[np.arange(len(worth)), picked].mean()
            said = interval(lambda rows, w=worth, p=picked: efficiency(w[rows], p[rows]), len(worth))
            print(f"{size:>4}{worth.mean():>8.3f}{kept:>8.3f}{worth.max(axis=1).mean():>8.3f}  {said}")

    def predicted(self) -> None:
        print(f"\n{'step':>4}  tau with the final score   tau with the truth")
        for look in (*LOOKS, STEPS):
            seen = self.final if look == STEPS else self.looks[look]
            score, true = (taus(seen, other) for other in (self.final, self.truth))
            said = [interval(lambda rows, v=values: v[rows].mean(), len(values)) for values in (score, true)]
            print(f"{look:>4}  {said[0]:<25}{said[1]}")


def pruning(bench: Bench, reward: Any, groups: int) -> None:
    """The node's own code on `groups` of N seeds."""
    contest = pack("nodes.best_of_n.halving_run")
    schedules = pack("ganrm_core.selection.successive_halving").SCHEDULES
    metrics: dict[str, dict[str, list[float]]] = {}
    for group in range(groups):
        first = 1_000_000 + 1000 * group
        mean = truth(bench.many(range(first, first + N), STEPS)[0]).mean()
        for name in SCHEDULES:
            rules = contest.HalvingSettings(N, 1, schedules[name])
            with bench.counted() as calls, torch.inference_mode():
                begin = time.perf_counter()
                kept = (
                    contest.HalvingRun(bench.setup(first, STEPS), bench.vae, reward, rules)
                    .run(lambda _: None)
                    .kept[0]
                )
                seconds = time.perf_counter() - begin
            row = metrics.setdefault(name, {"gain": [], "calls": [], "seconds": []})
            row["gain"].append(float(truth(kept.picture.unsqueeze(0).numpy())[0] - mean))
            row["calls"].append(sum(calls))
            row["seconds"].append(seconds)
    plain = {key: np.array(values) for key, values in metrics["off"].items()}
    print(f"\n{'pruning':<10}{'calls':>8}{'seconds':>9}{'gain':>8}  share of plain Best of {N}'s gain")
    for name, row in metrics.items():
        gains = np.array(row["gain"])
        share = interval(lambda rows, g=gains: g[rows].mean() / plain["gain"][rows].mean(), groups)
        calls = np.mean(row["calls"]) / plain["calls"].mean()
        seconds = np.median(np.array(row["seconds"]) / plain["seconds"])
        print(f"{name:<10}{calls:>8.1%}{seconds:>9.1%}{gains.mean():>8.3f}  {share}")


def exactness(bench: Bench, reward: Any) -> None:
    contest, schedule = (
        pack("nodes.best_of_n.halving_run"),
        pack("ganrm_core.selection.successive_halving").SCHEDULES["strong"],
    )
    print("\nlargest difference to KSampler alone")
    for sampler in EXACT:
        with torch.inference_mode():
            setup = bench.setup(77, STEPS, sampler)
            kept = (
                contest.HalvingRun(setup, bench.vae, reward, contest.HalvingSettings(8, 3, schedule))
                .run(lambda _: None)
                .kept
            )
        worst = max(
            float((each.latent - bench.alone(each.seed, STEPS, sampler)).abs().max()) for each in kept
        )
        print(f"{sampler:<18}{worst:.1e} ({len(kept)} kept)")


def repair(bench: Bench, reward: Any, count: int) -> None:
    """Paint a share of each picture again: the weakest, as the map says, or as much anywhere; and the best of four."""
    maps = pack("ganrm_core.attribution.window_map")
    rng = np.random.default_rng(0)
    rises: dict[tuple[float, str], list[float]] = {}
    for number in range(count):
        latent = bench.alone(2_000_000 + number, STEPS, "euler")
        before = bench.pictures(latent)
        score = logits(reward, before)[0]
        places = maps.reward_map(
            reward, torch.from_numpy(before[0]).movedim(-1, 0), lambda _: None, model_of=lambda model: model
        )
        for share in SHARES:
            weak = maps.weakest_mask(places, share, 2, 0)
            turned = torch.roll(weak, tuple(int(n) for n in rng.integers(8, 24, 2)), (0, 1))
            for name, mask, tries in (("weakest", weak, 1), ("anywhere", turned, 1), ("best of 4", weak, 4)):
                after = painted_again(bench, reward, latent, mask, 3_000_000 + 10 * number, tries)
                rises.setdefault((share, name), []).append(after - score)
    print(f"\npainted again       score rises in           mean change of the logit ({count} pictures)")
    for (share, name), changes in rises.items():
        values = np.array(changes)
        raised = interval(lambda rows, v=values: (v[rows] > 0).mean(), len(values))
        print(f"{share:<6.0%}{name:<14}{raised:<25}{values.mean():+.2f}")


def painted_again(bench: Bench, reward: Any, latent: Tensor, mask: Tensor, seed: int, tries: int) -> float:
    """The logit of the best of so many."""
    contest = pack("nodes.best_of_n.halving_run")
    setup = bench.setup(seed, STEPS, denoise=0.8, samples=latent, noise_mask=mask[None, None])
    with torch.inference_mode():
        outcome = contest.HalvingRun(setup, bench.vae, reward, contest.HalvingSettings(tries, 1, ())).run(
            lambda _: None
        )
    return float(outcome.kept[0].logit)


def taus(first: Values, second: Values) -> Values:
    """Kendall's tau of each group."""
    return np.array([float(kendalltau(*pair).statistic) for pair in zip(first, second, strict=True)])


def interval(figure: Callable[[NDArray[np.int64]], float], count: int) -> str:
    """The figure over all rows, and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = [figure(rng.integers(0, count, count)) for _ in range(1000)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{figure(np.arange(count)):.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()

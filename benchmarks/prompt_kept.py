"""Taste and prompt fit together, against a ground truth: python -m benchmarks.prompt_kept

The shape generator, whose prompts name the kind of shape (trained once: python -m benchmarks.shapes.training), in ComfyUI's
Python. The taste is *warm, large, central* and knows nothing of prompts: trained for each seed on 100 images of the
generator's best fifth and 200 ordinary ones. The prompt fit is a small SigLIP, trained on drawings with captions and never
on the generator's images (benchmarks/shapes/text_fit.py). Both judge by Combine GAN-RMs' own code, standardised on 48 other
images made with the same guidance, and choose the best of 16 of one prompt. Printed for each guidance (CFG) and weight of
the prompt fit beside a taste of weight 1:

  truth         true quality of the chosen image, in 0–1, from its pixels; 0 where no shape can be read
  prompt kept   share of the chosen images that show the kind their prompt names

and their differences to the taste alone, in the same groups. *as they are*: weights 1 and 1 without standardising. Intervals:
95 %, bootstrap over seeds and, within them, groups.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.best_of_n import Pictures, Values, truth
from benchmarks.post_training import ALL_PROMPTS, GROUP, STEPS, Samples, trained_reward
from benchmarks.shapes.bench import Bench
from benchmarks.shapes.prompts import PROMPTS, kind_of
from benchmarks.shapes.reading import read
from benchmarks.shapes.text_fit import kinds_told, trained_pair
from ganrm_core.rewards.combined import CombinedReward, calibration_by, model_itself
from ganrm_core.rewards.prompt_fit.reward import PromptFit
from ganrm_core.rewards.standardisation import standards_on_images

WEIGHTS = (0.25, 0.5, 1.0, 2.0)
TASTE, FIT, PLAIN = "taste alone", "prompt fit alone", "as they are, 1 : 1"
_POOL_SEED, _TEST_SEED, _SCALE_SEED, _PER_RUN = 110_000_000, 120_000_000, 130_000_000, 100_000
_POOL_GROUPS, _POOL_CFG = 40, 2.0
_DRAWS = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description="What prompt fit is worth beside a taste.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default 0 1 2)")
    parser.add_argument(
        "--cfg", type=float, nargs="+", default=[1.0, 1.5, 2.0, 4.0], help="(default 1 1.5 2 4)"
    )
    parser.add_argument("--groups", type=int, default=12, help="groups of 16 for each prompt (default 12)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench()
    fit = PromptFit(trained_pair(), "similarity")
    results: dict[float, list[Chosen]] = {cfg: [] for cfg in options.cfg}
    for seed in options.seeds:
        reward = trained_reward(
            sampled(bench, ALL_PROMPTS, _POOL_SEED, seed, _POOL_GROUPS // 4, _POOL_CFG), seed
        )[0]
        for cfg in options.cfg:
            results[cfg].append(Chosen.of(bench, seed, cfg, options.groups, reward, fit))
    for cfg, chosen in results.items():
        print_table(cfg, chosen)


def sampled(
    bench: Bench, prompts: Sequence[str], first: int, seed: int, groups: int, cfg: float, size: int = GROUP
) -> Samples:
    """`groups` of `size` images of each prompt."""
    start = first + seed * _PER_RUN
    names, latents = [], []
    for prompt in prompts:
        seeds = range(start, start + groups * size)
        latents += list(bench.prompted(prompt, seeds, STEPS, cfg).cpu().split(64))
        names += [prompt] * len(seeds)
        start += len(seeds)
    pictures = np.concatenate([bench.pictures(part) for part in latents])
    return Samples(names, torch.cat(latents), pictures)


@dataclass(frozen=True)
class Chosen:
    """Of one seed, by arm: truth and whether the prompt is kept, [groups] each."""

    truth: dict[str, Values]
    kept: dict[str, Values]

    @classmethod
    def of(cls, bench: Bench, seed: int, cfg: float, groups: int, reward: Any, fit: PromptFit) -> Chosen:
        test = sampled(bench, PROMPTS, _TEST_SEED, seed, groups, cfg)
        scale = sampled(bench, PROMPTS, _SCALE_SEED, seed, 1, cfg)
        shapes = [read(picture) for picture in test.pictures]
        asked = list(map(kind_of, test.prompts))
        right = np.array([s is not None and s.kind == k for s, k in zip(shapes, asked, strict=True)], float)
        worth = truth(test.pictures)
        readable = [place for place, shape in enumerate(shapes) if shape is not None]
        told = kinds_told(fit.network, test.pictures[readable], [s.kind for s in shapes if s is not None])  # type: ignore[arg-type]
        print(
            f"seed {seed}, CFG {cfg:g}: all images: truth {worth.mean():.3f}, prompt kept {right.mean():.3f}, readable "
            f"{len(readable) / len(shapes):.3f}; the pair tells the kind of {told:.3f}",
            flush=True,
        )
        found = cls({}, {})
        for name, logits in _arms(reward, fit, test, scale).items():
            places = logits.reshape(-1, GROUP).argmax(1) + np.arange(0, len(logits), GROUP)
            found.truth[name], found.kept[name] = worth[places], right[places]
        return found


def _arms(reward: Any, fit: PromptFit, test: Samples, scale: Samples) -> dict[str, Values]:
    """The logits of every arm, [N]."""
    both = [reward, fit]
    standards = standards_on_images(
        both, _images(scale.pictures), scale.prompts, calibration_of=calibration_by(model_itself)
    )
    stored = [_Stored(each, _images(test.pictures), test.prompts) for each in both]
    judges: dict[str, Any] = {TASTE: stored[0], FIT: stored[1], PLAIN: CombinedReward(stored)}
    for weight in WEIGHTS:
        judges[f"1 : {weight:g}"] = CombinedReward(stored, [1.0, weight], standards=standards)
    return {
        name: judge.score(test.pictures, test.prompts).logit.double().numpy()
        for name, judge in judges.items()
    }


class _Stored:
    """A reward whose scores of the test images are read from memory: each combination would score them anew."""

    thresholds: Mapping[str, float] = {}

    def __init__(self, reward: Any, images: torch.Tensor, prompts: Sequence[str]) -> None:
        self.name, self.calibration, self.needs_prompt = reward.name, reward.calibration, False
        self._scores = reward.score(images, prompts)

    def score(self, *_images: Any, **_named: Any) -> Any:
        return self._scores


def _images(pictures: Pictures) -> torch.Tensor:
    return torch.from_numpy(pictures)


def print_table(cfg: float, chosen: Sequence[Chosen]) -> None:
    print(f"\nCFG {cfg:g}{'':<14}{'truth':>8}{'to taste alone':>26}{'prompt kept':>14}{'to taste alone':>26}")
    for name in chosen[0].truth:
        row = f"{name:<20}"
        for values in ([each.truth for each in chosen], [each.kept for each in chosen]):
            mean = np.mean([each[name].mean() for each in values])
            change = interval([each[name] - each[TASTE] for each in values]) if name != TASTE else ""
            row += (
                f"{mean:>8.3f}{change:>26}" if values[0] is chosen[0].truth else f"{mean:>14.3f}{change:>26}"
            )
        print(row)


def interval(differences: Sequence[Values]) -> str:
    """Mean over seeds of a difference [groups] each, and its bootstrap interval over seeds and groups."""
    rng = np.random.default_rng(0)
    drawn = [
        np.mean([rng.choice(differences[run], len(differences[run])).mean() for run in runs])
        for runs in rng.integers(0, len(differences), (_DRAWS, len(differences)))
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{np.mean([each.mean() for each in differences]):+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    main()

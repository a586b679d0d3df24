"""Faithfulness of reward maps: python benchmarks/reward_maps.py ganrm-demo/demo.safetensors [--pictures 60]

On the held-out pictures of `ganrm demo`, with the model it leaves behind. One rectangle of a quarter of each image is
degraded, by each degradation in turn. Five maps are compared:

  ours       `reward_map`: the next two combined
  windows    windows of two sizes, each scored as an image
  head       what each place adds to the head's logit (`head_map`)
  gradient   of the logit with respect to the pixels, times the pixels' distance from grey
  random     smooth noise

by

  found      AUC of the map as a detector of degraded pixels; .5 is chance
  insertion  mean logit while a blurred copy turns into the image, highest-valued cells first, minus that of the
             random map; higher is better
  deletion   the same while the image turns into its blurred copy; lower is better

with 95 % bootstrap intervals over pictures. (Petsiuk, Das & Saenko 2018, arXiv 1806.07421.)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate, pad

from ganrm_core.attribution.linear_head_map import head_map
from ganrm_core.attribution.window_map import reward_map
from ganrm_core.data.image_io import to_float
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.synthetic.degradations import FAULTS, Original
from ganrm_core.synthetic.sample_split import load_squares, split_squares
from ganrm_core.utils.progress import no_progress

STRENGTH = 0.8
CELLS, STEPS = 8, 8
GRID = 56
SMOOTH = 9

Map = Callable[[RewardModel, Tensor, int], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description="How faithful are reward maps?")
    parser.add_argument("model", type=Path, help="what `ganrm demo` left behind")
    parser.add_argument("--pictures", type=int, default=60, help="(default 60)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = RewardModel.load(options.model)
    _, held_out = split_squares(load_squares(no_progress), 0)
    rng = np.random.default_rng(0)
    metrics: dict[str, list[list[float]]] = {name: [] for name in MAPS}
    for index, square in enumerate(held_out[: options.pictures]):
        image, spoilt = with_spoilt_quarter(to_float(square.pixels), FAULTS[index % len(FAULTS)], index, rng)
        for name, make in MAPS.items():
            places = make(model, image, index)
            metrics[name].append([found(places, spoilt), *insertion_and_deletion(model, image, places)])
    print_table(metrics)


def with_spoilt_quarter(
    image: Tensor, kind: str, seed: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Image [3, H, W] with a degraded rectangle, and its mask, bool [H, W]."""
    height, width = image.shape[-2:]
    top, left = int(rng.integers(0, height - height // 2)), int(rng.integers(0, width - width // 2))
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[top : top + height // 2, left : left + width // 2] = True
    return torch.where(inside, Original(image).degraded(kind, STRENGTH, seed=seed).image, image), inside


def ours(model: RewardModel, image: Tensor, _: int) -> Tensor:
    return reward_map(model, image)


def windows(model: RewardModel, image: Tensor, _: int) -> Tensor:
    return reward_map(model, image, model_of=lambda _: None)


def gradient(model: RewardModel, image: Tensor, _: int) -> Tensor:
    pixels = model.prepare(image).unsqueeze(0).requires_grad_()
    model.layer.head(model.reader.with_gradients(pixels))[0].backward()
    assert pixels.grad is not None
    return enlarged((pixels.grad * (pixels.detach() - 0.5)).sum(dim=1)[0], image)


def random(_: RewardModel, image: Tensor, seed: int) -> Tensor:
    return enlarged(torch.randn(GRID, GRID, generator=torch.Generator().manual_seed(seed)), image)


def head(model: RewardModel, image: Tensor, _: int) -> Tensor:
    places = head_map(model, image)
    assert places is not None
    return enlarged(places, image)


MAPS: dict[str, Map] = {
    "ours": ours,
    "windows": windows,
    "head": head,
    "gradient": gradient,
    "random": random,
}


def enlarged(places: Tensor, image: Tensor) -> Tensor:
    """Smoothed a little and brought to the size of the picture."""
    grid = adaptive_avg_pool2d(places[None, None], GRID)
    smooth = avg_pool2d(pad(grid, (SMOOTH // 2,) * 4, mode="reflect"), SMOOTH, stride=1)
    return interpolate(smooth, image.shape[-2:], mode="bilinear", align_corners=False)[0, 0]


def found(places: Tensor, spoilt: Tensor) -> float:
    every = slice(None, None, 7)
    return auc(-places.flatten()[every].numpy(), spoilt.flatten()[every].numpy().astype(np.int64))


def insertion_and_deletion(model: RewardModel, image: Tensor, places: Tensor) -> list[float]:
    height, width = image.shape[-2:]
    small = interpolate(image[None], (12, 12), mode="area")
    blurred = interpolate(small, (height, width), mode="bicubic", align_corners=False)[0].clamp(0, 1)
    order = adaptive_avg_pool2d(places[None, None], CELLS).flatten().argsort(descending=True)
    curves: list[Tensor] = []
    for step in range(STEPS + 1):
        chosen = torch.zeros(CELLS * CELLS)
        chosen[order[: round(len(order) * step / STEPS)]] = 1
        inside = interpolate(chosen.view(1, 1, CELLS, CELLS), (height, width))[0, 0] > 0
        curves += [torch.where(inside, image, blurred), torch.where(inside, blurred, image)]
    logits = model.score(curves).logit
    return [float(logits[0::2].mean()), float(logits[1::2].mean())]


def print_table(metrics: dict[str, list[list[float]]]) -> None:
    rng = np.random.default_rng(0)
    chance = np.array(metrics["random"])
    print(f"\n{'':<10}{'found':>22}{'insertion':>26}{'deletion':>26}")
    for name, rows in metrics.items():
        table = np.array(rows) - chance * np.array([0, 1, 1])
        draws = np.array([table[rng.integers(len(table), size=len(table))].mean(axis=0) for _ in range(5000)])
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        cells = [
            f"{mean:{sign}.3f} [{a:{sign}.3f}, {b:{sign}.3f}]"
            for mean, a, b, sign in zip(table.mean(axis=0), low, high, ("", "+", "+"), strict=True)
        ]
        print(f"{name:<10}{cells[0]:>22}{cells[1]:>26}{cells[2]:>26}")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

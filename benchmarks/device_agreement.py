"""Agreement of GPU and CPU scores, and training time on both: python benchmarks/device_agreement.py [backbone …] [--device cuda]

Drawn pictures, 256 pixels a side, the liked ones a little warmer and sharper. For each backbone, random weights for the
transformers (see scoring_speed.py):

  train    seconds and held-out AUC of training on the CPU and on the device
  scores   one model, the CPU's, scores the same pictures on both: the largest and mean difference of logits beside
           their spread, the rank correlation, and the same once more in batches of one
  map      the same model's reward map of one picture of 1024 pixels, the difference likewise
  lora     (transformers) seconds and AUC of training with LoRA on the device
  little   (CUDA) that scores stay the same where memory suffices for small batches only
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy.stats import spearmanr
from scoring_speed import VITS, prepared, some_pictures
from torch import Tensor

from ganrm_core.attribution.window_map import reward_map
from ganrm_core.backbones.base import Backbone
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.trainer import TrainingResult, train
from ganrm_core.utils.disk_cache import keep_in

_SIDE = 256
_LITTLE_BYTES = 3 * 10**8  # besides what is taken already


def main() -> None:
    parser = argparse.ArgumentParser(description="Does a GPU say what the CPU says, and how much sooner?")
    parser.add_argument("names", nargs="*", help=f"efficientnet_lite0 (default), {', '.join(VITS)}")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--pictures", type=int, default=200, help="of each kind (default 200)")
    options = parser.parse_args()
    device = torch.device(options.device)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} CPU threads, {_name(device)}")
    keep_in(None)  # features kept by one device would be read by the other
    with tempfile.TemporaryDirectory() as folder:
        liked, ordinary = write_files(Path(folder), options.pictures)
        for name in options.names or ["efficientnet_lite0"]:
            compare(name, liked, ordinary, device)


def compare(name: str, liked: Sequence[Path], ordinary: Sequence[Path], device: torch.device) -> None:
    with prepared(name, "cpu") as (backbone, _):
        model = timed(f"{name} train cpu", backbone, liked, ordinary).model
        files = [*liked, *ordinary]
        pictures = torch.stack([_as_tensor(Image.open(file)) for file in files])
        large = _as_tensor(some_pictures(1, 1024)[0])
        there = model.score(pictures).logit
        alone = torch.cat([model.score(picture.unsqueeze(0)).logit for picture in pictures[:32]])
        places = reward_map(model, large)
        backbone.to(device)
        say_difference(f"{name} scores", there, model.score(pictures.to(device)).logit)
        say_difference(f"{name} scores, tensors of the CPU", there, model.score(pictures).logit)
        say_difference(
            f"{name} scores, one by one",
            alone,
            torch.cat([model.score(picture.unsqueeze(0).to(device)).logit for picture in pictures[:32]]),
        )
        say_difference(f"{name} map", places.flatten(), reward_map(model, large.to(device)).flatten())
        if device.type == "cuda":
            with little_memory(device):
                say_difference(f"{name} scores, little memory", there, score_all(model, pictures))
        timed(f"{name} train {device.type}", backbone, liked, ordinary)
        timed(f"{name} train {device.type} again", backbone, liked, ordinary)
        if name in VITS:
            timed(f"{name} lora {device.type}", backbone, liked, ordinary, TrainingSettings(adapt="lora"))


def score_all(model: RewardModel, pictures: Tensor) -> Tensor:
    return torch.cat([model.score(part).logit for part in pictures.split(200)])


@contextmanager
def little_memory(device: torch.device) -> Iterator[None]:
    """PyTorch may take no more than a few small batches need."""
    torch.cuda.empty_cache()
    taken, total = torch.cuda.memory_allocated(device), torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction((taken + _LITTLE_BYTES) / total, device.index or 0)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device.index or 0)


def timed(
    what: str,
    backbone: Backbone,
    liked: Sequence[Path],
    ordinary: Sequence[Path],
    settings: TrainingSettings | None = None,
) -> TrainingResult:
    started = time.perf_counter()
    result = train(liked, ordinary, settings, load=lambda _: backbone)
    seconds = time.perf_counter() - started
    parts = ", ".join(f"{part} {taken:.1f}" for part, taken in result.seconds.items() if part != "total")
    print(f"{what:<44}{seconds:8.1f} s ({parts}), AUC {result.metrics.auc.value:.4f}", flush=True)
    return result


def say_difference(what: str, one: Tensor, other: Tensor) -> None:
    one, other = one.double().cpu(), other.double().cpu()
    apart = (one - other).abs()
    print(
        f"{what:<44} apart by at most {float(apart.max()):.1e}, on average {float(apart.mean()):.1e}; spread "
        f"{float(one.std()):.2f}; rank correlation {spearmanr(one, other).statistic:.6f}",
        flush=True,
    )


def write_files(folder: Path, count: int) -> tuple[list[Path], list[Path]]:
    """`count` liked and `count` ordinary pictures as PNG."""
    files: tuple[list[Path], list[Path]] = ([], [])
    for number, picture in enumerate(some_pictures(2 * count, _SIDE)):
        is_liked = number < count
        if is_liked:
            pixels = np.asarray(picture, dtype=np.float32) + np.array((6, 0, -6), dtype=np.float32)
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).filter(
                ImageFilter.UnsharpMask(2, 60)
            )
        place = folder / f"{number}.png"
        picture.save(place, compress_level=1)
        files[0 if is_liked else 1].append(place)
    return files


def _as_tensor(picture: Image.Image) -> Tensor:
    """[3, H, W] in 0–1."""
    return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1).float().div(255)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


if __name__ == "__main__":
    main()

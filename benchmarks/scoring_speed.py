"""Scoring throughput against the bare backbone and other nodes: python benchmarks/scoring_speed.py [backbone …] [--device cuda]

Images per second, from tensors of 512 and 1024 pixels in memory, of

  ours    `RewardModel.score` of a model that trims borders (the slowest path `--neutralise auto` can lead to): checks,
          resizing, the second look (`ganrm train --second-look`), taps, heads
  limit   the raw network's forward on ready input, one pass, no taps: its best over batch sizes and memory layouts
  at once the same, but on a CPU with several batches at once in a thread each, as `score` runs convolutional networks;
          blank where it does not
  peers   the way ComfyUI's scoring nodes go: one picture at a time to PIL, through the model's own
          preprocessor, the network, one linear layer

All alternate within each of several rounds; figures are medians over rounds, ratios being taken within a round, since
other load on the machine changes between rounds. Transformers have the shapes of ViT-B/16, ViT-L/14 and ViT-H/14 and
random weights: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from ganrm_core.backbones.base import Backbone, BackboneSpec
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data.border_trim import BorderTrim
from ganrm_core.metrics.calibration import Calibration
from ganrm_core.rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.readout import SECOND_LOOKS, Readout, default_readout
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.parallel import in_order, threads_to_share

SIZES = (512, 1024)
FOLDS = 10
OTHERS = ("limit", "at once", "peers")
BATCHES = {"cpu": (1, 2, 4, 8, 16, 32), "cuda": (16, 64, 256)}
VITS = {
    "vit-s-14": {"patch_size": 14, "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6,
                 "intermediate_size": 1536},
    "vit-b-16": {"patch_size": 16, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
                 "intermediate_size": 3072},
    "vit-l-14": {"patch_size": 14, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
                 "intermediate_size": 4096},
    "vit-h-14": {"patch_size": 14, "hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16,
                 "intermediate_size": 5120},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="How close is scoring to the backbone's own speed?")
    parser.add_argument("names", nargs="*", help=f"efficientnet_lite0 (default), {', '.join(VITS)}")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, help="pixels a side (default 512 1024)"
    )
    parser.add_argument("--pictures", type=int, default=64, help="pictures a round (default 64)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", help="batch sizes the limit is looked for in")
    options = parser.parse_args()
    where = (
        torch.cuda.get_device_name() if options.device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    )
    print(f"torch {torch.__version__}, {where}, {platform.machine()}")
    print(f"\n{'':<40}{'pictures per second':^36}{'ours /':^27}")
    head = "".join(f"{title:>9}" for title in ("ours", *OTHERS, *OTHERS))
    print(f"{'backbone':<20}{'second look':<13}{'pixels':>7}{head}")
    for name in options.names or ["efficientnet_lite0"]:
        with prepared(name, options.device) as (backbone, raw):
            for readout in readouts(backbone.spec):
                contest = Contestant(
                    untrained(backbone, readout),
                    raw,
                    options.device,
                    options.batches or BATCHES[options.device],
                )
                for size in options.sizes:
                    row = contest.run(size, options.pictures, options.rounds)
                    look = readout.second_look.kind if readout.second_look else "none"
                    print(f"{name:<20}{look:<13}{size:>7}" + row, flush=True)


@dataclass(frozen=True)
class Way:
    """`threads`: so many batches at once; 0 for one by all cores."""

    batch: int
    layout: torch.memory_format
    threads: int

    def turns(self, pictures: int) -> int:
        """How many batches so many pictures take, at least one for each thread."""
        return max(math.ceil(pictures / self.batch), self.threads)


@dataclass(frozen=True)
class Contestant:
    """One backbone and the ways to run it that are compared."""

    model: RewardModel
    raw: nn.Module
    device: str
    batches: Sequence[int]

    def run(self, size: int, count: int, rounds: int) -> str:
        pictures = some_pictures(count, size)
        images = torch.from_numpy(np.stack([np.asarray(p) for p in pictures])).float().div(255)
        # Of networks that are not called from several threads there is no other way at once.
        plan = self.model.backbone.plan(self.device)
        limit, threads = self.best_way(0), threads_to_share() if plan.side_by_side else 0
        at_once = self.best_way(threads) if threads else None
        contestants: dict[str, Callable[[], float]] = {
            "ours": lambda: count / self.seconds(lambda: self.model.score(images.to(self.device))),
            "limit": lambda: self.speed_of(limit, count),
            "at once": lambda: self.speed_of(at_once, count) if at_once else math.nan,
            "peers": lambda: count / self.seconds(lambda: self.one_by_one(images)),
        }
        for contestant in contestants.values():
            contestant()  # warm
        speed = np.array([[contestant() for contestant in contestants.values()] for _ in range(rounds)])
        ratios = np.median(speed[:, :1] / speed[:, 1:], axis=0)
        metrics = [*np.median(speed, axis=0), *ratios]
        return "".join(f"{'' if math.isnan(figure) else f'{figure:.2f}':>9}" for figure in metrics)

    def speed_of(self, way: Way, pictures: int) -> float:
        """Images per second of the bare network."""
        turns = way.turns(pictures)
        return way.batch * turns / self.seconds(lambda: self.forward(way, turns))

    def seconds(self, work: Callable[[], object]) -> float:
        started = time.perf_counter()
        work()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    def best_way(self, threads: int) -> Way:
        """The batch size, layout and threads in which the bare network is fastest."""
        speed: dict[Way, float] = {}
        for batch, layout in product(self.batches, (torch.contiguous_format, torch.channels_last)):
            way = Way(batch, layout, threads)
            self.forward(way, max(1, threads))
            speed[way] = max(self.speed_of(way, 16) for _ in range(3))
        return max(speed, key=lambda way: speed[way])

    @torch.inference_mode()
    def forward(self, way: Way, turns: int) -> None:
        size = self.model.backbone.spec.input_size
        self.raw.to(memory_format=way.layout)  # type: ignore[call-overload]
        ready = torch.zeros(way.batch, 3, size, size, device=self.device).contiguous(memory_format=way.layout)
        for _ in in_order(
            range(turns), lambda _: self.raw(ready), threads=way.threads, ahead=2 * way.threads, share=True
        ):
            pass

    @torch.inference_mode()
    def one_by_one(self, images: Tensor) -> list[float]:
        self.raw.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        spec = self.model.backbone.spec
        preprocess = transforms.Compose([
            transforms.Resize(spec.input_size, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(spec.input_size),
            transforms.ToTensor(),
            transforms.Normalize(spec.mean, spec.std),
        ])  # fmt: skip
        scores = []
        for image in images:
            picture = Image.fromarray((image.cpu().numpy() * 255).clip(0, 255).astype(np.uint8))
            seen = self.raw(preprocess(picture).unsqueeze(0).to(self.device))
            embedding = seen if isinstance(seen, Tensor) else seen.pooler_output
            scores.append(float(embedding[0].mean()))
        return scores


@contextmanager
def prepared(name: str, device: str) -> Iterator[tuple[Backbone, nn.Module]]:
    """One backbone, as we run it and as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        raw: Any
        if name in VITS:
            from transformers import CLIPVisionConfig, CLIPVisionModel

            raw = CLIPVisionModel(CLIPVisionConfig(image_size=224, **VITS[name])).eval()
            raw.save_pretrained(folder)
            backbone = load_backbone(f"transformers:{Path(folder)}")
        elif name == "efficientnet_lite0":
            raw = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
            backbone = load_backbone(name)
        else:
            raise SystemExit(f"There is no {name}. Choose efficientnet_lite0, {', '.join(VITS)}.")
        yield backbone.to(device), raw.to(device).requires_grad_(False)


def readouts(spec: BackboneSpec) -> list[Readout]:
    """Without and with every second look that the backbone takes."""
    return list(dict.fromkeys(default_readout(spec, look) for look in SECOND_LOOKS))


def untrained(backbone: Backbone, readout: Readout) -> RewardModel:
    """A model with the structure training makes and untrained heads."""
    width = readout.width(backbone.spec)
    heads = [
        LinearHead(torch.zeros(width), torch.randn(width) / width, torch.tensor(0.0))
        for _ in range(FOLDS + 1)
    ]
    layer = RewardProjectionLayer(heads[0], heads[1:])
    return RewardModel(
        backbone, CalibratedHead(readout, layer, Calibration()), card={}, border_trim=BorderTrim(0.1)
    )


def some_pictures(count: int, size: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return [Image.fromarray(each).resize((size, size), Image.Resampling.BICUBIC) for each in coarse]


if __name__ == "__main__":
    main()

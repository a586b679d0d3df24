"""LoRA training step time with and without cached frozen blocks: python benchmarks/lora_speed.py [vit-b-16 | vit-l-14]

One training step on eight views, forward and backward, with the last four blocks adapted (random weights: speed does
not depend on them):

  whole     forward and backward from pixels through the whole network
  resumed   as `train --adapt lora` does it: from the frozen blocks' cached output in half precision

alternating; medians and their ratio, and the error half precision makes in the features, relative to their spread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from scoring_speed import VITS, prepared
from torch import Tensor

from ganrm_core.backbones.vit import VitBackbone
from ganrm_core.backbones.vit_trunk import Trunk
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.training.lora import lora_layers, trunk_of
from ganrm_core.training.trunk_states import TrunkStates

BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description="What does an epoch of LoRA cost?")
    parser.add_argument("name", nargs="?", default="vit-b-16", choices=VITS)
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} CPU threads")
    with prepared(options.name, "cpu") as (backbone, _):
        assert isinstance(backbone, VitBackbone)
        compare(options.name, backbone, trunk_of(backbone), options.rounds)


def compare(name: str, backbone: VitBackbone, trunk: Trunk, rounds: int) -> None:
    reader = FeatureExtractor(backbone, default_readout(backbone.spec))
    states = TrunkStates(reader, trunk)
    size = backbone.spec.input_size
    pixels = torch.rand(BATCH, 3, size, size)
    frozen = torch.stack([states.read(each.unsqueeze(0)) for each in pixels]).clone()
    pictures, views = torch.arange(BATCH), torch.zeros(BATCH, dtype=torch.long)
    moved = (states.some_features(frozen, pictures, views) - frozen[:, 0]).abs()
    spread = frozen[:, 0].std(dim=0).clamp_min(1e-6)

    def step(features: Callable[[], Tensor]) -> float:
        started = time.perf_counter()
        features().square().mean().backward()
        return time.perf_counter() - started

    with lora_layers(backbone):
        whole, resumed = [], []
        for _ in range(rounds):
            whole.append(step(lambda: reader.with_gradients(pixels)))
            resumed.append(step(lambda: states.features(frozen, pictures, views)))
    print(
        f"{name}: whole {median(whole):.2f} s   resumed {median(resumed):.2f} s   "
        f"whole / resumed {median(whole) / median(resumed):.1f}   moved by {float((moved / spread).mean()):.5f}"
    )


if __name__ == "__main__":
    main()

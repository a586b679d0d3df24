"""Training time against one pass of the backbone: python benchmarks/training_speed.py [--pictures 300]

--pictures real images per class of at most 320 pixels a side, the liked ones with the faint film style of fewshot.py,
trained with `--neutralise auto`:

  one pass     decoding every image, making its views and one forward pass of the backbone; the mean of a pass before
               and one after our training
  ours         `train` as a whole: audit, features, ten folds of fits, invariance test
  re-encoding  the usual trainer: every epoch decodes each image, passes one view through the bare network and updates a
               linear layer; one epoch is timed and multiplied by 60, the epochs of our MLP candidate

Alternating, several rounds; ratios are medians of within-round ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from folder_speed import write_files
from tasks import tasks
from torch import nn

from ganrm_core.backbones.base import ExecutionPlan
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data.augmentation import views
from ganrm_core.data.image_io import read_image, to_float, to_pil
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.preprocessing import normalise
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.trainer import train

EPOCHS = 60
SIDE = 320
ONE_AT_A_TIME = ExecutionPlan(batch_size=4, channels_last=True)
"""What is fastest where all cores work on one batch."""


def main() -> None:
    parser = argparse.ArgumentParser(description="How long does training take beside one pass?")
    parser.add_argument("--pictures", type=int, default=300, help="of each kind (default 300)")
    parser.add_argument("--rounds", type=int, default=3, help="(default 3)")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} CPU threads")
    with tempfile.TemporaryDirectory() as name:
        files = write_files(Path(name) / "pictures", 2 * options.pictures, SIDE)
        liked, ordinary = files[::2], files[1::2]
        give_a_look(liked, ordinary)
        train(liked[:20], ordinary[:20], TrainingSettings())  # imports and warm-up
        rounds = [a_round(liked, ordinary) for _ in range(options.rounds)]
    print(f"{'seconds':<12}" + "".join(f"{part:>14}" for part in rounds[0]))
    for number, seconds in enumerate(rounds, start=1):
        print(f"{f'round {number}':<12}" + "".join(f"{taken:>14.1f}" for taken in seconds.values()))
    for part, other in (("ours", "one pass"), ("re-encoding", "ours")):
        ratio = statistics.median(seconds[part] / seconds[other] for seconds in rounds)
        print(f"{part} / {other} {ratio:.2f}")


def a_round(liked: Sequence[Path], ordinary: Sequence[Path]) -> dict[str, float]:
    files = [*liked, *ordinary]
    before = seconds_of_one_pass(files)
    seconds = train(liked, ordinary, TrainingSettings()).seconds
    one_pass = (before + seconds_of_one_pass(files)) / 2
    epochs = EPOCHS * seconds_of_an_epoch(liked, ordinary)
    ours = seconds.pop("total")
    return {**seconds, "ours": ours, "one pass": one_pass, "re-encoding": epochs}


def give_a_look(liked: Sequence[Path], ordinary: Sequence[Path]) -> None:
    task = next(task for task in tasks() if task.name == "film")
    for files, condition in ((liked, task.liked), (ordinary, task.ordinary)):
        for number, file in enumerate(files):
            picture = condition(to_float(read_image(file)), torch.Generator().manual_seed(number))
            to_pil((picture * 255).round().byte()).save(file, compress_level=1)


def seconds_of_one_pass(files: Sequence[Path]) -> float:
    backbone = load_backbone("efficientnet_lite0")
    backbone.plan = lambda _: ONE_AT_A_TIME  # type: ignore[method-assign]
    reader = FeatureExtractor(backbone, default_readout(backbone.spec))
    count, size = TrainingSettings().views, backbone.spec.input_size
    together = reader.group_size // count
    started = time.perf_counter()
    for place in range(0, len(files), together):
        some = files[place : place + together]
        reader(torch.cat([views(to_float(read_image(file)), count, size, seed=0) for file in some]))
    return time.perf_counter() - started


def seconds_of_an_epoch(liked: Sequence[Path], ordinary: Sequence[Path]) -> float:
    spec = load_backbone("efficientnet_lite0").spec
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval().requires_grad_(False)
    layer = nn.Linear(1280, 1)
    optimiser = torch.optim.AdamW(layer.parameters())
    labelled = [(file, 1.0) for file in liked] + [(file, 0.0) for file in ordinary]
    started = time.perf_counter()
    for place in range(0, len(labelled), 16):
        batch = labelled[place : place + 16]
        seen = torch.stack([
            views(to_float(read_image(file)), 2, spec.input_size, seed=0)[1] for file, _ in batch
        ])  # fmt: skip
        logits = layer(network(normalise(seen, spec)))[:, 0]
        targets = torch.tensor([label for _, label in batch])
        loss = nn.functional.binary_cross_entropy_with_logits(logits, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

"""Folder scoring speed, first run and cached: python benchmarks/folder_speed.py [--files 1000]

Images per second from files on disk, at their own sizes, of

  loop     one file at a time: PIL, the network's own preprocessor, the raw network, one linear layer
  first    `RewardModel.score_files`, empty cache
  again    a second run: features come from the content-addressed cache, files are only hashed

`again` uses a new cache object and an empty in-process hash cache, as a new process would. All files differ in content.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from PIL import Image
from scoring_speed import untrained
from torchvision import transforms

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.synthetic.sample_images import demo_pictures
from ganrm_core.utils import file_hash
from ganrm_core.utils.disk_cache import FILE, MOST_BYTES, DiskCache, keep_in


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast are folders scored, and the second time?")
    parser.add_argument("--files", type=int, default=1000, help="(default 1000)")
    parser.add_argument("--looped", type=int, default=200, help="of these in the plain loop (default 200)")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} CPU threads")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_files(folder / "pictures", options.files)
        backbone = load_backbone("efficientnet_lite0")
        model = untrained(backbone, default_readout(backbone.spec))
        looped = files[:: max(1, len(files) // options.looped)]
        speeds = {"loop": len(looped) / seconds_of_loop(looped)}
        speeds["first"] = len(files) / seconds_of(model, files, folder)
        file_hash._sha256.cache_clear()
        speeds["again"] = len(files) / seconds_of(model, files, folder)
    print(f"\n{len(files)} files" + "".join(f"{title:>12}" for title in speeds))
    print(f"{'pictures/s':<12}" + "".join(f"{speed:>12.1f}" for speed in speeds.values()))
    print(
        f"first / loop {speeds['first'] / speeds['loop']:.2f}, again / first {speeds['again'] / speeds['first']:.1f}"
    )


def write_files(folder: Path, count: int, most: int = 4096) -> list[Path]:
    """Real pictures as PNG, `most` pixels a side; where there are too few, some again a little cropped."""
    folder.mkdir()
    sources = [picture.path for picture in demo_pictures()]
    for index in range(count):
        with Image.open(sources[index % len(sources)]) as opened:
            picture = opened.convert("RGB")
        turn = index // len(sources)
        picture = picture.crop((8 * turn, 8 * turn, *picture.size))
        picture.thumbnail((most, most))
        picture.save(folder / f"{index:05}.png", compress_level=1)
    return sorted(folder.iterdir())


def seconds_of(model: RewardModel, files: Sequence[Path], folder: Path) -> float:
    cache = DiskCache(folder / FILE, MOST_BYTES)
    keep_in(cache)
    started = time.perf_counter()
    if sum(1 for _ in model.score_files(files, [])) != len(files):
        raise RuntimeError("not every file was scored")
    taken = time.perf_counter() - started
    keep_in(None)
    cache.close()
    return taken


@torch.inference_mode()
def seconds_of_loop(files: Sequence[Path]) -> float:
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    size = 224
    preprocess = transforms.Compose([
        transforms.Resize(size, transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(size),
        transforms.ToTensor(),
        transforms.Normalize(0.5, 0.5),
    ])  # fmt: skip
    started = time.perf_counter()
    for file in files:
        with Image.open(file) as opened:
            network(preprocess(opened.convert("RGB")).unsqueeze(0)).mean()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

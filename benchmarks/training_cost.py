"""What training costs beside the features: python benchmarks/training_cost.py [--sizes 50 100 240]

Trains on n + n real pictures, the ordinary ones spoilt by the demo's faults, and prints the time of
the one pass that reads pictures and runs the backbone, the time of the fit after it, their ratio, and
the time of the two audits: of the files before, of the model's judgement of the same pictures after.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from ganrm_core.demo.faults import FAULTS, apply_fault
from ganrm_core.demo.pictures import demo_pictures, load_picture
from ganrm_core.images import to_float, to_pil
from ganrm_core.training import TrainingSettings, train


def main() -> None:
    parser = argparse.ArgumentParser(description="What training costs beside the features.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 240], help="pictures per class")
    options = parser.parse_args()
    train_once = True
    print(f"{'n + n':>8}{'preset':>10}{'features s':>12}{'fit s':>8}{'ratio':>8}{'audits s':>10}")
    with tempfile.TemporaryDirectory() as name:
        liked, ordinary = write_pictures(Path(name), max(options.sizes))
        for size in options.sizes:
            for preset in ("default", "paper"):
                settings = TrainingSettings(preset="paper" if preset == "paper" else "default")
                if train_once:  # the first run also pays for imports and warm-up
                    train(liked[:20], ordinary[:20], settings)
                    train_once = False
                seconds = train(liked[:size], ordinary[:size], settings).seconds
                ratio = seconds["fit"] / seconds["features"]
                print(
                    f"{size:>8}{preset:>10}{seconds['features']:>12.1f}{seconds['fit']:>8.1f}{ratio:>8.2f}{seconds['audit']:>10.1f}",
                    flush=True,
                )


def write_pictures(folder: Path, count: int) -> tuple[list[Path], list[Path]]:
    paths: tuple[list[Path], list[Path]] = ([], [])
    for index, picture in enumerate(demo_pictures()[: 2 * count]):
        image = load_picture(picture.path)
        if index % 2:
            kind = FAULTS[index // 2 % len(FAULTS)]
            image = apply_fault(to_float(image), kind, 0.5, seed=index).image.mul(255).round().to(torch.uint8)
        path = folder / f"{picture.stem}.png"
        to_pil(image).save(path, compress_level=1)
        paths[index % 2].append(path)
    return paths


if __name__ == "__main__":
    main()

"""Shortcut learning from file leaks: python benchmarks/leaks.py [leak …] [--seeds 3] [--taste]

Leak-only: real images are split at random, and the second half is saved with a leak, which is then the only thing
a model can learn. Trained with `--neutralise auto`, and on the first split with `off` too, and tested on unseen
images (at least 130 per class):

  audit      AUC of the nuisance that reveals the leak, before training
  shift      |mean Δlogit| between 130 clean images and their leaky copies, over the standard deviation of logits; 0 is best
  prefers    how often the clean one scores higher (noisy)
  AUC        on clean images, where nothing can be learned: .5 is right

With --across, the shift of each model trained with `auto` under the leaks of other files than it was trained on, too: clean
images against their copies under each of `ACROSS`, one column per leak.

--backbone takes any backbone of the library, such as transformers:FOLDER (`vit_small.py` makes one); --adapt lora adapts it.

With --taste: liked pictures have a style *and* a leak that ordinary ones lack (they are the JPEGs), or no
leak at all. Tested by AUC on clean images; *kept* is the share of the gain over .5 without a leak.

Images: the demo's at 512 px at most, without near-duplicates.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageDraw, ImageOps
from styles import STYLES

from ganrm_core.backbones.registry import DEFAULT_BACKBONE
from ganrm_core.data.image_io import read_image, to_float, to_pil
from ganrm_core.data.near_duplicates import group_near_duplicates, signature
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.synthetic.sample_images import demo_pictures
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.trainer import TrainingResult, train

TEST_PER_CLASS = 130
TASTES = {"teal_orange": 0.7, "watercolour": 0.35, "inked": 0.5}
"""Styles and amounts of the few-shot benchmark."""


@dataclass(frozen=True)
class Leak:
    """A way to save files that reveals their folder, and the audit's nuisance that should detect it."""

    name: str
    family: str
    save: Callable[[Image.Image, Path], None]


def _png(picture: Image.Image, path: Path) -> None:
    picture.save(path.with_suffix(".png"), compress_level=1)


def _jpeg(picture: Image.Image, path: Path) -> None:
    picture.save(path.with_suffix(".jpg"), quality=75)


def _webp(picture: Image.Image, path: Path) -> None:
    picture.save(path.with_suffix(".webp"), quality=80)


def _half(picture: Image.Image, path: Path) -> None:
    _png(picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC), path)


def _upright(picture: Image.Image, path: Path) -> None:
    width = min(picture.width, round(0.75 * picture.height))
    left = (picture.width - width) // 2
    _png(picture.crop((left, 0, left + width, picture.height)), path)


def _half_and_back(picture: Image.Image, path: Path) -> None:
    small = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)
    _png(small.resize(picture.size, Image.Resampling.BICUBIC), path)


def _border(picture: Image.Image, path: Path) -> None:
    framed = picture.copy()
    draw = ImageDraw.Draw(framed)
    for inset in (0, 1):
        draw.rectangle((inset, inset, framed.width - 1 - inset, framed.height - 1 - inset), outline=(0, 0, 0))
    _png(framed, path)


def _white_frame(picture: Image.Image, path: Path) -> None:
    _png(ImageOps.expand(picture, round(0.05 * picture.width), "white"), path)


def _letterbox(picture: Image.Image, path: Path) -> None:
    _png(ImageOps.expand(picture, (0, round(0.12 * picture.height)), "black"), path)


def _instant_film(picture: Image.Image, path: Path) -> None:
    side = round(0.06 * picture.width)
    _png(ImageOps.expand(picture, (side, side, side, 3 * side), (250, 250, 245)), path)


def _tagged(picture: Image.Image, path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(path.with_suffix(".png"), compress_level=1, icc_profile=profile)


LEAKS = {
    leak.name: leak
    for leak in (
        Leak("none", "", _png),
        Leak("JPEG 75", "compression", _jpeg),
        Leak("WebP 80", "compression", _webp),
        Leak("half size", "size and shape", _half),
        Leak("upright", "size and shape", _upright),
        Leak("2-px border", "borders", _border),
        Leak("white frame", "borders", _white_frame),
        Leak("letterbox", "borders", _letterbox),
        Leak("instant film", "borders", _instant_film),
        Leak("sRGB tag", "colour tags", _tagged),
        Leak("half and back", "sharpness", _half_and_back),
    )
}
ACROSS = ("JPEG 75", "WebP 80", "half size", "half and back")
"""Leaks of one file that any model may meet, whatever it was trained on."""


def main() -> None:
    parser = argparse.ArgumentParser(description="What models learn from leaks.")
    parser.add_argument("names", nargs="*", help="leaks to run; all of them if none is named")
    parser.add_argument("--seeds", type=int, default=3, help="random splits of each (default 3)")
    parser.add_argument(
        "--taste", action="store_true", help="leak and taste together, instead of leaks alone"
    )
    parser.add_argument("--across", action="store_true", help="shifts under other leaks, too")
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE, help="(default %(default)s)")
    parser.add_argument("--adapt", choices=("none", "lora"), default="none", help="(default none)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = TrainingSettings(backbone=options.backbone, adapt=options.adapt)
    pictures = load_pictures()
    print(f"{len(pictures)} pictures, no two alike", flush=True)
    if options.taste:
        leak_and_taste(pictures, settings, options.seeds)
    elif options.across:
        across_leaks(pictures, settings, options.names or list(ACROSS), options.seeds)
    else:
        leaks_alone(pictures, settings, options.names or list(LEAKS), options.seeds)


def load_pictures() -> list[Image.Image]:
    pictures, signatures = [], []
    for entry in demo_pictures():
        picture = to_pil(read_image(entry.path))
        picture.thumbnail((512, 512), Image.Resampling.LANCZOS)
        pictures.append(picture)
        signatures.append(signature(torch.from_numpy(np.array(picture)).permute(2, 0, 1)))
    first = np.unique(group_near_duplicates(np.stack(signatures)), return_index=True)[1]
    return [pictures[i] for i in sorted(first)]


def leaks_alone(
    pictures: Sequence[Image.Image], settings: TrainingSettings, names: Sequence[str], seeds: int
) -> None:
    head = f"{'leak':<15}{'audit':>7}{'raised':>8}" + "".join(
        f"{mode + ': shift':>14}{'prefers':>9}{'AUC':>7}" for mode in ("auto", "off")
    )
    print(head, flush=True)
    for name in names:
        rows = [_one_leak(pictures, settings, LEAKS[name], seed) for seed in range(seeds)]
        table = np.array([row for row, _ in rows])
        # The control has no family to name, and only the first split is trained without.
        mean = np.array([np.nan if np.isnan(column).all() else np.nanmean(column) for column in table.T])
        raised = sorted({warning for _, warnings in rows for warning in warnings})
        cells = "".join(
            f"{abs_shift:>14.3f}{prefers:>9.2f}{area:>7.3f}"
            for abs_shift, prefers, area in (mean[1:4], mean[4:7])
        )
        print(f"{name:<15}{mean[0]:>7.3f}{len(raised):>8}{cells}   {', '.join(raised)}", flush=True)


def _one_leak(
    pictures: Sequence[Image.Image], settings: TrainingSettings, leak: Leak, seed: int
) -> tuple[list[float], list[str]]:
    tested, liked, ordinary = _shares(len(pictures), seed)
    row: list[float] = []
    raised: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        save(pictures, liked, home / "liked", _png)
        save(pictures, ordinary, home / "ordinary", leak.save)
        clean = save(pictures, tested, home / "clean", _png)
        leaky = save(pictures, tested[:TEST_PER_CLASS], home / "leaky", leak.save)
        labels = np.repeat([1, 0], TEST_PER_CLASS)
        for mode in ("auto", "off"):
            if mode == "off" and seed:
                row += [float("nan")] * 3
                continue
            result = train(home / "liked", home / "ordinary", replace(settings, neutralise=mode, seed=seed))
            if mode == "auto":
                families = {family.name: family for family in result.leaks.audit.families}
                row.append(families[leak.family].auc.value if leak.family else float("nan"))
                raised = [family.name for family in families.values() if family.separates]
            before, after = logits(result.model, clean), logits(result.model, leaky)
            gap = before[:TEST_PER_CLASS] - after
            row += [
                abs(gap.mean()) / before.std(),
                float((gap > 0).mean() + 0.5 * (gap == 0).mean()),
                auc(before, labels),
            ]
    return row, raised


def across_leaks(
    pictures: Sequence[Image.Image], settings: TrainingSettings, names: Sequence[str], seeds: int
) -> None:
    print(f"{'trained on':<15}" + "".join(f"{name:>15}" for name in ACROSS), flush=True)
    for name in names:
        shifts = np.mean([_shifts(pictures, settings, LEAKS[name], seed) for seed in range(seeds)], axis=0)
        print(f"{name:<15}" + "".join(f"{shift:>15.3f}" for shift in shifts), flush=True)


def _shifts(
    pictures: Sequence[Image.Image], settings: TrainingSettings, leak: Leak, seed: int
) -> list[float]:
    """|mean Δlogit| of a model trained on `leak` under each of `ACROSS`, in standard deviations of the logits."""
    tested, liked, ordinary = _shares(len(pictures), seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        save(pictures, liked, home / "liked", _png)
        save(pictures, ordinary, home / "ordinary", leak.save)
        clean = save(pictures, tested, home / "clean", _png)
        result = train(home / "liked", home / "ordinary", replace(settings, neutralise="auto", seed=seed))
        before = logits(result.model, clean)
        shifts = []
        for other in ACROSS:
            copies = save(pictures, tested[:TEST_PER_CLASS], home / other, LEAKS[other].save)
            gap = before[:TEST_PER_CLASS] - logits(result.model, copies)
            shifts.append(abs(float(gap.mean())) / float(before.std()))
    return shifts


def leak_and_taste(pictures: Sequence[Image.Image], settings: TrainingSettings, seeds: int) -> None:
    print(f"{'style':<15}{'no leak':>9}{'leak, off':>11}{'leak, auto':>12}{'kept by auto':>14}", flush=True)
    for style in TASTES:
        table = np.array([_one_taste(pictures, settings, style, seed) for seed in range(seeds)])
        none, off, auto = table.mean(axis=0)
        kept = (auto - 0.5) / (none - 0.5)
        print(f"{style:<15}{none:>9.3f}{off:>11.3f}{auto:>12.3f}{kept:>14.3f}", flush=True)


def _one_taste(
    pictures: Sequence[Image.Image], settings: TrainingSettings, style: str, seed: int
) -> list[float]:
    tested, taken, others = _shares(len(pictures), seed)
    styled = {int(i): _styled(pictures[i], style, int(i)) for i in (*tested[:TEST_PER_CLASS], *taken)}
    liked = [styled.get(i, picture) for i, picture in enumerate(pictures)]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        save(liked, taken, home / "liked", _png)
        save(liked, taken, home / "liked_jpeg", _jpeg)
        save(pictures, others, home / "ordinary", _png)
        test = save(liked, tested, home / "test", _png)
        labels = np.repeat([1, 0], TEST_PER_CLASS)
        aucs = []
        for name, mode in (("liked", "auto"), ("liked_jpeg", "off"), ("liked_jpeg", "auto")):
            result: TrainingResult = train(
                home / name, home / "ordinary", replace(settings, neutralise=mode, seed=seed)
            )
            aucs.append(auc(logits(result.model, test), labels))
    return aucs


def _shares(count: int, seed: int) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Positions of the pictures to test on, of the liked and of the ordinary ones, by a random split."""
    order = np.random.default_rng(seed).permutation(count).tolist()
    tested, trained = order[: 2 * TEST_PER_CLASS], order[2 * TEST_PER_CLASS :]
    half = len(trained) // 2
    return tested, trained[:half], trained[half : 2 * half]


def _styled(picture: Image.Image, style: str, seed: int) -> Image.Image:
    generator = torch.Generator().manual_seed(seed)
    pixels = to_float(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    changed = STYLES[style](pixels, TASTES[style], generator)
    return to_pil((changed * 255).round().to(torch.uint8))


def save(
    pictures: Sequence[Image.Image],
    chosen: Sequence[int],
    folder: Path,
    write: Callable[[Image.Image, Path], None],
) -> list[Path]:
    folder.mkdir()
    for place, index in enumerate(chosen):
        write(pictures[index], folder / f"{place:04}")
    return sorted(folder.iterdir())


def logits(model: RewardModel, paths: Sequence[Path]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([float(scores.logit) for _, scores in model.score_files(list(paths), [])])


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

"""Sample images for the screenshots of the workflows."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageEnhance, ImageFilter

from ganrm_core.data.image_io import to_pil
from ganrm_core.synthetic.sample_images import demo_pictures, load_picture

_SETS = {
    "input/liked": 70,
    "input/ordinary": 70,
    "input/liked_test": 60,
    "input/ordinary_test": 60,
    "output": 24,
    "models/ganrm_datasets/my_likes": 40,
}
_CANDIDATES = 16
_SCENES = 5


def fill_folders(base: Path) -> None:
    """Liked pictures are real ones, ordinary ones others spoilt a little; `output` and `candidates` hold both."""
    mixed_up = list(demo_pictures())
    random.Random(0).shuffle(mixed_up)  # else each folder would hold other makers' pictures
    pictures = iter(mixed_up)
    for name, count in {**_SETS, "candidates": _CANDIDATES}.items():
        folder = base / name
        folder.mkdir(parents=True, exist_ok=True)
        mixed = name in ("output", "candidates")
        for index in range(count):
            picture = to_pil(load_picture(next(pictures).path, 384))
            if "ordinary" in name or (mixed and index % 8 not in (2, 5)):
                picture = _spoilt(picture, index)
            picture.save(folder / f"{index + 1:03}.png")
    _fill_with_bursts(base / "input", [next(pictures).path for _ in range(_SCENES)])


def _fill_with_bursts(folder: Path, sources: list[Path]) -> None:
    """Three shots of each source but the last: a little moved, and one of them spoilt."""
    for number, source in enumerate(sources, start=1):
        whole = to_pil(load_picture(source, 400))
        shots = 1 if number == len(sources) else 3
        for shot in range(shots):
            left, top = 8 * shot, 5 * ((shot + number) % 3)
            picture = whole.crop((left, top, left + 384, top + 384))
            if shot == number % 3:
                picture = _spoilt(picture, number)
            picture.save(folder / f"shoot_{number}{'abc'[shot]}.png")


def _spoilt(picture: Image.Image, index: int) -> Image.Image:
    """Degrade an image as generators do: flat, blurred or burnt, by a random strength."""
    amount = 0.5 + 0.5 * ((index * 5) % 7) / 6
    if index % 3 == 0:
        return picture.filter(ImageFilter.GaussianBlur(0.8 + 2.6 * amount))
    if index % 3 == 1:
        return ImageEnhance.Color(ImageEnhance.Contrast(picture).enhance(1 - 0.55 * amount)).enhance(
            1 - 0.7 * amount
        )
    return ImageEnhance.Color(ImageEnhance.Contrast(picture).enhance(1 + 1.3 * amount)).enhance(
        1 + 1.6 * amount
    )


def stand_in_pack(folder: Path, candidates: Path) -> Path:
    """A ComfyUI pack whose VAE Decode returns images from `candidates` instead of the tiny generator's output.

    Half-made ones too: they show finished.
    """
    pack = folder / "stand_in.py"
    pack.write_text(_PACK.format(candidates=str(candidates)), encoding="utf-8")
    return pack


_PACK = """
import glob

import comfy.sample
import comfy.sd
import nodes
import numpy as np
import torch
from PIL import Image

NODE_CLASS_MAPPINGS = {{}}

FIRST_SEED, SEEDS = 42, 16
last = [0]


def picture(number):
    paths = sorted(glob.glob({candidates!r} + "/*.png"))
    return torch.from_numpy(np.asarray(Image.open(paths[number % len(paths)]), np.float32) / 255)


def noises(shape):
    # Of candidates with seeds of their own, and of the rows of a batch of 8 or 16.
    for number in range(SEEDS):
        yield number, comfy.sample.prepare_noise(torch.zeros(1, *shape), FIRST_SEED + number)[0]
    for count in (8, SEEDS):
        yield from enumerate(comfy.sample.prepare_noise(torch.zeros(count, *shape), FIRST_SEED))


def number_of(latent):
    # A latent resembles the noise it was made of: half-made, finished, or with a part painted again. Enlarged ones
    # are those made last.
    if latent.shape[-1] == 8:
        flat = latent.flatten().cpu()
        alike = [
            (float(torch.corrcoef(torch.stack([flat, noise.flatten()]))[0, 1]), number)
            for number, noise in noises(latent.shape)
        ]
        last[0] = max(alike)[1]
    return last[0]


def decode_node(self, vae, samples):
    count = len(samples["samples"])
    if count > 1 or samples.get("batch_index"):
        # A selected latent knows its place in the batch, and so keeps its picture.
        numbers = samples.get("batch_index") or range(count)
    else:
        numbers = [number_of(samples["samples"][0])]
    return (torch.stack([picture(number) for number in numbers]),)


def decode_whole(self, latents, vae_options=None):
    return torch.stack([picture(number_of(latent)) for latent in latents])


nodes.VAEDecode.decode = decode_node
comfy.sd.VAE.decode = decode_whole
"""

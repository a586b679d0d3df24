"""Which distance groups the shots of a burst: python -m benchmarks.bursts [--pictures 250] [--show FOLDER]

Every picture stands for a scene and gets variants in five grades, from another export to shots seconds apart: the camera
moves (shift, turn, zoom), the light changes, parts of the scene move (smooth local warps up to so much of the side), and the
file is saved again. Measures, of the same decoded pictures:

  signature   `data.near_duplicates.signature`, which needs no network
  embedding   last layer of EfficientNet-Lite0, centred on the mean of all pictures
  both        mean of the two cosine similarities

For thresholds at equal shares of wrong pairs: the share of variants found in each grade. Pairs of different pictures are
wrong, except edits of one picture, which `signature` joins at its own strict threshold. `--show` writes the most alike wrong
pairs as pictures, to judge whether they are.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate, normalize

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data.image_io import read_image, to_pil
from ganrm_core.data.near_duplicates import BURST, THRESHOLD, signature
from ganrm_core.data.transforms import resize
from ganrm_core.leakage.perturbations import jpeg
from ganrm_core.reports.contact_sheet import Tile, contact_sheet
from ganrm_core.rewards.discriminator.tap_statistics import tap_features, tap_statistics
from ganrm_core.synthetic.sample_images import demo_pictures

Floats = NDArray[np.float32]

GRADES = ("export", "instant", "moment", "second", "seconds")
# Per grade: shift and local motion as shares of the side, turn in degrees, zoom, gain of light.
_SHIFT = (0.0, 0.02, 0.05, 0.09, 0.14)
_MOTION = (0.0, 0.015, 0.035, 0.06, 0.09)
_TURN = (0.0, 0.7, 2.0, 4.0, 6.0)
_ZOOM = (0.0, 0.02, 0.05, 0.09, 0.14)
_LIGHT = (0.1, 0.05, 0.1, 0.15, 0.2)
_WRONG = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
_LARGEST = 512
_SHOWN = 40


def main() -> None:
    parser = argparse.ArgumentParser(description="Which distance groups the shots of a burst?")
    parser.add_argument("--pictures", type=int, default=250, help="(default 250)")
    parser.add_argument("--show", type=Path, metavar="FOLDER", help="write variants and wrong pairs here")
    options = parser.parse_args()
    torch.manual_seed(0)
    every = demo_pictures()
    chosen = every[:: max(1, len(every) // options.pictures)][: options.pictures]
    pictures = [_small(read_image(picture.path)) for picture in chosen]
    variants = [[variant(picture, grade) for picture in pictures] for grade in range(len(GRADES))]
    measures = _measures(pictures, variants)
    same = np.array(measures["signature"][0] @ measures["signature"][0].T) >= THRESHOLD
    print(f"{len(pictures)} pictures, {int(np.triu(same, 1).sum())} pairs of them edits of one: not counted")
    for name, (originals, graded) in measures.items():
        wrong = np.where(np.triu(~same, 1), originals @ originals.T, -1.0)
        found = [np.einsum("nd,nd->n", originals, each) for each in graded]
        print(_table(name, wrong, found))
        if options.show:
            _show_wrong(options.show, name, pictures, wrong)
    if options.show:
        rows = [[Tile(to_pil(each), (grade,)) for each, grade in zip(scene, ("", *GRADES), strict=True)]
                for scene in itertools.islice(zip(pictures, *variants, strict=True), 0, None, 40)]  # fmt: skip
        contact_sheet(rows).save(options.show / "variants.png")


def variant(picture: Tensor, grade: int) -> Tensor:
    """Another shot of uint8 [3, H, W], of a random direction and strength up to that of its grade."""
    shift, turn, zoom = (_signed(limit[grade]) for limit in (_SHIFT, _TURN, _ZOOM))
    angle, scale = np.deg2rad(turn), 1 + zoom
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    matrix = torch.tensor(
        [[cosine, -sine, 2 * shift], [sine, cosine, 2 * _signed(_SHIFT[grade])]], dtype=torch.float32
    )
    grid = affine_grid(matrix.unsqueeze(0), [1, 3, *picture.shape[1:]], align_corners=False)
    motion = torch.randn(1, 2, 5, 5)
    motion *= 2 * _MOTION[grade] / max(float(motion.abs().max()), 1e-6)
    grid = grid + interpolate(motion, grid.shape[1:3], mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    moved = grid_sample(
        picture.float().unsqueeze(0), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )[0]
    gain = (
        1
        + torch.tensor([_signed(_LIGHT[grade]) for _ in range(3)]).view(3, 1, 1) / 3
        + _signed(_LIGHT[grade])
    )
    return jpeg((moved * gain).round().clamp(0, 255).to(torch.uint8), 85)


def _signed(limit: float) -> float:
    """Between half and the whole of `limit`, of either sign: no variant of a grade is a copy."""
    strength = 0.5 + 0.5 * float(torch.rand(()))
    return limit * strength * (1 if torch.rand(()) < 0.5 else -1)


def _small(picture: Tensor) -> Tensor:
    scale = min(1.0, _LARGEST / max(picture.shape[1:]))
    size = [max(16, round(scale * side)) for side in picture.shape[1:]]
    shrunk = interpolate(picture.float().unsqueeze(0), size, mode="bilinear", antialias=True)[0]
    return shrunk.round().clamp(0, 255).to(torch.uint8)


def _measures(
    pictures: Sequence[Tensor], variants: Sequence[Sequence[Tensor]]
) -> dict[str, tuple[Floats, list[Floats]]]:
    """By name the unit vectors of the pictures, and of their variants in each grade."""
    signatures = [np.stack([signature(each) for each in some]) for some in (pictures, *variants)]
    embedded = [_embeddings(some) for some in (pictures, *variants)]
    centre = embedded[0].mean(dim=0)
    centred = [normalize(each - centre, dim=1).numpy() for each in embedded]
    both = [
        np.concatenate(pair, axis=1) / np.float32(2**0.5) for pair in zip(signatures, centred, strict=True)
    ]
    named = {"signature": signatures, "embedding": centred, "both": both}
    return {name: (rows[0], rows[1:]) for name, rows in named.items()}


@torch.inference_mode()
def _embeddings(pictures: Sequence[Tensor]) -> Tensor:
    backbone = load_backbone("efficientnet_lite0")
    last = backbone.spec.embedding
    rows = []
    for start in range(0, len(pictures), 16):
        batch = [
            resize(each.float() / 255, backbone.spec.input_size) for each in pictures[start : start + 16]
        ]
        found = tap_statistics(tap_features(backbone, torch.stack(batch), [last]), [last], backbone.spec)
        rows.append(next(iter(found.values())))
    return torch.cat(rows)


def _table(name: str, wrong: Floats, found: Sequence[Floats]) -> str:
    pairs = np.sort(wrong[wrong > -1])[::-1]
    lines = [f"\n{name:<12}{'threshold':>10}{'wrong pairs':>13}" + "".join(f"{grade:>9}" for grade in GRADES)]
    thresholds = [float(pairs[min(len(pairs) - 1, int(share * len(pairs)))]) + 1e-6 for share in _WRONG]
    for threshold in sorted(
        {*thresholds, *((THRESHOLD, BURST) if name == "signature" else ())}, reverse=True
    ):
        shares = "".join(f"{100 * float((each >= threshold).mean()):>8.0f}%" for each in found)
        lines.append(f"{'':<12}{threshold:>10.3f}{int((pairs >= threshold).sum()):>13,}{shares}")
    return "\n".join(lines)


def _show_wrong(folder: Path, name: str, pictures: Sequence[Tensor], wrong: Floats) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    order = np.argsort(-wrong, axis=None)[:_SHOWN]
    pairs = [np.unravel_index(place, wrong.shape) for place in order]
    tiles = [
        [Tile(_picture(pictures[one]), (f"{wrong[one, other]:.3f}",)), Tile(_picture(pictures[other]), ("",))]
        for one, other in pairs
    ]
    rows = [
        [*one, *other, *third, *fourth] for one, other, third, fourth in zip(*[iter(tiles)] * 4, strict=False)
    ]
    contact_sheet(rows, tile=150).save(folder / f"wrong_{name}.png")


def _picture(picture: Tensor) -> Image.Image:
    return to_pil(picture)


if __name__ == "__main__":
    main()

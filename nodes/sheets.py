"""The ranked contact sheet of a node, and the line of text that goes with it."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence

import torch
from PIL import Image
from torch import Tensor

from ..ganrm_core.ranked_sheet import Ranked, ranked_sheet, score_text
from ..ganrm_core.selection import Selection
from ..ganrm_core.tensors import over_mid_grey
from .candidates import Candidates

MOST = 64


def sheet_of(
    candidates: Candidates,
    scores: Sequence[float],
    selection: Selection,
    *,
    marked: Collection[int] | None,
    thresholds: Mapping[str, float],
    model: str,
    note: str = "",
) -> Image.Image:
    """All candidates best first, with number, score and rank; the `marked` ones framed in gold.

    None where there is nothing to choose, so that the sheet does not speak of it. `note` stands above them.
    """
    group_of = {p: number for number, group in enumerate(selection.groups) for p in group}
    size = thumbnail_size(len(candidates))
    entries = [
        Ranked(
            thumbnail(candidates.picture(position), size),
            number=position + 1,
            rank=selection.ranks[position],
            score=scores[position],
            group=group_of[position],
            kept=None if marked is None else position in marked,
        )
        for position in range(len(candidates))
    ]
    return ranked_sheet(entries, thresholds=thresholds, model=model, most=MOST, note=note)


def count_words(selection: Selection) -> str:
    count, groups = len(selection.ranks), len(selection.groups)
    words = "1 candidate" if count == 1 else f"{count} candidates"
    return words if groups == 1 else f"{words} in {groups} groups"


def spread_words(scores: Sequence[float], thresholds: Mapping[str, float], model: str) -> str:
    """Lowest, middle and highest score, and what the model itself suggests."""
    parts = [
        f"min {score_text(min(scores))}",
        f"median {score_text(statistics.median(scores))}",
        f"max {score_text(max(scores))}",
    ]
    if "balanced" in thresholds:
        parts.append(f"suggested threshold {score_text(thresholds['balanced'])}")
    if model:
        parts.append(f"model {model}")
    return " · ".join(parts)


def thumbnail_size(count: int) -> int:
    """The longer side, in pixels, that a sheet of `count` pictures makes use of."""
    return next((size for most, size in ((1, 1280), (4, 800), (25, 520)) if count <= most), 440)


def thumbnail(picture: Tensor, size: int) -> Tensor:
    """A copy of `picture` [H, W, C] as uint8 [3, h, w], for eyes only, so pixels of any kind will do.

    Shrunk first of all: hundreds of full-size copies would not fit in memory.
    """
    height, width, channels = picture.shape
    pixels = picture.permute(2, 0, 1).unsqueeze(0).float()
    scale = min(1.0, size / max(height, width))
    if scale < 1:
        shape = (max(1, round(height * scale)), max(1, round(width * scale)))
        pixels = torch.nn.functional.interpolate(pixels, shape, mode="area")
    if picture.dtype == torch.uint8:
        pixels = pixels / 255
    pixels = pixels[0].nan_to_num(0.0).clamp(0, 1)
    if channels == 4:
        rgb = over_mid_grey(pixels[:3], pixels[3:])
    else:
        rgb = pixels[:3] if channels >= 3 else pixels[:1].expand(3, -1, -1)
    return (rgb * 255).round().to(torch.uint8).cpu()

"""Ranked contact sheet of scored candidates, and the summary texts beside it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...ganrm_core.data.image_tensors import over_mid_grey
from ...ganrm_core.reports.canvas import CARD, SOFT_TEXT, TextStyle, paragraph_height, write_paragraph
from ...ganrm_core.reports.drawn_sheet import DrawnSheet
from ...ganrm_core.reports.ranked_sheet import Ranked, drawn_ranked_sheet
from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.selection.non_finite import invalid_text
from ...ganrm_core.selection.ranking import Selection
from .candidates import Candidates

MOST = 64
"""Candidates drawn on a sheet at most."""


def candidate_sheet(
    candidates: Candidates,
    scores: Sequence[float],
    selection: Selection,
    *,
    framed: Collection[int] | None,
    thresholds: Mapping[str, float],
    model: str,
    note: str = "",
    warning: str = "",
) -> DrawnSheet:
    """Draw all candidates best first, with number, score and rank; the `framed` ones have a gold frame.

    `framed` is None where nothing was to be chosen: the sheet then has no legend for it. Invalid candidates have a
    card instead of a picture, and no score. `warning` and `note` are drawn above the pictures.
    """
    group_of = {p: number for number, group in enumerate(selection.groups) for p in group}
    size = thumbnail_size(len(candidates))
    entries = []
    for position in range(len(candidates)):
        picture, is_invalid = candidates.picture(position), position in selection.invalid
        entries.append(
            Ranked(
                invalid_card(picture, size) if is_invalid else thumbnail(picture, size),
                number=position + 1,
                rank=selection.ranks[position],
                score=math.nan if is_invalid else scores[position],
                group=group_of[position],
                kept=None if framed is None else position in framed,
            )
        )
    notes = " · ".join(filter(None, (invalid_text(selection.invalid), note)))
    return drawn_ranked_sheet(
        entries, thresholds=thresholds, model=model, most=MOST, note=notes, warning=warning
    )


def count_text(selection: Selection) -> str:
    """Such as "8 candidates in 2 groups"."""
    count, groups = len(selection.ranks), len(selection.groups)
    words = "1 candidate" if count == 1 else f"{count} candidates"
    return words if groups == 1 else f"{words} in {groups} groups"


def valid_scores(scores: Sequence[float], selection: Selection) -> list[float]:
    """The scores without those of invalid candidates."""
    return [score for position, score in enumerate(scores) if position not in selection.invalid]


def below_minimum_text(best: float, min_score: float, count: int) -> str:
    """Why none of `count` candidates was kept: the best score is below the minimum."""
    none = "The picture did not reach" if count == 1 else "None reached"
    scored = "it has" if count == 1 else "the best is"
    return f"{none} the minimum score of {score_text(min_score)}; {scored} {score_text(best)}. Lower it"


def score_range_text(scores: Sequence[float], thresholds: Mapping[str, float], model: str) -> str:
    """Minimum, median and maximum score, the model's suggested threshold and its name."""
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
    """The longer side in pixels of the pictures on a sheet of `count`."""
    return next((size for most, size in ((1, 1280), (4, 800), (25, 520)) if count <= most), 440)


def thumbnail(picture: Tensor, size: int) -> Tensor:
    """A copy of `picture` [H, W, C] as uint8 RGB [3, h, w], its longer side at most `size`; for display only.

    Shrunk before anything else: hundreds of full-size copies would not fit in memory.
    """
    channels = picture.shape[2]
    pixels = picture.permute(2, 0, 1).unsqueeze(0).float()
    shape = _shrunk(picture, size)
    if shape != tuple(picture.shape[:2]):
        pixels = torch.nn.functional.interpolate(pixels, shape, mode="area")
    if picture.dtype == torch.uint8:
        pixels = pixels / 255
    pixels = pixels[0].nan_to_num(0.0).clamp(0, 1)
    if channels == 4:
        rgb = over_mid_grey(pixels[:3], pixels[3:])
    else:
        rgb = pixels[:3] if channels >= 3 else pixels[:1].expand(3, -1, -1)
    return (rgb * 255).round().to(torch.uint8).cpu()


def invalid_card(picture: Tensor, size: int) -> Image.Image:
    """A card for an invalid `picture` [H, W, C] on sheets: in its shape, with a word instead of its pixels."""
    height, width = _shrunk(picture, size)
    return text_card("spoilt", width, height)


def text_card(text: str, width: int, height: int) -> Image.Image:
    """An RGB card of this size in pixels with text in its middle."""
    card = Image.new("RGB", (width, height), CARD)
    letters, margin = max(8, min(width // 6, height // 3, 28)), width // 16
    room = width - 2 * margin
    top = max(0, (height - paragraph_height(text, letters, room)) // 2)
    write_paragraph(ImageDraw.Draw(card), (margin, top), text, TextStyle(letters, SOFT_TEXT), room)
    return card


def _shrunk(picture: Tensor, size: int) -> tuple[int, int]:
    """Height and width of `picture` [H, W, C] with its longer side at most `size`."""
    height, width = picture.shape[:2]
    scale = min(1.0, size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))

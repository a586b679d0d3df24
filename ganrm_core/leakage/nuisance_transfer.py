"""Image transforms that give a picture of one class the file format, size, frame or colours of the other class."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL.Image import Resampling
from torch import Tensor

from ..data.borders import WIDEST, Widths
from ..metrics.binary import FloatArray
from . import perturbations
from .audit.nuisances import BORDERS, COMPRESSION, SHARPNESS, SIZE
from .forensics.file_stats import FileStats
from .forensics.webp_header import webp_quality

_THIN = 0.03  # of a side: thinner frames are drawn over a picture, wider ones are put around it
_WAS_JPEG = 0.3  # `jpeg_traces` from which on a file counts as a former JPEG
_FRAME_COLOURS = ((0, 0, 0), (255, 255, 255))
_ROUNDING = 0.01  # of a side or an aspect ratio: what cropping to whole pixels may change
_SLIM = (0.004, 0.004, 0.004, 0.004)  # two pixels of 512, where no picture has a frame to copy

Transform = Callable[[Tensor, random.Random], Tensor]
"""uint8 [3, H, W] → uint8 [3, H', W'], with random choices drawn from the generator."""


class Transfer(NamedTuple):
    """How a nuisance is given to a picture (None: it is not), and the ways in which it may have come about."""

    apply: Transform | None
    variants: tuple[Transform, ...]


def transfers(
    name: str, own: Sequence[FileStats], others: Sequence[FileStats], *, all_codecs: bool
) -> list[Transfer]:
    """How to give pictures of the class `own` the nuisance family `name` as `others`, the other class, have it.

    `all_codecs`: the usual JPEG and WebP qualities too, not only those of the others.
    """
    if name == COMPRESSION:
        return [_compression(others, all_codecs)]
    if name == SIZE:
        # One nuisance each: a shape and a resolution move the features in different ways.
        return [_aspect_ratio(own, others), _resolution(own, others)]
    if name == BORDERS:
        return [_frame([_frame_shares(fact) for fact in others if any(fact.border)] or [_SLIM])]
    if name == SHARPNESS:
        return [Transfer(None, (_fixed(perturbations.halved_and_back), _fixed(_blurred)))]
    return [Transfer(None, (_fixed(_brighter), _fixed(_more_contrast), _fixed(_more_colourful)))]


def usual_variants(name: str) -> tuple[Transform, ...]:
    """How a picture from anywhere may come by compression or a smaller size, where no folder tells."""
    if name == COMPRESSION:
        return (_fixed(_jpeg(75, 2)),)
    return tuple(_halved(resampler) for resampler in (Resampling.LANCZOS, Resampling.BILINEAR))


def widest_frame(facts: Sequence[FileStats]) -> float:
    """The share of a side in which to search for a frame: somewhat more than the widest of these."""
    return min(WIDEST, max(_THIN, *(1.1 * share for fact in facts for share in _frame_shares(fact))))


def _fixed(change: perturbations.Perturbation) -> Transform:
    return lambda image, _: change(image)


def _compression(others: Sequence[FileStats], all_codecs: bool) -> Transfer:
    """Saved as one of the others was; as variants also somewhat coarser and finer, since encoders differ."""
    codecs = [_codec(fact, 0) for fact in others]
    if all_codecs:
        codecs += [_jpeg(quality, 2) for quality in (60, 75, 90)] + [_webp(80)]
    around = [[_codec(fact, change) for fact in others] for change in (-15, 10)]
    apply = _one_of(codecs)
    return Transfer(apply, (apply, *(_one_of(nearby) for nearby in around)))


def _one_of(changes: Sequence[perturbations.Perturbation]) -> Transform:
    return lambda image, rng: rng.choice(changes)(image)


def _codec(fact: FileStats, change: int) -> perturbations.Perturbation:
    """The encoder that saved this file, its quality raised by `change`."""
    if fact.jpeg_quality is not None:
        return _jpeg(
            fact.jpeg_quality + change, 2 if fact.jpeg_subsampling is None else fact.jpeg_subsampling
        )
    if fact.webp_quantiser is not None:
        return _webp(webp_quality(fact.webp_quantiser) + change)
    if fact.jpeg_traces > _WAS_JPEG:  # saved in another format since, at an unknown quality
        return _jpeg(80 + change, 2)
    return lambda image: image


def _jpeg(quality: int, subsampling: int) -> perturbations.Perturbation:
    return lambda image: perturbations.jpeg(image, max(1, min(100, quality)), subsampling)


def _webp(quality: int) -> perturbations.Perturbation:
    return lambda image: perturbations.webp(image, max(0, min(100, quality)))


def _aspect_ratio(own: Sequence[FileStats], others: Sequence[FileStats]) -> Transfer:
    """Cropped to the aspect ratio of the same rank among the others."""
    target = _quantile_map(_aspects(own), _aspects(others))

    def crop(image: Tensor, rng: random.Random) -> Tensor:
        return _cropped(image, target(image.shape[-2] / image.shape[-1], rng))

    return Transfer(crop, (crop,))


def _aspects(facts: Sequence[FileStats]) -> FloatArray:
    return np.array([fact.height / fact.width for fact in facts])


def _cropped(image: Tensor, aspect: float) -> Tensor:
    rows, columns = image.shape[-2:]
    if abs(math.log(aspect * columns / rows)) < 0.02:
        return image
    height = max(1, min(rows, round(columns * aspect)))
    width = max(1, min(columns, round(rows / aspect)))
    top, left = (rows - height) // 2, (columns - width) // 2
    return image[:, top : top + height, left : left + width]


def _resolution(own: Sequence[FileStats], others: Sequence[FileStats]) -> Transfer:
    """Downscaled, after cropping, to the size of the same rank among the others; never enlarged."""
    target = _quantile_map(_sides(own) * np.sqrt(_left_by_cropping(own, others)), _sides(others))

    def downscale(image: Tensor, rng: random.Random, resampler: Resampling) -> Tensor:
        side = math.sqrt(image.shape[-2] * image.shape[-1])
        factor = target(side, rng) / side
        return perturbations.scaled(image, factor, resampler) if factor < 0.98 else image

    def by(resampler: Resampling) -> Transform:
        return lambda image, rng: downscale(image, rng, resampler)

    return Transfer(
        lambda image, rng: downscale(image, rng, rng.choice(perturbations.RESAMPLERS)),
        # The other filters lie between these two, in the features as well.
        tuple(by(resampler) for resampler in (Resampling.LANCZOS, Resampling.BILINEAR)),
    )


def _sides(facts: Sequence[FileStats]) -> FloatArray:
    """Side of the square of the same area, in pixels."""
    return np.array([math.sqrt(fact.height * fact.width) for fact in facts])


def _left_by_cropping(own: Sequence[FileStats], others: Sequence[FileStats]) -> FloatArray:
    """Share of each picture's area that is left when it is cropped as `_aspect_ratio` does, 0–1; equals in any order."""
    before, target = _aspects(own), _aspects(others)
    shuffled = np.random.default_rng(0).permutation(len(own))
    ranked = shuffled[np.argsort(before[shuffled], kind="stable")]
    after = np.empty_like(before)
    after[ranked] = np.quantile(target, (np.arange(len(own)) + 0.5) / len(own), method="inverted_cdf")
    return np.minimum(before / after, after / before)


def _halved(resampler: Resampling) -> Transform:
    return _fixed(lambda image: perturbations.scaled(image, 0.5, resampler))


def _quantile_map(own: FloatArray, others: FloatArray) -> Callable[[float, random.Random], float]:
    """Quantile mapping: a value of one distribution to that of the same rank in the other.

    Values that are equal but for rounding take any of their ranks at random: a folder's pictures are often all of one
    size, and then get the sizes of the others in the same proportions.
    """
    ranked = np.sort(own)

    def mapped(value: float, rng: random.Random) -> float:
        below = np.searchsorted(ranked, value * (1 - _ROUNDING), "left") / len(ranked)
        up_to = np.searchsorted(ranked, value * (1 + _ROUNDING), "right") / len(ranked)
        return float(np.quantile(others, rng.uniform(below, up_to), method="inverted_cdf"))

    return mapped


_Shares = tuple[float, float, float, float]
"""Shares of the height (top, bottom) and of the width (right, left): top, right, bottom, left."""


def _frame_shares(fact: FileStats) -> _Shares:
    top, right, bottom, left = fact.border
    return top / fact.height, right / fact.width, bottom / fact.height, left / fact.width


def _frame(shares: Sequence[_Shares]) -> Transfer:
    """A frame as one of the others has. A wide one is put around the whole picture, as programs add it."""

    def frame(image: Tensor, rng: random.Random) -> Tensor:
        chosen, colour = rng.choice(shares), rng.choice(_FRAME_COLOURS)
        if max(chosen) <= _THIN:
            return perturbations.framed(image, _widths(chosen, *image.shape[-2:]), colour)
        top, right, bottom, left = chosen
        height, width = image.shape[-2] / (1 - top - bottom), image.shape[-1] / (1 - left - right)
        return perturbations.mounted(image, _widths(chosen, height, width), colour)

    return Transfer(frame, (frame,))


def _widths(shares: _Shares, height: float, width: float) -> Widths:
    sides = (height, width, height, width)
    return Widths(
        *(max(1, round(share * side)) if share else 0 for share, side in zip(shares, sides, strict=True))
    )


def _blurred(image: Tensor) -> Tensor:
    """Binomial blur, the 1-2-1 kernel in both directions."""
    pixels = image.float()
    for axis in (1, 2):
        before, after = pixels.roll(1, axis), pixels.roll(-1, axis)
        pixels = 0.25 * before + 0.5 * pixels + 0.25 * after
    return pixels.round().to(torch.uint8)


def _brighter(image: Tensor) -> Tensor:
    return _as_bytes(image.float() * 1.1 + 6)


def _more_contrast(image: Tensor) -> Tensor:
    return _as_bytes((image.float() - 128) * 1.15 + 128)


def _more_colourful(image: Tensor) -> Tensor:
    pixels = image.float()
    grey = pixels.mean(dim=0, keepdim=True)
    return _as_bytes(grey + (pixels - grey) * 1.25)


def _as_bytes(pixels: Tensor) -> Tensor:
    return pixels.clamp(0, 255).round().to(torch.uint8)

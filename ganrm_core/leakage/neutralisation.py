"""Making two folders alike in what is not taste: files, sizes and frames.

What told the folders apart is given to both at training time, so that held-out figures no longer rest on
it; and `balanced_columns` keeps the head from looking along the directions in which the same picture moves
under it (nuisance attribute projection, Solomonoff, Campbell & Boardman 2005). Where a border is concerned
the scoring path changes too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Resampling
from torch import Tensor

from ..data.border_trim import BorderTrim
from ..data.borders import WIDEST, Widths
from . import perturbations
from .audit.audit import Audit
from .audit.nuisances import BORDERS, COMPRESSION, OVERALL_COLOUR, SHARPNESS, SIZE, with_frames_of_few_widths
from .forensics.file_stats import FileFacts

Mode = Literal["auto", "off", "full"]
MODES: tuple[Mode, ...] = ("auto", "off", "full")

_THIN = 0.03  # of a side: frames that are drawn over a picture; wider ones are put around it
_WAS_JPEG = 0.3
_PAIRS = 48  # pictures of a class whose twins are looked at: the mean of as many is sharp enough
_FRAME_COLOURS = ((0, 0, 0), (255, 255, 255))
_SLIM = (0.004, 0.004, 0.004, 0.004)  # two pixels of 512, where the pictures have no frame to take after

AMBIGUOUS = (SHARPNESS, OVERALL_COLOUR)
"""What may be the very taste that is meant."""

Change = Callable[[Tensor, random.Random], Tensor]
"""uint8 [3, H, W] → the same with a nuisance that the other folder has."""


@dataclass(frozen=True)
class Nuisance:
    """One thing that is given to the pictures of a class, since those of the other have it.

    `evens` is how a picture gets it for training; None where it is only kept out of the head's sight.
    `variants` are the ways in which it may have come about: the very one cannot be known from the files
    (which program made a picture smaller?), so the head must look along none of them.
    """

    name: str
    label: int
    evens: Change | None
    variants: tuple[Change, ...]


@dataclass(frozen=True)
class Neutraliser:
    """What is evened out, and how. `families` are the audit's names for it, empty where nothing is."""

    mode: Mode
    families: tuple[str, ...]
    nuisances: tuple[Nuisance, ...]
    path: BorderTrim

    def evened(self, image: Tensor, label: int, seed: int) -> Tensor:
        """The picture, uint8 [3, H, W], as it is trained on; the same for the same `seed`."""
        dice = random.Random(seed)
        for nuisance in self.nuisances:
            if nuisance.label == label and nuisance.evens:
                image = nuisance.evens(image, dice)
        return image

    def twins(self, image: Tensor, label: int, seed: int) -> dict[str, Tensor]:
        """The picture under one nuisance at a time, by its name; those that change nothing are left out."""
        dice = random.Random(seed)
        changed = {
            f"{nuisance.name} {number}, {('ordinary', 'liked')[label]}": variant(image, dice)
            for nuisance in self.nuisances
            if nuisance.label == label
            for number, variant in enumerate(nuisance.variants, start=1)
        }
        return {name: twin for name, twin in changed.items() if not perturbations.same_pixels(twin, image)}

    def paired(self, labels: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
        """The pictures [N] whose twins are looked at: so many of each class, drawn at random."""
        chosen = np.zeros(len(labels), dtype=bool)
        if self.nuisances:
            rng = np.random.default_rng(seed)
            for label in (0, 1):
                positions = np.flatnonzero(labels == label)
                chosen[rng.permutation(positions)[:_PAIRS]] = True
        return chosen


def neutraliser(
    mode: Mode, audit: Audit, facts: Sequence[FileFacts], labels: NDArray[np.int64]
) -> Neutraliser:
    """What to do about the leaks that `audit` found in these files.

    "auto" evens out compression, size and borders where they separate the folders. Sharpness and overall
    colour may be the very taste that is meant, so they are left to "full", which evens out everything
    whether it was found to separate or not. "off" does nothing.
    """
    if mode == "off":
        return Neutraliser(mode, (), (), BorderTrim())
    leaking = {family.name for family in audit.families if family.separates}
    full = mode == "full"
    facts = with_frames_of_few_widths(facts)
    families = [name for name in _EVENED if full or name in leaking]
    if full:
        families += AMBIGUOUS
    nuisances: list[Nuisance] = []
    for label in (0, 1):
        own, others = (
            [fact for fact, theirs in zip(facts, labels, strict=True) if bool(theirs == label) is same]
            for same in (True, False)
        )
        for name in families:
            nuisances += [
                Nuisance(name, label, evens, variants)
                for evens, variants in _changes(name, own, others, full)
            ]
    path = BorderTrim(frame=_widest(facts)) if BORDERS in families else BorderTrim()
    return Neutraliser(mode, tuple(families), tuple(nuisances), path)


_EVENED = (SIZE, BORDERS, COMPRESSION)  # in the order in which a file comes to have them


_Changes = tuple[Change | None, tuple[Change, ...]]
"""How a nuisance is evened out, and the ways in which it comes about."""


def _changes(name: str, own: Sequence[FileFacts], others: Sequence[FileFacts], full: bool) -> list[_Changes]:
    """How to give a picture of the class `own` what `others`, the other class, have."""
    if name == COMPRESSION:
        return [_compressions(others, full)]
    if name == SIZE:
        # One nuisance each: a shape and a resolution move the features in different ways.
        return [_shapes(own, others), _resolutions(own, others)]
    if name == BORDERS:
        return [_frames([_shares(fact) for fact in others if any(fact.border)] or [_SLIM])]
    if name == SHARPNESS:
        return [(None, (_still(perturbations.halved_and_back), _still(_blurred)))]
    return [(None, (_still(_brighter), _still(_more_contrast), _still(_more_colourful)))]


def _still(change: perturbations.Twin) -> Change:
    return lambda image, _: change(image)


def _compressions(others: Sequence[FileFacts], full: bool) -> _Changes:
    """Saved as one of the others was, and somewhat coarser and finer: encoders differ."""
    codecs = [_codec(fact, 0) for fact in others]
    if full:
        codecs += [_jpeg(quality, 2) for quality in (60, 75, 90)] + [_webp(80)]
    around = [[_codec(fact, change) for fact in others] for change in (-15, 10)]

    def evens(image: Tensor, dice: random.Random) -> Tensor:
        return dice.choice(codecs)(image)

    return evens, (evens, *(_one_of(nearby) for nearby in around))


def _one_of(changes: Sequence[perturbations.Twin]) -> Change:
    return lambda image, dice: dice.choice(changes)(image)


def _shapes(own: Sequence[FileFacts], others: Sequence[FileFacts]) -> _Changes:
    """Cropped to the aspect ratio that stands at the same place among the others."""
    meet = _met([fact.height / fact.width for fact in own], [fact.height / fact.width for fact in others])

    def crop(image: Tensor, _: random.Random) -> Tensor:
        return _cropped(image, meet(image.shape[-2] / image.shape[-1]))

    return crop, (crop,)


def _resolutions(own: Sequence[FileFacts], others: Sequence[FileFacts]) -> _Changes:
    """Made as small as the picture that stands at the same place among the others; never enlarged."""
    meet = _met(
        [math.sqrt(fact.height * fact.width) for fact in own],
        [math.sqrt(fact.height * fact.width) for fact in others],
    )

    def smaller(image: Tensor, resampler: Resampling) -> Tensor:
        side = math.sqrt(image.shape[-2] * image.shape[-1])
        factor = meet(side) / side
        return perturbations.scaled(image, factor, resampler) if factor < 0.98 else image

    def by(resampler: Resampling) -> Change:
        return lambda image, _: smaller(image, resampler)

    return (
        lambda image, dice: smaller(image, dice.choice(perturbations.RESAMPLERS)),
        # The others lie between these two, in the features as well.
        tuple(by(resampler) for resampler in (Resampling.LANCZOS, Resampling.BILINEAR)),
    )


_Shares = tuple[float, float, float, float]
"""What a frame takes of the height at the top and the bottom, and of the width at the right and the left."""


def _shares(fact: FileFacts) -> _Shares:
    top, right, bottom, left = fact.border
    return top / fact.height, right / fact.width, bottom / fact.height, left / fact.width


def _widest(facts: Sequence[FileFacts]) -> float:
    """The share of a side that is looked at for a frame: somewhat more than these have."""
    return min(WIDEST, max(_THIN, *(1.1 * share for fact in facts for share in _shares(fact))))


def _frames(shares: Sequence[_Shares]) -> _Changes:
    """A frame as one of the others has. A wide one leaves the picture whole, as programs do that add it."""

    def frame(image: Tensor, dice: random.Random) -> Tensor:
        chosen, colour = dice.choice(shares), dice.choice(_FRAME_COLOURS)
        if max(chosen) <= _THIN:
            return perturbations.framed(image, _lines(chosen, *image.shape[-2:]), colour)
        top, right, bottom, left = chosen
        height, width = image.shape[-2] / (1 - top - bottom), image.shape[-1] / (1 - left - right)
        return perturbations.mounted(image, _lines(chosen, height, width), colour)

    return frame, (frame,)


def _lines(shares: _Shares, height: float, width: float) -> Widths:
    sides = (height, width, height, width)
    return Widths(
        *(max(1, round(share * side)) if share else 0 for share, side in zip(shares, sides, strict=True))
    )


def _codec(fact: FileFacts, change: int) -> perturbations.Twin:
    """How the file was saved, its quality changed by so much."""
    if fact.jpeg_quality is not None:
        return _jpeg(
            fact.jpeg_quality + change, 2 if fact.jpeg_subsampling is None else fact.jpeg_subsampling
        )
    if fact.webp_quantiser is not None:
        return _webp(_webp_quality(fact.webp_quantiser) + change)
    if fact.jpeg_traces > _WAS_JPEG:  # saved as something else since: which quality is not known
        return _jpeg(80 + change, 2)
    return lambda image: image


def _jpeg(quality: int, subsampling: int) -> perturbations.Twin:
    return lambda image: perturbations.jpeg(image, max(1, min(100, quality)), subsampling)


def _webp(quality: int) -> perturbations.Twin:
    return lambda image: perturbations.webp(image, max(0, min(100, quality)))


def _webp_quality(quantiser: int) -> int:
    """The quality that libwebp turns into this base quantiser (0–127), by its QualityToCompression."""
    linear = (1 - quantiser / 127) ** 3
    compression = linear * 1.5 if linear < 0.5 else (linear + 1) / 2
    return max(0, min(100, round(100 * compression)))


def _met(own: Sequence[float], others: Sequence[float]) -> Callable[[float], float]:
    """Maps a value to the one with the same rank among the others, and so one distribution to the other."""
    ranked, target = np.sort(own), np.sort(others)
    places = np.linspace(0, 1, len(ranked))
    return lambda value: float(np.quantile(target, np.interp(value, ranked, places)))


def _cropped(image: Tensor, aspect: float) -> Tensor:
    rows, columns = image.shape[-2:]
    if abs(math.log(aspect * columns / rows)) < 0.02:
        return image
    height = max(1, min(rows, round(columns * aspect)))
    width = max(1, min(columns, round(rows / aspect)))
    top, left = (rows - height) // 2, (columns - width) // 2
    return image[:, top : top + height, left : left + width]


def _blurred(image: Tensor) -> Tensor:
    """By the 1-2-1 kernel, in both directions."""
    pixels = image.float()
    for axis in (1, 2):
        before, after = pixels.roll(1, axis), pixels.roll(-1, axis)
        pixels = 0.25 * before + 0.5 * pixels + 0.25 * after
    return pixels.round().to(torch.uint8)


def _brighter(image: Tensor) -> Tensor:
    return _clamped(image.float() * 1.1 + 6)


def _more_contrast(image: Tensor) -> Tensor:
    return _clamped((image.float() - 128) * 1.15 + 128)


def _more_colourful(image: Tensor) -> Tensor:
    pixels = image.float()
    grey = pixels.mean(dim=0, keepdim=True)
    return _clamped(grey + (pixels - grey) * 1.25)


def _clamped(pixels: Tensor) -> Tensor:
    return pixels.clamp(0, 255).round().to(torch.uint8)

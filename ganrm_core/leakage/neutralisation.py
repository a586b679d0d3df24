"""Neutralisation of leaks: both folders get the same file formats, sizes and frames before training.

Held-out metrics then no longer rest on them. Besides, training projects the directions in which a nuisance moves the
features out of the feature space (`training.whitening.balanced_columns`; nuisance attribute projection, Solomonoff,
Campbell & Boardman 2005). Frames are cut off in scoring too.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.border_trim import BorderTrim
from . import perturbations
from .audit.audit import Audit
from .audit.nuisances import BORDERS, COMPRESSION, OVERALL_COLOUR, SHARPNESS, SIZE, with_frames_of_few_widths
from .forensics.file_stats import FileStats
from .nuisance_transfer import Transform, transfers, usual_variants, widest_frame

Mode = Literal["auto", "off", "full"]
MODES: tuple[Mode, ...] = ("auto", "off", "full")

AMBIGUOUS = (SHARPNESS, OVERALL_COLOUR)
"""Families that may be the very taste that is meant."""

_NEUTRALISED = (SIZE, BORDERS, COMPRESSION)  # in the order in which a file gets them
_RELATED = (SIZE, COMPRESSION)
"""Both take away fine detail. Projected off the one alone, a head leans on what the other does to a picture."""
_PERTURBED_PER_CLASS = 48  # the mean feature shift of so many pictures is precise enough


@dataclass(frozen=True)
class Nuisance:
    """A nuisance of one class, transferred to the pictures of the other, whose class is `label`.

    `apply`: how a training picture gets it; None where it is only projected out of the feature space.
    `variants`: how it may have come about. The files do not tell which (which program made a picture smaller?), so
    the feature shifts of all of them are projected out.
    """

    name: str
    label: int
    apply: Transform | None
    variants: tuple[Transform, ...]


@dataclass(frozen=True)
class Neutraliser:
    """What is neutralised, and how. `families`: the audit's names for it, empty where nothing is.

    `border_trim`: what is cut off before resizing, in training and in scoring.
    """

    mode: Mode
    families: tuple[str, ...]
    nuisances: tuple[Nuisance, ...]
    border_trim: BorderTrim

    def neutralise(self, image: Tensor, label: int, seed: int) -> Tensor:
        """A training picture, uint8 [3, H, W], with the nuisances of the other class; deterministic by `seed`."""
        rng = random.Random(seed)
        for nuisance in self.nuisances:
            if nuisance.label == label and nuisance.apply:
                image = nuisance.apply(image, rng)
        return image

    def perturbed(self, image: Tensor, label: int, seed: int) -> dict[str, Tensor]:
        """The picture under one nuisance variant at a time, by its name; those that change no pixel are left out."""
        rng, numbers = random.Random(seed), Counter[str]()
        changed: dict[str, Tensor] = {}
        for nuisance in self.nuisances:
            for variant in nuisance.variants if nuisance.label == label else ():
                numbers[nuisance.name] += 1
                name = f"{nuisance.name} {numbers[nuisance.name]}, {('ordinary', 'liked')[label]}"
                changed[name] = variant(image, rng)
        return {name: other for name, other in changed.items() if not perturbations.same_pixels(other, image)}

    def perturbation_sample(self, labels: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
        """Mask [N] of the pictures to measure feature shifts on: a random sample of each class."""
        chosen = np.zeros(len(labels), dtype=bool)
        if self.nuisances:
            rng = np.random.default_rng(seed)
            for label in (0, 1):
                positions = np.flatnonzero(labels == label)
                chosen[rng.permutation(positions)[:_PERTURBED_PER_CLASS]] = True
        return chosen


def make_neutraliser(
    mode: Mode, audit: Audit, facts: Sequence[FileStats], labels: NDArray[np.int64]
) -> Neutraliser:
    """The neutraliser for the leaks that `audit` found in these files.

    "auto" neutralises compression, size and borders where they separate the folders; where only one of compression
    and size does, the other is projected out of the feature space as well. Sharpness and overall colour may be the very
    taste that is meant, so only "full" neutralises them, and everything else whether it separates or not. "off" does nothing.
    """
    if mode == "off":
        return Neutraliser(mode, (), (), BorderTrim())
    leaking = {family.name for family in audit.families if family.separates}
    full = mode == "full"
    facts = with_frames_of_few_widths(facts)
    families = [name for name in _NEUTRALISED if full or name in leaking]
    if full:
        families += AMBIGUOUS
    alike = [name for name in _RELATED if name not in leaking]
    only_projected = alike if full or len(alike) < len(_RELATED) else []
    nuisances: list[Nuisance] = []
    for label in (0, 1):
        own, others = (
            [fact for fact, theirs in zip(facts, labels, strict=True) if bool(theirs == label) is same]
            for same in (True, False)
        )
        for name in families:
            nuisances += [
                Nuisance(name, label, each.apply, each.variants)
                for each in transfers(name, own, others, all_codecs=full)
            ]
        nuisances += [Nuisance(name, label, None, usual_variants(name)) for name in only_projected]
    trim = BorderTrim(frame=widest_frame(facts)) if BORDERS in families else BorderTrim()
    return Neutraliser(mode, tuple(families), tuple(nuisances), trim)

"""Both folders get the same formats, sizes and frames; what may be taste is left alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from unit_support.file_stats import PNG

from ganrm_core.data.border_trim import BorderTrim
from ganrm_core.leakage import perturbations
from ganrm_core.leakage.audit.audit import Audit, Family
from ganrm_core.leakage.forensics.file_stats import FileStats
from ganrm_core.leakage.neutralisation import Mode, Neutraliser, make_neutraliser
from ganrm_core.metrics.binary import Interval

JPEG = replace(PNG, container="JPEG", lossless=False, jpeg_quality=60, jpeg_subsampling=2)
LABELS = np.repeat([1, 0], 12)
FAMILIES = ("compression", "size and shape", "borders", "sharpness", "overall colour", "colour tags")


def audit(*leaking: str) -> Audit:
    auc = Interval(0.99, 0.9, 1.0)
    families = [Family(name, auc, name in leaking, "They differ.", "", "") for name in FAMILIES]
    return Audit(tuple(families), 12, 12)


def picture(height: int = 80, width: int = 120) -> Tensor:
    return (torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)


def made(mode: Mode, ordinary: FileStats | list[FileStats], *leaking: str) -> Neutraliser:
    theirs = ordinary if isinstance(ordinary, list) else [ordinary] * 12
    return make_neutraliser(mode, audit(*leaking), [PNG] * 12 + theirs, LABELS)


def of_family(name: str, perturbed: dict[str, Tensor]) -> dict[str, Tensor]:
    return {variant: image for variant, image in perturbed.items() if variant.startswith(name)}


@pytest.mark.parametrize(
    ("mode", "leaking"),
    [
        ("auto", ()),
        ("off", ("compression", "borders")),
        ("auto", ("sharpness", "overall colour", "colour tags")),
    ],
)
def test_nothing_is_touched_without_a_leak_for_taste_or_when_off(
    mode: Mode, leaking: tuple[str, ...]
) -> None:
    neutral = made(mode, JPEG, *leaking)
    assert neutral.families == ()
    assert torch.equal(neutral.neutralise(picture(), 1, 0), picture())
    assert not neutral.perturbed(picture(), 1, 0)
    assert not neutral.perturbation_sample(LABELS, 0).any()
    assert neutral.border_trim == BorderTrim()


@pytest.mark.parametrize(
    ("ordinary", "saved"),
    [
        (JPEG, lambda image, change: perturbations.jpeg(image, 60 + change, 2)),
        (replace(PNG, container="WEBP", webp_quantiser=27), lambda image, change: perturbations.webp(image, 73 + change)),
        (replace(PNG, jpeg_traces=0.6), lambda image, change: perturbations.jpeg(image, 80 + change, 2)),
    ],
)  # fmt: skip
def test_the_liked_ones_are_saved_as_the_ordinary_ones_were(
    ordinary: FileStats, saved: Callable[[Tensor, int], Tensor]
) -> None:
    neutral = made("auto", ordinary, "compression")
    assert torch.equal(neutral.neutralise(picture(), 1, 5), saved(picture(), 0))
    assert torch.equal(neutral.neutralise(picture(), 0, 5), picture()), "PNGs bring nothing to the others"
    perturbed = of_family("compression", neutral.perturbed(picture(), 1, 5))
    assert list(perturbed) == [f"compression {number}, liked" for number in (1, 2, 3)]
    for version, change in zip(perturbed.values(), (0, -15, 10), strict=True):
        assert torch.equal(version, saved(picture(), change))
    assert of_family("compression", neutral.perturbed(picture(), 0, 5)) == {}


@pytest.mark.parametrize("label", [0, 1])
def test_of_compression_and_size_the_other_is_projected_too_and_given_to_no_picture(label: int) -> None:
    small, other = replace(PNG, width=60, height=60), 1 - label
    of_one = made("auto", JPEG, "compression")
    halved = of_family("size and shape", of_one.perturbed(picture(), label, 0))
    assert [tuple(each.shape) for each in halved.values()] == [(3, 40, 60)] * 2, "crisp and soft"
    assert of_one.neutralise(picture(), label, 0).shape == picture().shape
    of_size = made("auto", small, "size and shape")
    (saved,) = of_family("compression", of_size.perturbed(picture(), label, 0)).values()
    assert torch.equal(saved, perturbations.jpeg(picture(), 75, 2))
    both = made("auto", replace(JPEG, width=60, height=60), "compression", "size and shape")
    assert {nuisance.apply is None for nuisance in both.nuisances} == {False}, (
        "both are met as the folders have them"
    )
    framed = made("auto", replace(PNG, border=(2, 2, 2, 2)), "borders")
    assert {nuisance.name for nuisance in framed.nuisances if nuisance.label == other} == {"borders"}


def test_sizes_are_met_from_above_and_aspects_by_cropping() -> None:
    neutral = made("auto", replace(PNG, width=60, height=60), "size and shape")
    moved = of_family("size and shape", neutral.perturbed(picture(), 1, 0))
    shapes = [(each.shape[1] == each.shape[2], each.shape[1] < 80) for each in moved.values()]
    assert shapes == [(True, False), (False, True), (False, True)], "the shape, and the size crisp and soft"
    assert neutral.neutralise(picture(), 1, 0).shape == (3, 60, 60)
    small = picture(height=60, width=60)
    assert neutral.neutralise(small, 0, 0).shape == (3, 40, 60), "cropped to the liked aspect, never enlarged"
    sides = range(200, 440, 20)
    facts = [replace(PNG, width=side // part, height=side // part) for part in (1, 2) for side in sides]
    neutral = make_neutraliser("auto", audit("size and shape"), facts, LABELS)
    for side in (200, 300, 420):  # of its own rank
        assert neutral.neutralise(picture(side, side), 1, 0).shape == (3, side // 2, side // 2)
    resampled = of_family("size and shape", neutral.perturbed(picture(300, 300), 1, 0))
    assert [tuple(each.shape) for each in resampled.values()] == [(3, 150, 150)] * 2, "crisp and soft"


def test_pictures_of_one_size_get_those_of_the_others_in_their_proportions() -> None:
    def given(*others: tuple[int, int]) -> list[tuple[int, ...]]:
        facts = [replace(PNG, width=120, height=120)] * 12
        facts += [replace(PNG, width=width, height=height) for width, height in others for _ in range(6)]
        neutral = make_neutraliser("auto", audit("size and shape"), facts, LABELS)
        return [tuple(neutral.neutralise(picture(120, 120), 1, seed).shape[1:]) for seed in range(200)]

    for others in (((40, 40), (64, 64)), ((120, 120), (120, 60))):
        counts = Counter(given(*others))
        assert set(counts) == {(height, width) for width, height in others}
        assert min(counts.values()) > 70, "half of them each"


@pytest.mark.parametrize("border", [(2, 2, 2, 2), (12, 12, 36, 12)])
def test_frames_are_given_to_pictures_and_cut_off_again_in_scoring_too(border: tuple[int, ...]) -> None:
    """A thin one is drawn over the picture, a wide one put around it."""
    neutral = made("auto", replace(PNG, width=200, height=160, border=border), "borders")
    given = neutral.neutralise(picture(), 1, 0)
    wide = border[2] > 2
    assert (given.shape[1:] > picture().shape[1:]) == wide
    inside = picture() if wide else picture()[:, 1:-1, 1:-1]
    assert torch.equal(neutral.border_trim(given.float() / 255), inside.float() / 255)
    boxes = [replace(PNG, border=(width,) * 4) for width in range(2, 38, 3)]
    assert made("auto", boxes, "borders").border_trim.frame <= 0.03, "margins that vary are no frame"


def test_the_seed_decides_and_features_are_compared_on_a_sample_of_both_classes() -> None:
    mixed = [replace(JPEG, jpeg_quality=quality) for quality in range(30, 90, 5)]
    neutral = made("auto", mixed, "compression")
    assert torch.equal(*[neutral.neutralise(picture(), 1, seed) for seed in (1, 1)])
    assert len({neutral.neutralise(picture(), 1, seed).sum().item() for seed in range(20)}) > 3
    neutral = made("auto", JPEG, "compression")
    chosen = neutral.perturbation_sample(np.repeat([1, 0], 200), 0)
    assert 0 < chosen[:200].sum() == chosen[200:].sum() < 200
    assert neutral.perturbation_sample(LABELS, 0).all()


def test_full_touches_everything_in_both_classes_and_never_the_picture_itself() -> None:
    neutral, before = made("full", PNG), picture()
    assert set(neutral.families) == {*FAMILIES} - {"colour tags"}
    for label in (0, 1):
        names = {name.split(",")[0] for name in neutral.perturbed(before, label, 3)}
        assert {"sharpness 1", "sharpness 2", *(f"overall colour {n}" for n in (1, 2, 3))} <= names
    for nuisance in neutral.nuisances:
        for variant in nuisance.variants:
            variant(before, random.Random(0))
    assert torch.equal(before, picture())

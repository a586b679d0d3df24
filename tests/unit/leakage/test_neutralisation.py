from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from ganrm_core.data.border_trim import BorderTrim
from ganrm_core.leakage import neutralisation, perturbations
from ganrm_core.leakage.audit.audit import Audit, Family
from ganrm_core.leakage.forensics.file_stats import FileStats
from ganrm_core.leakage.forensics.webp_header import webp_quality
from ganrm_core.leakage.neutralisation import Neutraliser, make_neutraliser
from ganrm_core.metrics.binary import Interval

PNG = FileStats(
    container="PNG",
    lossless=True,
    jpeg_quality=None,
    jpeg_subsampling=None,
    webp_quantiser=None,
    bytes_per_pixel=2.0,
    width=120,
    height=80,
    mode="RGB",
    alpha="none",
    colour_tag="none",
    border=(0, 0, 0, 0),
    bands=(0.0,) * 12,
    jpeg_traces=0.0,
    colour=(0.5,) * 5,
)
JPEG = dataclasses.replace(PNG, container="JPEG", lossless=False, jpeg_quality=60, jpeg_subsampling=2)
LABELS = np.repeat([1, 0], 12)


def audit(*leaking: str) -> Audit:
    names = ("compression", "size and shape", "borders", "sharpness", "overall colour", "colour tags")
    families = tuple(
        Family(
            name=name,
            auc=Interval(0.99, 0.9, 1.0),
            separates=name in leaking,
            sentence="They differ.",
            liked="",
            ordinary="",
        )
        for name in names
    )
    return Audit(families, 12, 12)


def picture(seed: int = 0, height: int = 80, width: int = 120) -> Tensor:
    return (torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)) * 255).to(torch.uint8)


def made(mode: neutralisation.Mode, ordinary: FileStats, *leaking: str) -> Neutraliser:
    facts: Sequence[FileStats] = [PNG] * 12 + [ordinary] * 12
    return make_neutraliser(mode, audit(*leaking), facts, LABELS)


@pytest.mark.parametrize(("mode", "leaking"), [("auto", ()), ("off", ("compression", "borders"))])
def test_nothing_is_touched_without_a_leak_or_when_off(
    mode: neutralisation.Mode, leaking: tuple[str, ...]
) -> None:
    even = made(mode, JPEG, *leaking)
    assert even.families == ()
    assert torch.equal(even.neutralise(picture(), 1, 0), picture())
    assert not even.perturbed(picture(), 1, 0)
    assert not even.perturbation_sample(LABELS, 0).any()
    assert even.border_trim == BorderTrim()


@pytest.mark.parametrize("family", ["sharpness", "overall colour", "colour tags"])
def test_what_may_be_taste_is_left_alone_by_auto(family: str) -> None:
    assert made("auto", JPEG, family).families == ()


def test_the_liked_ones_are_saved_as_the_ordinary_ones_were() -> None:
    even = made("auto", JPEG, "compression")
    assert torch.equal(even.neutralise(picture(), 1, 5), perturbations.jpeg(picture(), 60, 2))
    assert torch.equal(even.neutralise(picture(), 0, 5), picture()), "PNGs bring nothing to the JPEGs"
    assert list(even.perturbed(picture(), 1, 5)) == [
        "compression 1, liked",
        "compression 2, liked",
        "compression 3, liked",
    ]
    assert even.perturbed(picture(), 0, 5) == {}


def test_sizes_are_met_from_above_and_aspects_by_cropping() -> None:
    small = dataclasses.replace(PNG, width=60, height=60)
    even = made("auto", small, "size and shape")
    evened = even.neutralise(picture(), 1, 0)
    assert evened.shape == (3, 60, 60)
    small_one = picture(height=60, width=60)
    assert even.neutralise(small_one, 0, 0).shape == (3, 40, 60), (
        "cropped to the liked aspect, never enlarged"
    )


def test_each_size_meets_the_one_of_its_own_rank() -> None:
    facts = [dataclasses.replace(PNG, width=side, height=side) for side in range(200, 440, 20)]
    halves = [dataclasses.replace(PNG, width=side // 2, height=side // 2) for side in range(200, 440, 20)]
    even = make_neutraliser("auto", audit("size and shape"), [*facts, *halves], LABELS)
    for side in (200, 300, 420):
        assert even.neutralise(picture(height=side, width=side), 1, 0).shape == (3, side // 2, side // 2)
    resampled = even.perturbed(picture(height=300, width=300), 1, 0)
    assert len(resampled) == 2, "by a crisp filter and by a soft one"
    assert {tuple(twin.shape) for twin in resampled.values()} == {(3, 150, 150)}


def test_borders_are_cut_off_in_scoring_too() -> None:
    framed = dataclasses.replace(PNG, border=(2, 2, 2, 2))
    even = made("auto", framed, "borders")
    assert 0.02 < even.border_trim.frame < 0.1
    seen = even.border_trim(even.neutralise(picture(), 1, 0).float() / 255)
    assert torch.equal(seen, picture()[:, 2:-2, 2:-2].float() / 255)


def test_a_wide_frame_is_put_around_a_picture_and_cut_off_again_whole() -> None:
    instant_film = dataclasses.replace(PNG, width=200, height=160, border=(12, 12, 36, 12))
    even = made("auto", instant_film, "borders")
    given = even.neutralise(picture(), 1, 0)
    assert given.shape[1] > 80
    assert given.shape[2] > 120
    assert torch.equal(even.border_trim(given.float() / 255), picture().float() / 255)


def test_margins_that_vary_from_picture_to_picture_are_neither_given_nor_cut_off() -> None:
    boxes = [dataclasses.replace(PNG, border=(width,) * 4) for width in range(2, 38, 3)]
    even = make_neutraliser("auto", audit("borders"), [PNG] * 12 + boxes, LABELS)
    assert even.border_trim.frame <= 0.03


def test_the_same_seed_gives_the_same_picture() -> None:
    mixed: list[FileStats] = [PNG] * 12 + [
        dataclasses.replace(JPEG, jpeg_quality=quality) for quality in range(30, 90, 5)
    ]
    even = make_neutraliser("auto", audit("compression"), mixed, LABELS)
    same = [even.neutralise(picture(), 1, seed) for seed in (1, 1)]
    assert torch.equal(*same)
    assert len({even.neutralise(picture(), 1, seed).sum().item() for seed in range(20)}) > 3


def test_full_touches_everything_in_both_classes() -> None:
    even = made("full", PNG)
    assert {"compression", "size and shape", "borders", "sharpness", "overall colour"} == set(even.families)
    for label in (0, 1):
        names = even.perturbed(picture(), label, 3)
        assert {"sharpness 1", "sharpness 2", "overall colour 1"} <= {name.split(",")[0] for name in names}


def test_pairs_are_drawn_from_both_classes_and_not_from_all_of_many() -> None:
    even = made("auto", JPEG, "compression")
    labels = np.repeat([1, 0], 200)
    chosen = even.perturbation_sample(labels, 0)
    assert 0 < chosen[:200].sum() == chosen[200:].sum() < 200
    assert made("auto", JPEG, "compression").perturbation_sample(LABELS, 0).all()


@pytest.mark.parametrize("quality", [30, 60, 80, 90])
def test_webp_quality_is_read_from_the_quantiser(quality: int) -> None:
    # libwebp's own way there, without its fine-tuning by segments.
    compression = quality / 100
    linear = compression * 2 / 3 if compression < 0.75 else 2 * compression - 1
    quantiser = round(127 * (1 - linear ** (1 / 3)))
    assert abs(webp_quality(quantiser) - quality) <= 2


def test_changes_leave_the_picture_itself_alone() -> None:
    even, before = made("full", JPEG), picture()
    for nuisance in even.nuisances:
        for variant in nuisance.variants:
            variant(before, random.Random(0))
    assert torch.equal(before, picture())

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganrm_core.data.borders import Widths
from ganrm_core.leakage import perturbations
from ganrm_core.leakage.perturbations import SAME_PICTURE


@pytest.fixture(scope="module")
def picture() -> Tensor:
    coarse = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (90, 120), mode="bicubic", align_corners=False)
    return (smooth.clamp(0, 1)[0] * 255).round().to(torch.uint8)


@pytest.mark.parametrize("name", SAME_PICTURE)
def test_a_twin_is_the_same_picture(name: str, picture: Tensor) -> None:
    before = picture.clone()
    twin = SAME_PICTURE[name](picture)
    assert torch.equal(picture, before)
    assert twin.dtype == torch.uint8
    assert max(abs(a / b - 1) for a, b in zip(twin.shape[1:], picture.shape[1:], strict=True)) < 0.03
    small = [
        torch.nn.functional.interpolate(each[None].float(), (24, 32), mode="area") for each in (picture, twin)
    ]
    assert float((small[0] - small[1]).abs().mean()) < 20


@pytest.mark.parametrize("name", ["PNG", "colour tags"])
def test_what_changes_no_pixel(name: str, picture: Tensor) -> None:
    assert torch.equal(SAME_PICTURE[name](picture), picture)


def test_less_quality_is_farther_away(picture: Tensor) -> None:
    far = [
        float((perturbations.jpeg(picture, quality).float() - picture.float()).abs().mean())
        for quality in (95, 75, 30)
    ]
    assert 0 < far[0] < far[1] < far[2]


def test_sizes_and_frames(picture: Tensor) -> None:
    assert perturbations.scaled(picture, 0.5).shape == (3, 45, 60)
    assert perturbations.halved_and_back(picture).shape == picture.shape
    framed = perturbations.framed(picture, Widths(2, 2, 2, 2), (255, 0, 0))
    assert torch.equal(framed[:, 2:-2, 2:-2], picture[:, 2:-2, 2:-2])
    assert bool((framed[0, :2] == 255).all())
    assert not bool(framed[1, :, -2:].any())


def test_a_shift_repeats_the_edge(picture: Tensor) -> None:
    shifted = perturbations.shifted(picture)
    assert torch.equal(shifted[:, 1:, 1:], picture[:, :-1, :-1])
    assert torch.equal(shifted[:, 0, 1:], picture[:, 0, :-1])

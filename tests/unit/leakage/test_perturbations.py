"""Every perturbation keeps what the picture shows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganrm_core.leakage.perturbations import SAME_PICTURE


@pytest.fixture(scope="module")
def picture() -> Tensor:
    coarse = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    smooth = interpolate(coarse, (90, 120), mode="bicubic", align_corners=False)
    return (smooth.clamp(0, 1)[0] * 255).round().to(torch.uint8)


@pytest.mark.parametrize("name", SAME_PICTURE)
def test_the_same_picture(name: str, picture: Tensor) -> None:
    before = picture.clone()
    perturbed = SAME_PICTURE[name](picture)
    assert torch.equal(picture, before)
    assert perturbed.dtype == torch.uint8
    assert max(abs(a / b - 1) for a, b in zip(perturbed.shape[1:], picture.shape[1:], strict=True)) < 0.03
    small = [interpolate(each[None].float(), (24, 32), mode="area") for each in (picture, perturbed)]
    assert float((small[0] - small[1]).abs().mean()) < 20
    assert torch.equal(perturbed, picture) == (name in ("PNG", "colour tags"))

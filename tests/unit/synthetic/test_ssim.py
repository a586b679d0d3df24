from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganrm_core.synthetic.ssim import SsimTo, ssim
from ganrm_core.utils.errors import ImageError


def picture(seed: int, height: int = 24, width: int = 19) -> Tensor:
    return torch.rand((3, height, width), generator=torch.Generator().manual_seed(seed))


def ssim_as_written(first: Tensor, second: Tensor) -> float:
    """Wang et al. 2004 with loops and weighted moments, as the paper prints them."""
    weights = torch.tensor(
        [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)],
        dtype=torch.float64,
    )
    weights /= weights.sum()
    x, y = (0.299 * p[0].double() + 0.587 * p[1].double() + 0.114 * p[2].double() for p in (first, second))
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (p[top : top + 11, left : left + 11] for p in (x, y))
            mean_a, mean_b = float((weights * a).sum()), float((weights * b).sum())
            apart_a, apart_b = a - mean_a, b - mean_b
            var_a, var_b, cov = (
                float((weights * p).sum()) for p in (apart_a**2, apart_b**2, apart_a * apart_b)
            )
            luminance = (2 * mean_a * mean_b + 0.0001) / (mean_a**2 + mean_b**2 + 0.0001)
            values.append(luminance * (2 * cov + 0.0009) / (var_a + var_b + 0.0009))
    return sum(values) / len(values)


@pytest.mark.parametrize("mix", [0.3, 1.0])
def test_agrees_with_the_paper_done_slowly(mix: float) -> None:
    first = picture(0)
    second = torch.lerp(first, picture(1), mix)
    expected = ssim_as_written(first, second)
    assert ssim(first, second) == pytest.approx(expected, abs=2e-5)
    assert ssim(second, first) == pytest.approx(expected, abs=2e-5)
    assert SsimTo(first).loss(second) == pytest.approx(1 - expected, abs=2e-5)


def test_agrees_on_nearly_flat_pictures() -> None:
    # Flat ground is where float32 variances cancel out.
    first, second = 0.9 + 0.01 * picture(2), 0.9 + 0.01 * picture(3)
    assert ssim(first, second) == pytest.approx(ssim_as_written(first, second), abs=2e-3)
    assert ssim(first, first) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 10, 32), (3, 32, 10), (1, 3, 32, 32)])
def test_refuses_what_is_no_picture_and_two_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="11 × 11"):
        SsimTo(torch.zeros(shape))
    with pytest.raises(ImageError, match="one shape"):
        ssim(torch.zeros(3, 16, 16), torch.zeros(shape))

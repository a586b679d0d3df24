from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganrm_core.synthetic.ssim import SsimTo, ssim
from ganrm_core.utils.errors import ImageError


def picture(seed: int, height: int = 24, width: int = 19) -> Tensor:
    return torch.rand((3, height, width), generator=torch.Generator().manual_seed(seed))


def ssim_as_written(first: Tensor, second: Tensor) -> float:
    """Wang et al. 2004 with weighted moments of every window, as the paper prints them."""
    offsets = torch.arange(-5, 6, dtype=torch.float64)
    weights = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    grey = (0.299 * p[0].double() + 0.587 * p[1].double() + 0.114 * p[2].double() for p in (first, second))
    x, y = (p.unfold(0, 11, 1).unfold(1, 11, 1) for p in grey)
    mean_x, mean_y = ((weights * p).sum((-2, -1)) for p in (x, y))
    apart_x, apart_y = x - mean_x[..., None, None], y - mean_y[..., None, None]
    var_x, var_y, cov = ((weights * p).sum((-2, -1)) for p in (apart_x**2, apart_y**2, apart_x * apart_y))
    luminance = (2 * mean_x * mean_y + 0.0001) / (mean_x**2 + mean_y**2 + 0.0001)
    return float((luminance * (2 * cov + 0.0009) / (var_x + var_y + 0.0009)).mean())


@pytest.mark.parametrize("mix", [0.3, 1.0])
def test_agrees_with_the_paper_done_slowly(mix: float) -> None:
    first = picture(0)
    second = torch.lerp(first, picture(1), mix)
    expected = ssim_as_written(first, second)
    assert ssim(first, second) == pytest.approx(expected, abs=2e-5)
    assert ssim(second, first) == pytest.approx(expected, abs=2e-5)
    assert SsimTo(first).loss(second) == pytest.approx(1 - expected, abs=2e-5)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 10, 32), (3, 32, 10), (1, 3, 32, 32)])
def test_refuses_what_is_no_picture_and_two_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="11 × 11"):
        SsimTo(torch.zeros(shape))
    with pytest.raises(ImageError, match="one shape"):
        ssim(torch.zeros(3, 16, 16), torch.zeros(shape))

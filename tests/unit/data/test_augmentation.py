"""Random views of a picture: shape, range, seeds, and how far they may be from it."""

from __future__ import annotations

import pytest
import torch

from ganrm_core.data.augmentation import views
from ganrm_core.data.transforms import resize


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1), (2, 3), (48, 48), (90, 200)])
@pytest.mark.parametrize("side", [8, 15, 48])
def test_shape_range_and_the_first_is_what_scoring_sees(size: tuple[int, int], side: int) -> None:
    # Black and white: overshoot of the resampler or of the contrast would leave the range.
    image = (picture(*size) > 0.5).float()
    for seed in range(4):
        made = views(image, 4, side, seed=seed)
        assert (made.shape, made.dtype) == ((4, 3, side, side), torch.float32)
        assert made.min() >= 0
        assert made.max() <= 1
        assert torch.equal(made[0], resize(image, side))


def test_the_seed_decides_and_nothing_else_is_touched() -> None:
    image = picture(90, 70)
    before, state = image.clone(), torch.random.get_rng_state()
    first, again, other = (views(image, 4, 48, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first[1:], other[1:])
    assert len({view.numpy().tobytes() for view in first}) == 4
    assert torch.equal(views(image, 6, 48, seed=1)[:4], first), "more views leave the earlier ones alone"
    assert views(image, 1, 48, seed=0).shape == (1, 3, 48, 48)
    assert torch.equal(image, before)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_views_stay_close_to_the_picture() -> None:
    """Colour is a legitimate taste: its changes are slight, and there are no black borders."""
    colour, white = torch.tensor([0.2, 0.5, 0.7]).view(3, 1, 1).expand(3, 60, 60), torch.ones(3, 60, 60)
    for seed in range(20):
        change = (views(colour, 4, 48, seed=seed).mean(dim=(2, 3)) - torch.tensor([0.2, 0.5, 0.7])).abs()
        assert change.max() < 0.12
        assert views(white, 4, 48, seed=seed).min() > 0.85

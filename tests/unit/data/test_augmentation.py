from __future__ import annotations

import pytest
import torch

from ganrm_core.data.augmentation import views
from ganrm_core.data.transforms import resize


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


class TestViews:
    @pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1), (48, 48), (90, 200)])
    def test_the_first_is_what_scoring_sees(self, size: tuple[int, int]) -> None:
        image = picture(*size)
        assert torch.equal(views(image, 3, 48, seed=1)[0], resize(image, 48))

    @pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1), (2, 3), (48, 48), (90, 200)])
    def test_shape_and_range(self, size: tuple[int, int]) -> None:
        # Black and white: overshoot of the resampler or of the contrast would leave the range.
        image = (picture(*size) > 0.5).float()
        for seed in range(8):
            made = views(image, 4, 48, seed=seed)
            assert made.shape == (4, 3, 48, 48)
            assert made.dtype == torch.float32
            assert made.min() >= 0
            assert made.max() <= 1

    @pytest.mark.parametrize("size", [8, 15, 16, 33])
    def test_small_inputs_of_a_backbone(self, size: int) -> None:
        assert views(picture(20, 30), 4, size, seed=0).shape == (4, 3, size, size)

    def test_one_view_is_the_picture_alone(self) -> None:
        assert views(picture(20, 30), 1, 48, seed=0).shape == (1, 3, 48, 48)

    def test_the_seed_decides(self) -> None:
        image = picture(90, 70)
        first, again, other = (views(image, 4, 48, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first[1:], other[1:])
        assert len({view.numpy().tobytes() for view in first}) == 4

    def test_more_views_leave_the_earlier_ones_alone(self) -> None:
        image = picture(90, 70)
        assert torch.equal(views(image, 6, 48, seed=3)[:4], views(image, 4, 48, seed=3))

    def test_neither_the_picture_nor_the_global_generator_is_touched(self) -> None:
        image = picture(48, 48)
        before, state = image.clone(), torch.random.get_rng_state()
        views(image, 5, 48, seed=3)
        assert torch.equal(image, before)
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_views_stay_close_to_the_picture(self) -> None:
        """Colour is a legitimate taste: its changes are slight."""
        colour = torch.tensor([0.2, 0.5, 0.7]).view(3, 1, 1).expand(3, 60, 60)
        for seed in range(20):
            change = (views(colour, 4, 48, seed=seed).mean(dim=(2, 3)) - torch.tensor([0.2, 0.5, 0.7])).abs()
            assert change.max() < 0.12

    def test_no_black_borders(self) -> None:
        white = torch.ones(3, 60, 60)
        for seed in range(20):
            assert views(white, 4, 48, seed=seed).min() > 0.85

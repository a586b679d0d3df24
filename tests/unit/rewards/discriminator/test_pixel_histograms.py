"""Histograms of brightness, colour and edge strength."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from ganrm_core.data.transforms import softened
from ganrm_core.rewards.discriminator.pixel_histograms import (
    BINS,
    HISTOGRAMS,
    histogram,
    pixel_histograms,
    position_terms,
    scattered_shares,
    summed_shares,
    value_maps,
)

COLOURS, EDGES = HISTOGRAMS[:3], HISTOGRAMS[3:]


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def test_a_level_holds_the_root_of_its_share_of_the_positions() -> None:
    levels = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5]])
    first, second = histogram(levels)
    assert float(first[0]) == pytest.approx(0.75**0.5, abs=1e-4)
    assert float(first[-1]) == pytest.approx(0.25**0.5, abs=2e-4)
    middle = second[BINS // 2 - 1 : BINS // 2 + 1]  # 0.5 lies between two levels
    torch.testing.assert_close(middle, torch.full((2,), 0.5**0.5), atol=1e-3, rtol=0)
    torch.testing.assert_close(histogram(levels).square().sum(dim=1), torch.ones(2), atol=1e-2, rtol=0)


def test_every_colour_lies_within_the_range() -> None:
    corners = torch.tensor(list(product((0.0, 1.0), repeat=3))).T.reshape(1, 3, 2, 4)
    checks = corners.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    for name, values in value_maps(checks, HISTOGRAMS).items():
        assert float(values.min()) >= -1e-6, name
        assert float(values.max()) <= 1 + 1e-6, name


def test_colours_do_not_depend_on_the_place_and_edges_do(pictures: Tensor) -> None:
    order = torch.randperm(24 * 24, generator=torch.Generator().manual_seed(1))
    smooth = softened(pictures)
    shuffled = smooth.flatten(2)[:, :, order].view_as(pictures)
    before, after = (
        pixel_histograms(each.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3), HISTOGRAMS)
        for each in (smooth, shuffled)
    )
    for name in COLOURS:
        torch.testing.assert_close(before[name], after[name], atol=1e-3, rtol=0)
    for name in EDGES:
        assert float((before[name] - after[name]).abs().max()) > 0.05, name


@pytest.mark.parametrize("side", [23, 30])
def test_any_side_will_do(side: int) -> None:
    pixels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    cut = pixels[..., : side // 2 * 2, : side // 2 * 2]
    for name in COLOURS:
        found, expected = (pixel_histograms(each, (name,))[name] for each in (pixels, cut))
        torch.testing.assert_close(found, expected)


def test_each_histogram_sees_what_it_is_named_after() -> None:
    orange, blue, green, purple = (
        torch.tensor(colour).view(3, 1, 1).expand(3, 24, 24)
        for colour in ((1.0, 0.5, 0.0), (0.0, 0.5, 1.0), (0.0, 1.0, 0.0), (0.6, 0.0, 0.8))
    )
    maps = value_maps(torch.stack([orange, blue, green, purple]), HISTOGRAMS)
    means = {name: values.mean(dim=(1, 2)) for name, values in maps.items()}
    assert means["orange-blue"][0] > 0.8
    assert means["orange-blue"][1] < 0.2
    assert means["purple-green"][3] > 0.7
    assert means["purple-green"][2] < 0.1
    assert all(float(maps[name].max()) < 0.01 for name in EDGES), "plain areas have no edges"


def test_only_what_is_named_is_counted(pictures: Tensor) -> None:
    chosen = (HISTOGRAMS[-1], HISTOGRAMS[0])
    found = pixel_histograms(pictures, chosen)
    assert tuple(found) == chosen
    everything = pixel_histograms(pictures, HISTOGRAMS)
    assert all(torch.equal(found[name], everything[name]) for name in chosen)
    assert pixel_histograms(pictures, ()) == {}


def test_a_picture_does_not_depend_on_its_batch(pictures: Tensor) -> None:
    together = pixel_histograms(pictures, HISTOGRAMS)
    alone = pixel_histograms(pictures[1:2], HISTOGRAMS)
    assert all(torch.equal(together[name][1:2], alone[name]) for name in HISTOGRAMS)


@pytest.mark.parametrize("plain", [False, True])
def test_gradients_reach_the_pixels_and_are_finite(pictures: Tensor, plain: bool) -> None:
    pixels = (torch.full_like(pictures, 0.4) if plain else pictures).requires_grad_()
    found = torch.cat([*pixel_histograms(pixels, HISTOGRAMS).values()], dim=1)
    (found * torch.linspace(0, 1, found.shape[1])).sum().backward()
    assert pixels.grad is not None
    assert bool(torch.isfinite(pixels.grad).all())
    assert float(pixels.grad.abs().max()) > 0


@pytest.mark.parametrize("shares", [scattered_shares, summed_shares])
def test_both_ways_to_count_agree_and_so_do_their_gradients(shares: Callable[[Tensor], Tensor]) -> None:
    values = torch.rand(2, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.9 + 0.05
    assert torch.autograd.gradcheck(shares, values.requires_grad_())
    torch.testing.assert_close(shares(values), scattered_shares(values))
    ends = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    assert shares(ends)[0].tolist() == [0.5, *[0.0] * (BINS - 2), 0.5]


def test_the_mean_of_the_position_terms_is_the_weighted_histogram(pictures: Tensor) -> None:
    weight = torch.randn(BINS, generator=torch.Generator().manual_seed(2))
    for name, values in value_maps(pictures, HISTOGRAMS).items():
        terms = position_terms(values[0], weight)
        assert terms.shape == values[0].shape
        expected = float(histogram(values[:1])[0] @ weight)
        assert float(terms.mean()) == pytest.approx(expected, abs=1e-5), name

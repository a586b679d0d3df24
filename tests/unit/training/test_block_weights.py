"""Per-block kernel weights."""

from __future__ import annotations

import torch
from torch import Tensor

from ganrm_core.rewards.discriminator.readout import Block
from ganrm_core.training.block_weights import Shrinkage, block_weights
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.whitening import balanced_columns

WIDTH, DEPTHS = 12, 4


def blocks(*statistics: str) -> list[Block]:
    """Each statistic at each depth, in this order."""
    return [
        Block(f"depth{depth}", statistic, start := WIDTH * (depth + DEPTHS * place), start + WIDTH)
        for place, statistic in enumerate(statistics)
        for depth in range(DEPTHS)
    ]


def rows(count: int, width: int, told_by: slice, *, views: int = 1, strength: float = 1.0) -> Rows:
    """Noise, in which `told_by` columns lean with the label."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(count, views, width, generator=generator)
    labels = (torch.arange(count) % 2).float()
    features[:, :, told_by] += strength * (labels - 0.5).view(-1, 1, 1)
    return Rows(features, labels)


def test_a_response_counts_less_than_what_it_is_the_response_of() -> None:
    given = rows(80, 2 * WIDTH * DEPTHS, slice(0, 2 * WIDTH * DEPTHS))
    plain, response = block_weights(given, blocks("mean", "mean response")).view(2, DEPTHS)
    assert (response < plain / 2).all()


def test_a_histogram_counts_less_than_a_statistic_of_the_network_and_more_where_it_tells_the_classes_apart() -> (
    None
):
    half = WIDTH * DEPTHS
    kinds = blocks("mean", "histogram")
    told, alone = (
        block_weights(rows(80, 2 * half, slice(start, 2 * half)), kinds).view(2, DEPTHS)
        for start in (0, half)
    )
    assert (told[1] < told[0] / 2).all()
    assert alone[1].mean() > 2 * told[1].mean()


def test_what_a_nuisance_moves_earns_nothing() -> None:
    """One column tells the label, and it is what the nuisance moves."""
    told = rows(80, WIDTH * DEPTHS, slice(0, 1), strength=6.0)
    moved = torch.zeros(40, WIDTH * DEPTHS)
    moved[:, 0] = 1.0
    free, projected = (block_weights(told, blocks("mean"), n) for n in ((), (moved,)))
    assert free.argmax() == 0
    assert projected.max() < 3 * projected.min()


def test_only_plain_views_count_and_not_more_pictures_than_needed() -> None:
    many = rows(700, WIDTH * DEPTHS, slice(0, WIDTH), views=2)
    blind = Rows(many.features.clone(), many.labels)
    blind.features[:, 1] = 1e3
    blind.features[1, 0] = 5.0  # falls between the 256 that are used
    assert torch.equal(*(block_weights(given, blocks("mean")) for given in (many, blind)))


def test_they_maximise_marginal_likelihood_times_prior() -> None:
    """Against the same climb with the density and its gradient by torch."""
    given = rows(40, 3 * WIDTH * DEPTHS, slice(0, WIDTH))
    of = blocks("mean", "std", "mean response")
    columns = balanced_columns(given.features[:, 0], of)[2].double()
    parts_of = [columns[:, block.start : block.stop] for block in of]
    kernels = torch.stack([part @ part.T / len(of) for part in parts_of])
    target = (given.labels.double() - 0.5) * 2
    depth, response, statistic = (torch.zeros(n, dtype=torch.float64) for n in (DEPTHS, DEPTHS, 3))
    scale, noise = torch.tensor(0.0, dtype=torch.float64), torch.tensor(-0.7, dtype=torch.float64)
    parts = [part.requires_grad_() for part in (depth, response, statistic, scale, noise)]

    def logarithms() -> Tensor:
        return torch.cat([depth + statistic[0], depth + statistic[1], response + statistic[2]])

    optimiser = torch.optim.Adam(parts, 0.2)
    for _ in range(40):
        optimiser.zero_grad()
        kernel = (torch.exp(logarithms() + scale).view(-1, 1, 1) * kernels).sum(dim=0)
        kernel = kernel + noise.exp() * torch.eye(40, dtype=torch.float64)
        evidence = torch.distributions.MultivariateNormal(torch.zeros_like(target), kernel).log_prob(target)
        prior = (torch.cat([depth, response]) / 4.0).square().sum() + statistic.square().sum()
        prior = prior + ((depth.diff().square().sum() + response.diff().square().sum()) / 1.5**2)
        (prior / 2 - evidence).backward()
        optimiser.step()
    expected = logarithms().detach().exp()
    found = block_weights(given, of, shrinkage=Shrinkage(response=1.0, trust=1.0))
    torch.testing.assert_close(found, (expected / expected.mean()).float(), rtol=1e-3, atol=1e-4)

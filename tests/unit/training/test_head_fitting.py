"""Feature rows, whitening, and heads fitted to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.readout import Block
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.head_fitting import fit_linear_heads, fit_linear_path, fit_mlp
from ganrm_core.training.whitening import find_directions, fit_projection

PENALTIES = (1.0, 0.1, 0.01, 0.001)


def rows(count: int = 120, width: int = 24, views: int = 1, liked: float = 0.5, seed: int = 0) -> Rows:
    """Pictures that lean to one side along the first column, the columns of very different size."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) < count * liked).float()
    pictures = torch.randn(count, 1, width, generator=generator)
    features = pictures + 0.1 * torch.randn(count, views, width, generator=generator)
    features[:, :, 0] += 1.5 * labels[:, None]
    return Rows(features * torch.logspace(0, -2, width) + 5, labels)


def blobs_on_the_diagonals(count: int, seed: int) -> Rows:
    """Four blobs, liked ones in two opposite corners: no line divides them."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 2, (count, 2), generator=generator) * 2.0 - 1
    features = torch.randn(count, 4, generator=generator) * 0.3
    features[:, :2] += 2 * corners
    return Rows(features.unsqueeze(1), (corners.prod(dim=1) > 0).float())


def blocks(width: int, first: int | None = None) -> tuple[Block, ...]:
    split = width // 2 if first is None else first
    return Block("a", "mean", 0, split), Block("a", "std", split, width)


class TestProjection:
    @pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
    def test_rows_have_one_length_and_components_fall_off_by_the_power(self, power: float) -> None:
        features = rows().flat()[0]
        projection = fit_projection(features, blocks(24))
        assert (projection.deviations.diff() <= 0).all()
        assert fit_projection(features, blocks(24), components=5).matrix.shape == (24, 5)
        components = (features - projection.mean) @ projection.whitened(power)
        assert float(components.square().sum(dim=1).mean()) == pytest.approx(100, rel=1e-3)
        spread, falling = components.std(dim=0, correction=0), projection.deviations ** (1 - power)
        torch.testing.assert_close(spread / spread[0], falling / falling[0], atol=1e-3, rtol=1e-3)

    def test_a_level_that_training_pictures_hardly_have_does_not_outweigh_the_rest(self) -> None:
        """Elsewhere a column counts by its own spread, however small."""
        features = torch.randn(200, 8, generator=torch.Generator().manual_seed(2)) * 0.1
        features[:, 7] *= 1e-4
        new = torch.zeros(1, 8)
        new[:, 7] = 0.5

        def moved(statistic: str) -> float:
            split = Block("a", "mean", 0, 4), Block("b", statistic, 4, 8)
            projection = fit_projection(features, split)
            return float((new @ projection.matrix).norm())

        assert moved("mean") > 1e3
        assert moved("histogram") < 10

    @pytest.mark.parametrize("weights", [(1.0, 1.0), (4.0, 1.0)])
    def test_a_block_counts_by_its_weight_however_wide_it_is(self, weights: tuple[float, float]) -> None:
        features = torch.randn(400, 24, generator=torch.Generator().manual_seed(1))
        projection = fit_projection(features, blocks(24, first=4), weights=torch.tensor(weights))
        components = (features - projection.mean) @ projection.matrix
        assert float(components.square().sum(dim=1).mean()) == pytest.approx(sum(weights), rel=1e-3)
        # The widest components belong to the narrow block, whose columns weigh more each.
        leading = projection.matrix[:, :4].square()
        assert leading[:4].sum() / leading.sum() > 0.9

    def test_constant_columns_are_left_out(self) -> None:
        features = rows().flat()[0].clone()
        features[:, 3] = 1e4
        projection = fit_projection(features, blocks(24))
        assert projection.matrix[3].abs().max() == 0
        assert torch.isfinite(projection.matrix).all()
        assert projection.matrix.shape[1] == 23
        same = Rows(torch.ones(20, 1, 8), (torch.arange(20) < 10).float())
        (head,) = fit_linear_path(same, fit_projection(same.flat()[0], blocks(8)), 0.5, (0.1,))
        assert head(same.features[:, 0]).abs().max() < 1e-3

    def test_of_very_many_rows_an_even_selection_is_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        features = rows(60).flat()[0]
        expected = fit_projection(features, blocks(24))
        monkeypatch.setattr("ganrm_core.training.whitening._PROJECTION_ROWS", 60)
        found = fit_projection(features.repeat_interleave(3, dim=0), blocks(24))
        torch.testing.assert_close(found.deviations, expected.deviations, atol=1e-4, rtol=1e-4)

    def test_heads_cannot_see_along_nuisances(self) -> None:
        given = rows(200)
        features = given.features[:, 0]
        # The nuisance moves every picture along the very column that tells the classes apart, and another.
        step = torch.zeros(24)
        step[0], step[3] = 2.0, 0.5
        moved = step * (1 + 0.1 * torch.randn(50, 1, generator=torch.Generator().manual_seed(1)))
        free, without = (fit_projection(features, blocks(24), n) for n in ((), [moved]))
        (sees,), (blind,) = (fit_linear_path(given, p, 0.5, [0.01]) for p in (free, without))
        for head, seen in ((sees, True), (blind, False), (fit_mlp(given, given, without, seed=0), False)):
            with torch.no_grad():
                shift = (head(features + step) - head(features)).mean() / head(features).std()
            assert (abs(float(shift)) > 0.5) if seen else (abs(float(shift)) < 1e-3)
        # What is left can still be learned.
        elsewhere = fit_projection(features, blocks(24), [torch.eye(24)[5].expand(10, -1)])
        (head,) = fit_linear_path(given, elsewhere, 0.5, [0.01])
        assert auc(head(features).numpy(), given.labels.numpy()) > 0.8


class TestLinear:
    @pytest.mark.parametrize("power", [0.25, 0.75])
    @pytest.mark.parametrize(("views", "liked"), [(1, 0.5), (2, 0.15)])
    def test_a_path_equals_scikit_learn(self, power: float, views: int, liked: float) -> None:
        given = rows(views=views, liked=liked)
        features, labels, weights = given.flat()
        projection = fit_projection(features, blocks(24))
        z = ((features - projection.mean) @ projection.whitened(power)).double().numpy()
        heads = fit_linear_path(given, projection, power, PENALTIES)
        for penalty, head in zip(PENALTIES, heads, strict=True):
            exact = LogisticRegression(C=1 / (penalty * len(z)), tol=1e-10, max_iter=100_000)
            exact.fit(z, labels.numpy(), sample_weight=weights.numpy())
            expected = exact.decision_function(z)
            error = np.abs(head(features).numpy() - expected).max()
            assert error < 1e-3 * max(1.0, np.abs(expected).max())

    @pytest.mark.parametrize("views", [1, 3])
    def test_half_of_a_head_comes_from_plain_views_and_half_from_all(self, views: int) -> None:
        given, unseen = rows(views=views), rows(seed=7).features[:, 0]
        plain, every = (
            fit_linear_path(part, fit_projection(part.flat()[0], blocks(24)), 0.5, PENALTIES)
            for part in (given.plain(), given)
        )
        calls: list[None] = []
        directions = find_directions(given, blocks(24))
        heads = fit_linear_heads(given, directions, PENALTIES, lambda: calls.append(None), 0.5)
        assert len(calls) == min(views, 2) * len(PENALTIES)
        for head, first, second in zip(heads, plain, every, strict=True):
            expected = (first(unseen) + second(unseen)) / 2
            torch.testing.assert_close(head(unseen), expected, atol=1e-4, rtol=1e-4)


def test_an_mlp_learns_what_no_line_divides_also_where_validation_has_one_class() -> None:
    given, unseen = blobs_on_the_diagonals(300, seed=1), blobs_on_the_diagonals(100, seed=3)
    validation = blobs_on_the_diagonals(40, seed=2)
    projection = fit_projection(given.flat()[0], (Block("a", "value", 0, 4),))
    for judges in (validation, validation.take(validation.labels > 0)):
        head = fit_mlp(given, judges, projection, seed=0)
        assert auc(head(unseen.features[:, 0]).numpy(), unseen.labels.numpy()) > 0.8
        assert not head.training
        assert not any(parameter.requires_grad for parameter in head.parameters())

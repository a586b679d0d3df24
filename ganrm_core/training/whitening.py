"""PCA whitening of block-normalised features, with nuisance directions projected out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..rewards.discriminator.pixel_histograms import LEAST_SPREAD
from ..rewards.discriminator.readout import Block, is_histogram
from .feature_rows import Rows

WHITENING = 0.75
_COMPONENTS = 400
_PROJECTION_ROWS = 800
_ROW_LENGTH = 10.0
_ROWS_IN_CACHE, _ROWS_MULTIPLIED = 16, 256  # chunks that stay in the CPU caches
_RESIDUAL_DIRECTIONS, _NOTABLE_SHARE = 3, 0.02


@dataclass(frozen=True)
class Projection:
    """Principal components of the balanced columns: (x − mean) · matrix, [D] → [r], largest variance first.

    `deviations` [r]: standard deviation of the fitted pictures along each.
    """

    mean: Tensor
    matrix: Tensor
    deviations: Tensor

    def whitened(self, power: float) -> Tensor:
        """The matrix [D, r] with each component divided by its standard deviation to the `power`.

        Scaled so that projected rows have the same mean square length for every power.
        """
        factor = self.deviations**-power
        length = (self.deviations * factor).square().sum().sqrt()
        return self.matrix * (factor * (_ROW_LENGTH / length))


@dataclass(frozen=True)
class Directions:
    """Principal components over the plain views, as in scoring, and over all augmented views."""

    plain: Projection
    views: Projection


def find_directions(
    rows: Rows,
    blocks: Sequence[Block],
    nuisances: Sequence[Tensor] = (),
    weights: Tensor | None = None,
) -> Directions:
    """Both by `fit_projection`; `nuisances` and `weights` as in `balanced_columns`."""
    views = fit_projection(rows.flat()[0], blocks, nuisances, weights)
    if rows.features.shape[1] == 1:
        return Directions(views, views)
    return Directions(fit_projection(rows.plain().flat()[0], blocks, nuisances, weights), views)


def fit_projection(
    features: Tensor,
    blocks: Sequence[Block],
    nuisances: Sequence[Tensor] = (),
    weights: Tensor | None = None,
    components: int = _COMPONENTS,
) -> Projection:
    """PCA of balanced columns; the arguments are those of `balanced_columns`."""
    mean, scale, columns = balanced_columns(features, blocks, nuisances, weights, most=_PROJECTION_ROWS)
    directions, deviations = _principal_components(columns, components)
    return Projection(mean, scale.unsqueeze(1) * directions, deviations)


def balanced_columns(
    features: Tensor,
    blocks: Sequence[Block],
    nuisances: Sequence[Tensor] = (),
    weights: Tensor | None = None,
    most: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [rows, D] → mean [D], scale [D], and the centred and scaled features [rows, D].

    Columns are standardised, those of histograms by `LEAST_SPREAD` at least, and each block (one statistic of one tap)
    gets the same total variance however wide it is, times its entry of `weights` [blocks]. `nuisances`: for each, how the
    features of some pictures move under it, [M, D]; their mean direction and the main residual ones are projected out
    (nuisance attribute projection, Solomonoff, Campbell & Boardman 2005). Of more rows than `most` an even selection is
    returned.
    """
    mean = features.mean(dim=0)
    spread = _spread(features, mean)
    scale = torch.zeros_like(spread)
    for place, block in enumerate(blocks):
        columns = slice(block.start, block.stop)
        if is_histogram(block):
            spread[columns].clamp_(min=LEAST_SPREAD)
        # The variation of an almost constant column is rounding.
        varies = spread[columns] > 1e-5 * mean[columns].abs() + 1e-12
        weight = (block.stop - block.start) ** -0.5 * (
            1.0 if weights is None else float(weights[place]) ** 0.5
        )
        scale[columns] = torch.where(varies, weight / spread[columns].clamp_min(1e-12), 0.0)
    balanced = (features if most is None else _evenly(features, most)) - mean
    balanced *= scale
    if nuisances:
        nuisance_basis = _nuisance_basis([differences * scale for differences in nuisances])
        balanced -= (balanced @ nuisance_basis) @ nuisance_basis.T
    return mean, scale, balanced


def _spread(features: Tensor, mean: Tensor) -> Tensor:
    """The standard deviation of each column [D]."""
    squares = torch.zeros_like(mean)
    for some in features.split(_ROWS_IN_CACHE):
        squares += (some - mean).square_().sum(dim=0)
    return (squares / len(features)).sqrt()


def projected(features: Tensor, mean: Tensor, matrix: Tensor) -> Tensor:
    """(features [rows, …, D] − mean) · matrix [D, r] → [rows, …, r]."""
    return torch.cat([(some - mean) @ matrix for some in features.split(_ROWS_MULTIPLIED)])


def _evenly(rows: Tensor, most: int) -> Tensor:
    """At most `most` of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most).round().long()]


def _nuisance_basis(nuisances: Sequence[Tensor]) -> Tensor:
    """Orthonormal basis [D, k] of the nuisance subspace, from differences [M, D] each."""
    rows: list[Tensor] = []
    for differences in nuisances:
        mean = differences.mean(dim=0, keepdim=True)
        some = _evenly(differences, _PROJECTION_ROWS)
        directions, deviations = _principal_components(some - mean, _RESIDUAL_DIRECTIONS)
        # A direction of next to no variance is rounding.
        notable = deviations.square() > _NOTABLE_SHARE * mean.square().sum()
        rows += [mean / mean.norm().clamp_min(1e-12), directions.T[notable]]
    _, lengths, directions = torch.linalg.svd(torch.cat(rows).double(), full_matrices=False)
    basis: Tensor = directions[lengths > 1e-6].T.float()
    return basis


def _principal_components(centred: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """Directions [D, r] and the standard deviation along each [r], largest first.

    The time grows with the cube of the number of rows, or of columns where these are fewer.
    """
    count, width = centred.shape
    wide = count < width
    exact = centred.double()  # float32 would blur the narrow components, where taste lies
    values, vectors = torch.linalg.eigh(_gram(exact if wide else exact.T.contiguous()))
    values, vectors = values.flip(0)[:components].float(), vectors.flip(1)[:, :components].float()
    kept = values > values[0] * 1e-6
    values, vectors = values[kept], vectors[:, kept]
    directions = centred.T @ (vectors / values.sqrt()) if wide else vectors
    return directions, (values / count).sqrt()


def _gram(rows: Tensor, splits: int = 3) -> Tensor:
    """Gram matrix [N, N] of the rows, by halves: the symmetric off-diagonal block is computed once."""
    if not splits or len(rows) < 2:
        return rows @ rows.T
    first, second = rows.chunk(2)
    across = first @ second.T
    return torch.cat([
        torch.cat([_gram(first, splits - 1), across], dim=1),
        torch.cat([across.T, _gram(second, splits - 1)], dim=1),
    ])  # fmt: skip

"""Per-block kernel weights by type-II maximum likelihood (automatic relevance determination)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..rewards.discriminator.readout import Block, is_histogram, is_response
from .feature_rows import Rows
from .whitening import balanced_columns

_ROWS = 256
_STEPS, _LEARNING_RATE, _FIRST_NOISE = 40, 0.2, -0.7
_DEPTH_SPREAD, _STATISTIC_SPREAD, _DEPTH_STEP = 4.0, 1.0, 1.5


@dataclass(frozen=True)
class Shrinkage:
    """How far the block weights go from equal ones.

    A response counts `response` of what it is the response of, a histogram `histogram` of a statistic of the network, each
    times its evidence to the power `trust` or, for histograms, `histogram_trust`. The likelihood favours what separates
    the training pictures over what ranks within a class, hence a third and a half. Histograms are noise where a taste lies
    in neither palette nor line work, and should soon come to the fore where it does.
    """

    response: float = 1 / 3
    histogram: float = 1 / 3
    trust: float = 0.5
    histogram_trust: float = 1.0


_USUAL = Shrinkage()


def block_weights(
    rows: Rows,
    blocks: Sequence[Block],
    nuisances: Sequence[Tensor] = (),
    shrinkage: Shrinkage = _USUAL,
) -> Tensor:
    """Weights [blocks] of the blocks' linear kernels, mean 1; a block's columns are scaled by the square root.

    A weight is the product of one number for the depth and one for the statistic, neighbouring depths alike: a free
    weight per block would need more pictures than there are. The numbers maximise the marginal likelihood of a
    Gaussian process on the labels whose kernel is the weighted sum (MacKay 1992), under a log-normal prior around
    equal weights, on the plain views. They are then shrunk.
    """
    features, labels = _subsample(rows)
    kernels = _kernels(features, blocks, nuisances)
    logarithms = _maximise_evidence(kernels, labels, blocks)
    histograms = torch.tensor([is_histogram(block) for block in blocks])
    responses = torch.tensor([is_response(block) for block in blocks])
    prior = 1 - (1 - shrinkage.response) * responses.float() - (1 - shrinkage.histogram) * histograms.float()
    trust = torch.where(histograms, shrinkage.histogram_trust, shrinkage.trust)
    weights = prior * torch.exp(trust * logarithms.float())
    return weights / weights.mean()


def _subsample(rows: Rows) -> tuple[Tensor, Tensor]:
    """Plain views [n, D] and labels [n] of at most `_ROWS` pictures, evenly spaced: the cost grows with n³."""
    count = min(len(rows), _ROWS)
    chosen = torch.linspace(0, len(rows) - 1, count).round().long()
    return rows.features[chosen, 0], rows.labels[chosen].double()


def _kernels(features: Tensor, blocks: Sequence[Block], nuisances: Sequence[Tensor]) -> Tensor:
    """Linear kernels [blocks, rows, rows] of balanced columns, nuisances projected out."""
    _, _, columns = balanced_columns(features, blocks, nuisances)
    parts = [columns[:, block.start : block.stop] for block in blocks]
    return torch.stack([part @ part.T for part in parts])


def _maximise_evidence(kernels: Tensor, labels: Tensor, blocks: Sequence[Block]) -> Tensor:
    """Logarithms [blocks] of the kernel weights that maximise marginal likelihood times prior, by Adam."""
    count, rows = kernels.shape[:2]
    target = (labels - labels.mean()) / labels.std(correction=0)
    row, column = torch.tril_indices(rows, rows)
    # Kernels are symmetric: the lower halves suffice. The last is noise.
    lower, occurs = row * rows + column, torch.where(row == column, 1.0, 2.0)
    halves = torch.stack([kernel.flatten()[lower] for kernel in (*(kernels / count), torch.eye(rows))])
    terms, precision = _terms_and_prior(blocks)
    parts = torch.zeros(terms.shape[1], dtype=torch.float64)
    parts[-1] = _FIRST_NOISE
    optimiser = torch.optim.Adam([parts], _LEARNING_RATE)
    for _ in range(_STEPS):
        weights = torch.exp(terms @ parts)
        mixed = torch.zeros(rows * rows, dtype=torch.float64)
        mixed.scatter_(0, lower, (weights.float() @ halves).double())
        gradient = evidence_gradient(mixed.view(rows, rows), target).flatten().index_select(0, lower).float()
        gradient *= occurs
        parts.grad = terms.T @ (weights * (halves @ gradient).double()) + precision @ parts
        optimiser.step()
    found: Tensor = terms[:-1, :-2] @ parts[:-2]
    return found


def _terms_and_prior(blocks: Sequence[Block]) -> tuple[Tensor, Tensor]:
    """Design matrix [blocks + 1, parts] from parts to log weights, and the precision of the parts' Gaussian prior.

    Parts: one per depth, one per statistic, the common scale, and the noise, whose weight is the last row.
    """
    depth_of, depths = _indices([(is_response(block), block.tap) for block in blocks])
    statistic_of, statistics = _indices([(is_response(block), block.statistic) for block in blocks])
    terms = torch.block_diag(
        torch.cat([one_hot(depth_of), one_hot(statistic_of), torch.ones(len(blocks), 1)], dim=1),
        torch.ones(1, 1),
    )
    # Depths of responses neighbour each other, not the depths they are responses of.
    beside = torch.tensor([one[0] == next_[0] for one, next_ in pairwise(depths)], dtype=torch.bool)
    steps = torch.eye(len(depths)).diff(dim=0)[beside] / _DEPTH_STEP
    precision = torch.block_diag(
        torch.eye(len(depths)) / _DEPTH_SPREAD**2 + steps.T @ steps,
        torch.eye(len(statistics)) / _STATISTIC_SPREAD**2,
        torch.zeros(2, 2),
    )
    return terms.double(), precision.double()


def evidence_gradient(kernel: Tensor, target: Tensor) -> Tensor:
    """Gradient [rows, rows] of −log N(target; 0, kernel) by the kernel (Rasmussen & Williams 2006, eq. 5.9).

    Only the lower half of the symmetric kernel is read.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel))
    explained = inverse @ target
    return (inverse - torch.outer(explained, explained)) / 2


def _indices(names: Sequence[tuple[bool, str]]) -> tuple[Tensor, list[tuple[bool, str]]]:
    """Index of each name among the distinct ones, and those."""
    distinct = list(dict.fromkeys(names))
    return torch.tensor([distinct.index(name) for name in names]), distinct

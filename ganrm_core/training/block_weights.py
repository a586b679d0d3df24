"""How much each depth and statistic should count, learned from the training pictures themselves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..rewards.discriminator.readout import Block, is_response
from .feature_rows import Rows
from .whitening import balanced_columns

RESPONSE_SHARE = 1 / 3
TRUST = 0.5
_ROWS = 256
_STEPS, _LEARNING_RATE, _FIRST_NOISE = 40, 0.2, -0.7
_DEPTH_SPREAD, _STATISTIC_SPREAD, _DEPTH_STEP = 4.0, 1.0, 1.5


def block_weights(
    rows: Rows,
    blocks: Sequence[Block],
    nuisances: Sequence[Tensor] = (),
    *,
    response_share: float = RESPONSE_SHARE,
    trust: float = TRUST,
) -> Tensor:
    """Weights [blocks] of the blocks' kernels, mean 1; a block's columns are scaled by the square root.

    A taste shows at some depths and in some statistics. Weighing each block by itself would need
    more pictures than there are, so a weight is the product of one number for the depth and one for
    the statistic, depths next to each other alike. They maximise the evidence of a Gaussian process
    whose kernel is the weighted sum (type-II maximum likelihood, MacKay 1992), under a log-normal prior
    around equal weights; views other than the plain one are left out. Their logarithm is used by the share
    `trust`, and a response counts `response_share` of what it is the response of: evidence favours what
    separates the training pictures over what orders weak and strong cases of the same.
    """
    features, labels = _some(rows)
    kernels = _kernels(features, blocks, nuisances)
    logarithms = _most_evident(kernels, labels, blocks)
    prior = torch.tensor([response_share if is_response(block) else 1.0 for block in blocks])
    weights = prior * torch.exp(trust * logarithms.float())
    return weights / weights.mean()


def _some(rows: Rows) -> tuple[Tensor, Tensor]:
    """The plain views of at most `_ROWS` pictures, evenly spread: the evidence takes the cube of their number."""
    count = min(len(rows), _ROWS)
    chosen = torch.linspace(0, len(rows) - 1, count).round().long()
    return rows.features[chosen, 0], rows.labels[chosen].double()


def _kernels(features: Tensor, blocks: Sequence[Block], nuisances: Sequence[Tensor]) -> Tensor:
    """One kernel [blocks, rows, rows] per block, of columns that nuisances do not move."""
    _, _, columns = balanced_columns(features, blocks, nuisances)
    parts = [columns[:, block.start : block.stop] for block in blocks]
    return torch.stack([part @ part.T for part in parts])


def _most_evident(kernels: Tensor, labels: Tensor, blocks: Sequence[Block]) -> Tensor:
    """The logarithms [blocks] of the kernels' weights under which the labels are most likely."""
    count, rows = kernels.shape[:2]
    target = (labels - labels.mean()) / labels.std(correction=0)
    row, column = torch.tril_indices(rows, rows)
    # Half of each kernel says it all. The last is noise.
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
        slope = slope_of_evidence(mixed.view(rows, rows), target).flatten().index_select(0, lower).float()
        slope *= occurs
        parts.grad = terms.T @ (weights * (halves @ slope).double()) + precision @ parts
        optimiser.step()
    found: Tensor = terms[:-1, :-2] @ parts[:-2]
    return found


def _terms_and_prior(blocks: Sequence[Block]) -> tuple[Tensor, Tensor]:
    """Which parts add up to the logarithm of each weight [blocks + 1, parts], and their prior's precision.

    Parts are the depths, the statistics, the scale of all blocks and the noise, whose weight is the last.
    """
    depth_of, depths = _places([(is_response(block), block.tap) for block in blocks])
    statistic_of, statistics = _places([(is_response(block), block.statistic) for block in blocks])
    terms = torch.block_diag(
        torch.cat([one_hot(depth_of), one_hot(statistic_of), torch.ones(len(blocks), 1)], dim=1),
        torch.ones(1, 1),
    )
    # Depths of responses lie beside each other, not beside those of what they are responses of.
    beside = torch.tensor([one[0] == next_[0] for one, next_ in pairwise(depths)], dtype=torch.bool)
    steps = torch.eye(len(depths)).diff(dim=0)[beside] / _DEPTH_STEP
    precision = torch.block_diag(
        torch.eye(len(depths)) / _DEPTH_SPREAD**2 + steps.T @ steps,
        torch.eye(len(statistics)) / _STATISTIC_SPREAD**2,
        torch.zeros(2, 2),
    )
    return terms.double(), precision.double()


def slope_of_evidence(kernel: Tensor, target: Tensor) -> Tensor:
    """How −log N(target; 0, kernel) changes with the kernel [rows, rows] (Rasmussen & Williams 2006, eq. 5.9).

    Of the kernel, which is symmetric, only the lower half is looked at.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel))
    explained = inverse @ target
    return (inverse - torch.outer(explained, explained)) / 2


def _places(names: Sequence[tuple[bool, str]]) -> tuple[Tensor, list[tuple[bool, str]]]:
    """For each name its place among the distinct ones, and those."""
    distinct = list(dict.fromkeys(names))
    return torch.tensor([distinct.index(name) for name in names]), distinct

"""Fitting one head to cached features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from .heads import LinearHead, PaperHead, ProjectedMLPHead
from .metrics import auc, class_weights
from .readout import Block

WHITENING = 0.75
_COMPONENTS = 400
_PROJECTION_ROWS = 800
_ROWS_IN_CACHE, _ROWS_MULTIPLIED = 16, 256  # at a time: copies of all rows would go through main memory
_MLP_COMPONENTS = 128
_MLP_HIDDEN = 64
_MLP_WHITENING = 0.5
_ROW_LENGTH = 10.0
_RESIDUAL_DIRECTIONS, _NOTABLE_SHARE = 3, 0.02

OnEpoch = Callable[[float, float], None]
"""Called after every epoch with the validation loss and AUC. What it raises passes through."""


@dataclass(frozen=True)
class Rows:
    """Cached features of a set of pictures.

    `features` [N, V, D] float32, view 0 being the picture as scoring sees it; `labels` [N], 1 liked
    and 0 ordinary.
    """

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Tensor) -> Rows:
        """The pictures at these positions, or where this mask is set."""
        return Rows(self.features[chosen], self.labels[chosen])

    def plain(self) -> Rows:
        """The pictures as scoring sees them, without their other views."""
        return Rows(self.features[:, :1], self.labels)

    def flat(self) -> tuple[Tensor, Tensor, Tensor]:
        """Every view a row: features [N·V, D], labels [N·V], weights [N·V] that balance the classes."""
        count = self.features.shape[1]
        labels = self.labels.repeat_interleave(count)
        weights = torch.from_numpy(class_weights(self.labels.numpy())).repeat_interleave(count)
        return self.features.flatten(0, 1), labels, weights


@dataclass(frozen=True)
class Projection:
    """Principal components of the balanced columns: (x − mean) · matrix, [D] → [r], widest first.

    `deviations` [r] is the spread of the fitted pictures along each.
    """

    mean: Tensor
    matrix: Tensor
    deviations: Tensor

    def whitened(self, power: float) -> Tensor:
        """The matrix [D, r] with each component divided by its spread to the `power`.

        The rows it gives have the same mean square length for every power.
        """
        factor = self.deviations**-power
        length = (self.deviations * factor).square().sum().sqrt()
        return self.matrix * (factor * (_ROW_LENGTH / length))


@dataclass(frozen=True)
class Directions:
    """The directions in which pictures differ as scoring sees them, and over all their views."""

    plain: Projection
    views: Projection


def find_directions(
    rows: Rows,
    blocks: Sequence[Block],
    nuisances: Sequence[Tensor] = (),
    weights: Tensor | None = None,
) -> Directions:
    """Both by `fit_projection`; `nuisances` and `weights` as `balanced_columns` takes them."""
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
    """Find the directions in which pictures differ; the arguments are those of `balanced_columns`."""
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
    """Features [rows, D] → their mean [D], scale [D], and themselves with the mean off and scaled.

    Columns are standardised, and each block (one statistic of one tap) is given the same total
    weight however wide it is, times its own of `weights` [blocks] if given. `nuisances`: for each, how
    the features of some pictures move under it, [M, D]; nothing is left along their means nor along the
    widest of what is left of them (nuisance attribute projection, Solomonoff, Campbell & Boardman 2005).
    Of more rows than `most` an even selection is given back.
    """
    mean = features.mean(dim=0)
    spread = _spread(features, mean)
    scale = torch.zeros_like(spread)
    for place, block in enumerate(blocks):
        columns = slice(block.start, block.stop)
        # A column that hardly varies beside its own size carries rounding, not information.
        varies = spread[columns] > 1e-5 * mean[columns].abs() + 1e-12
        weight = (block.stop - block.start) ** -0.5 * (
            1.0 if weights is None else float(weights[place]) ** 0.5
        )
        scale[columns] = torch.where(varies, weight / spread[columns].clamp_min(1e-12), 0.0)
    balanced = (features if most is None else _evenly(features, most)) - mean
    balanced *= scale
    if nuisances:
        barred = _barred([differences * scale for differences in nuisances])
        balanced -= (balanced @ barred) @ barred.T
    return mean, scale, balanced


def _spread(features: Tensor, mean: Tensor) -> Tensor:
    """The standard deviation of each column [D]."""
    squares = torch.zeros_like(mean)
    for some in features.split(_ROWS_IN_CACHE):
        squares += (some - mean).square_().sum(dim=0)
    return (squares / len(features)).sqrt()


def _projected(features: Tensor, mean: Tensor, matrix: Tensor) -> Tensor:
    """(features [rows, …, D] − mean) · matrix [D, r] → [rows, …, r]."""
    return torch.cat([(some - mean) @ matrix for some in features.split(_ROWS_MULTIPLIED)])


def _evenly(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most).round().long()]


def _barred(nuisances: Sequence[Tensor]) -> Tensor:
    """An orthonormal basis [D, k] of what the nuisances [M, D] do."""
    rows: list[Tensor] = []
    for differences in nuisances:
        mean = differences.mean(dim=0, keepdim=True)
        some = _evenly(differences, _PROJECTION_ROWS)
        directions, deviations = _principal_components(some - mean, _RESIDUAL_DIRECTIONS)
        # A direction of next to no length is rounding, and points anywhere.
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
    """Every product of two rows [N, N]: those of one half with the other once, since they are twice the same."""
    if not splits or len(rows) < 2:
        return rows @ rows.T
    first, second = rows.chunk(2)
    across = first @ second.T
    return torch.cat([
        torch.cat([_gram(first, splits - 1), across], dim=1),
        torch.cat([across.T, _gram(second, splits - 1)], dim=1),
    ])  # fmt: skip


def fit_linear_heads(
    rows: Rows,
    directions: Directions,
    penalties: Sequence[float],
    on_fit: Callable[[], None] = lambda: None,
    whitening: float = WHITENING,
) -> list[LinearHead]:
    """One head per penalty: the mean of one learned from the pictures as they are and one from all their views.

    Views teach what a taste does not depend on, and the order of what is alike with it. What a taste has in
    light, colour and fine structure they blur; the pictures as they are keep that. `penalties` and `on_fit`
    as in `fit_linear_path`.
    """
    paths = [fit_linear_path(rows.plain(), directions.plain, whitening, penalties, on_fit)]
    if rows.features.shape[1] > 1:
        paths.append(fit_linear_path(rows, directions.views, whitening, penalties, on_fit))
    return [LinearHead.mean_of(heads) for heads in zip(*paths, strict=True)]


def fit_linear_path(
    rows: Rows,
    projection: Projection,
    whitening: float,
    penalties: Sequence[float],
    on_fit: Callable[[], None] = lambda: None,
) -> list[LinearHead]:
    """One ridge-penalised logistic regression per penalty, on components whitened to the power `whitening`.

    What a picture *shows* fills the widest components, what it looks like the narrow ones. Full
    whitening (power 1) is linear discriminant analysis, which is noisy with few pictures; none
    (power 0) lets content drown taste. `penalties` fall, so that each fit starts where the last ended.
    `on_fit` is called after each.
    """
    features, labels, weights = rows.flat()
    matrix = projection.whitened(whitening)
    z = _projected(features, projection.mean, matrix)
    solution = z.new_zeros(z.shape[1] + 1)
    heads = []
    for penalty in penalties:
        solution = _logistic_regression(z, labels.float(), weights.float(), penalty, solution)
        heads.append(LinearHead(projection.mean, matrix @ solution[:-1], solution[-1]))
        on_fit()
    return heads


def _logistic_regression(z: Tensor, labels: Tensor, weights: Tensor, penalty: float, start: Tensor) -> Tensor:
    """Minimise balanced cross-entropy + penalty / 2 · |w|²; the last entry is the free bias.

    The columns of `z` are uncorrelated, so a diagonal preconditioner (the curvature's upper bound,
    Böhning 1992) leaves L-BFGS little to do.
    """
    bound = torch.cat([z.square().mean(dim=0) / 4 + penalty, z.new_full((1,), 0.25)])
    unit = bound.rsqrt()
    parameters = start / unit
    optimiser = torch.optim.LBFGS(
        [parameters], max_iter=100, history_size=20, tolerance_grad=1e-5, tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> Tensor:
        solution = parameters * unit
        logits = z @ solution[:-1] + solution[-1]
        value = binary_cross_entropy_with_logits(logits, labels, weight=weights)
        # In closed form: on problems this small autograd takes as long as the arithmetic.
        error = (logits.sigmoid() - labels) * weights / len(labels)
        slope = torch.cat([error @ z + penalty * solution[:-1], error.sum().unsqueeze(0)])
        parameters.grad = slope * unit
        return value + penalty / 2 * solution[:-1].square().sum()

    with torch.no_grad():
        optimiser.step(loss)
        return parameters * unit


@dataclass(frozen=True)
class Schedule:
    """How an MLP is trained: AdamW, with an early stop on validation AUC."""

    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float


_MLP_SCHEDULE = Schedule(epochs=60, patience=10, batch_size=256, learning_rate=2e-3, weight_decay=1e-1)
_PAPER_SCHEDULE = Schedule(epochs=50, patience=10, batch_size=64, learning_rate=1e-3, weight_decay=1e-2)


def fit_mlp(
    rows: Rows, validation: Rows, projection: Projection, seed: int, on_epoch: OnEpoch | None = None
) -> ProjectedMLPHead:
    """A small MLP on the leading whitened components."""
    with _seeded(seed):
        matrix = projection.whitened(_MLP_WHITENING)[:, :_MLP_COMPONENTS]
        head = ProjectedMLPHead(projection.mean, matrix, _MLP_HIDDEN, dropout=0.3)
        # The projection stays as it is, so the pictures pass it once instead of once an epoch.
        learned, judged = (
            Rows(_projected(part.features, head.mean, matrix), part.labels) for part in (rows, validation)
        )
        _train(nn.Sequential(head.layers, nn.Flatten(0)), learned, judged, _MLP_SCHEDULE, on_epoch)
    return head.eval()


def fit_paper_head(rows: Rows, validation: Rows, seed: int, on_epoch: OnEpoch | None = None) -> PaperHead:
    """The MLP of the paper preset."""
    with _seeded(seed):
        head = PaperHead(rows.features.shape[-1])
        _train(head, rows, validation, _PAPER_SCHEDULE, on_epoch)
    return head


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """One at a time: the process has one generator, and heads are fitted in several threads."""
    with _GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


_GENERATOR = Lock()


def _train(
    head: nn.Module, rows: Rows, validation: Rows, schedule: Schedule, on_epoch: OnEpoch | None
) -> None:
    """Train in place and leave the weights of the best epoch; the last where nothing can be judged."""
    judged = len(validation.labels.unique()) == 2
    features, labels, weights = rows.flat()
    labels, weights = labels.float(), weights.float()
    optimiser = torch.optim.AdamW(
        head.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    best, best_reached, waited = _copy_of(head), (-1.0, 0.0), 0
    for _ in range(schedule.epochs):
        head.train()
        for chosen in torch.randperm(len(labels)).split(schedule.batch_size):
            loss = binary_cross_entropy_with_logits(
                head(features[chosen]), labels[chosen], weight=weights[chosen]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        head.eval()
        with torch.no_grad():
            reached = quality(head(validation.features[:, 0]), validation.labels)
        if on_epoch:
            on_epoch(-reached[1], reached[0])
        if not judged or reached > best_reached:
            best, best_reached, waited = _copy_of(head), reached, 0
        elif (waited := waited + 1) >= schedule.patience:
            break
    head.load_state_dict(best)
    head.requires_grad_(False)


def quality(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """AUC, and the loss to decide between equal ones; larger is better."""
    loss = float(binary_cross_entropy_with_logits(logits, labels.float()))
    return auc(logits.numpy(), labels.numpy()), -loss


def _copy_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

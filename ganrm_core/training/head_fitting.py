"""Fitting heads to cached features: ridge-penalised logistic regression and small MLPs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ..metrics.binary import auc
from ..rewards.discriminator.heads import LinearHead, PaperHead, ProjectedMLPHead
from .feature_rows import Rows
from .whitening import WHITENING, Directions, Projection, projected

_MLP_COMPONENTS = 128
_MLP_HIDDEN = 64
_MLP_WHITENING = 0.5

OnEpoch = Callable[[float, float], None]
"""Called after every epoch with the validation loss and AUC. What it raises passes through."""


def fit_linear_heads(
    rows: Rows,
    directions: Directions,
    penalties: Sequence[float],
    on_fit: Callable[[], None] = lambda: None,
    whitening: float = WHITENING,
) -> list[LinearHead]:
    """One head per penalty: the mean of a head fitted to the plain views and one fitted to all views.

    Augmented views teach invariance, and rank similar pictures better. They blur what a taste has in light, colour
    and fine structure, which the plain views keep. `penalties` and `on_fit` as in `fit_linear_path`.
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

    Content fills the components of large variance, style those of small variance. Full whitening (power 1) is linear
    discriminant analysis, which is noisy with few pictures; none (power 0) lets content drown style. `penalties` fall,
    so that each fit warm-starts from the last. `on_fit` is called after each.
    """
    features, labels, weights = rows.flat()
    matrix = projection.whitened(whitening)
    z = projected(features, projection.mean, matrix)
    solution = z.new_zeros(z.shape[1] + 1)
    heads = []
    for penalty in penalties:
        solution = _logistic_regression(z, labels.float(), weights.float(), penalty, solution)
        heads.append(LinearHead(projection.mean, matrix @ solution[:-1], solution[-1]))
        on_fit()
    return heads


def _logistic_regression(z: Tensor, labels: Tensor, weights: Tensor, penalty: float, start: Tensor) -> Tensor:
    """Weights [r + 1], the last the unpenalised bias, that minimise balanced cross-entropy + penalty / 2 · |w|².

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
        # Gradient in closed form: on problems this small autograd takes as long as the arithmetic.
        error = (logits.sigmoid() - labels) * weights / len(labels)
        slope = torch.cat([error @ z + penalty * solution[:-1], error.sum().unsqueeze(0)])
        parameters.grad = slope * unit
        return value + penalty / 2 * solution[:-1].square().sum()

    with torch.no_grad():
        optimiser.step(loss)
        return parameters * unit


@dataclass(frozen=True)
class Schedule:
    """Hyperparameters of an MLP: AdamW, early stop on validation AUC."""

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
        # The projection is not trained, so the pictures pass it once instead of once an epoch.
        learned, judged = (
            Rows(projected(part.features, head.mean, matrix), part.labels) for part in (rows, validation)
        )
        _train(nn.Sequential(head.layers, nn.Flatten(0)), learned, judged, _MLP_SCHEDULE, on_epoch)
    return head.eval()


def fit_paper_head(rows: Rows, validation: Rows, seed: int, on_epoch: OnEpoch | None = None) -> PaperHead:
    """The MLP of the paper preset, on raw features."""
    with _seeded(seed):
        head = PaperHead(rows.features.shape[-1])
        _train(head, rows, validation, _PAPER_SCHEDULE, on_epoch)
    return head


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeded random numbers, one thread at a time: the process has one generator, and folds are fitted in threads."""
    with _GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


_GENERATOR = Lock()


def _train(
    head: nn.Module, rows: Rows, validation: Rows, schedule: Schedule, on_epoch: OnEpoch | None
) -> None:
    """Train in place and keep the best epoch's weights; the last epoch's where validation has one class only."""
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
    """(AUC, −loss), to be compared as tuples: the loss decides between equal AUCs."""
    loss = float(binary_cross_entropy_with_logits(logits, labels.float()))
    return auc(logits.numpy(), labels.numpy()), -loss


def _copy_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

"""Cross-validation: no leakage between folds, the presets, cancelling."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ganrm_core.data.splits import FOLDS, assign_folds
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.heads import Head
from ganrm_core.rewards.discriminator.readout import Block
from ganrm_core.training import cross_validation, head_fitting
from ganrm_core.training.cross_validation import Candidates, FitOptions, cross_validate, fit_default
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.fit_progress import FitProgress
from ganrm_core.training.head_config import HeadConfig
from ganrm_core.training.head_fitting import fit_linear_path
from ganrm_core.training.whitening import fit_projection
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress, ProgressCallback, no_progress

LINEAR = [HeadConfig("linear", 0.5, penalty) for penalty in (1.0, 0.1, 0.01)]
MLP = HeadConfig("mlp")
QUICK = head_fitting.Schedule(epochs=10, patience=10, batch_size=16, learning_rate=3e-3, weight_decay=1e-2)
# Block weights have tests of their own, and take most of the time.
EQUAL = FitOptions(weigh=lambda _rows, blocks, _nuisances: torch.ones(len(blocks)))


class CancelledError(BaseException):
    pass


def blocks(width: int = 16) -> tuple[Block, ...]:
    return Block("a", "mean", 0, width // 2), Block("a", "std", width // 2, width)


def rows(count: int = 40, shift: float = 0.0, seed: int = 0) -> Rows:
    """Half of them liked: these lie `shift` further along the first of 16 columns."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) < count // 2).float()
    features = torch.randn(count, 1, 16, generator=generator)
    features[:, :, 0] += shift * labels[:, None]
    return Rows(features, labels)


def default(given: Rows, progress: ProgressCallback = no_progress, groups: Any = None) -> Any:
    groups = np.arange(len(given)) if groups is None else groups
    return fit_default(given, groups, blocks(), seed=0, progress=progress, options=EQUAL)


def linear_path(given: Rows, *_: object) -> dict[HeadConfig, Head]:
    projection = fit_projection(given.flat()[0], blocks())
    return dict(zip(LINEAR, fit_linear_path(given, projection, 0.5, (1.0, 0.1, 0.01)), strict=True))


def reached(given: Rows, groups: np.ndarray, fit_all: Callable[..., Any]) -> float:
    """The held-out AUC."""
    steps = FitProgress(no_progress, FOLDS)
    validated = cross_validate(given, groups, Candidates(fit_all), seed=0, steps=steps)
    return auc(validated.held_out_scores, given.labels.numpy())


class Memory(torch.nn.Module):
    """Knows by heart what it was shown, and nothing else: the label of the nearest picture."""

    def __init__(self, shown: Rows) -> None:
        super().__init__()
        self.features, self.labels = shown.features[:, 0], shown.labels

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        nearest = torch.cdist(features, self.features).argmin(dim=1)
        return self.labels[nearest] * 8 - 4


class TestNothingLeaks:
    def test_learning_by_heart_earns_nothing_and_near_duplicates_must_be_grouped(self) -> None:
        once = rows(100, seed=2)
        noise = 0.01 * torch.randn(once.features.shape, generator=torch.Generator().manual_seed(3))
        twice = Rows(torch.cat([once.features, once.features + noise]), torch.cat([once.labels] * 2))

        def by_heart(part: Rows, *_: object) -> dict[HeadConfig, Any]:
            return {MLP: Memory(part)}

        assert reached(once, np.arange(100), by_heart) < 0.65
        assert reached(twice, np.tile(np.arange(100), 2), by_heart) < 0.65
        assert reached(twice, np.arange(200), by_heart) > 0.8  # what the groups protect from

    def test_shuffled_labels_give_chance(self) -> None:
        aucs = [reached(rows(100, seed=seed), np.arange(100), linear_path) for seed in range(10, 15)]
        # One AUC has a standard deviation of about 0.07, the mean of five about 0.03.
        assert 0.4 < np.mean(aucs) < 0.59


class TestDefault:
    def test_separable_pictures_are_separated(self) -> None:
        given, steps = rows(60, shift=4.0), []
        fitted = default(given, steps.append)
        assert auc(fitted.held_out_scores, given.labels.numpy()) > 0.97
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert len({step.done for step in steps}) == steps[-1].total + 1 == steps[-1].done + 1
        assert fitted.held_out.tolist() == list(range(60))
        assert fitted.config.kind == fitted.layer.kind == "linear"
        assert fitted.candidate == fitted.config.description
        assert len(fitted.layer.siblings) == FOLDS
        unseen = rows(60, shift=4.0, seed=5)
        logits, spread = fitted.layer(unseen.features[:, 0])
        assert auc(logits.numpy(), unseen.labels.numpy()) > 0.97
        assert (spread > 0).all()
        scores = fitted.calibration.scores(logits.numpy())
        assert scores[:30].mean() > 0.75 > 0.25 > scores[30:].mean()
        of_folds = torch.stack([sibling(unseen.features[:, 0]) for sibling in fitted.layer.siblings])
        torch.testing.assert_close(logits, of_folds.mean(dim=0))
        # The curve is the regularisation path from which the head was chosen.
        path = fitted.history
        assert path.choice
        assert path.chosen == int(np.argmin(path.loss))
        assert fitted.config.penalty == cross_validation._PENALTIES[path.chosen]

    def test_repeats_to_the_bit_with_folds_fitted_in_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given, steps = rows(shift=1.0), []
        alone = default(given)
        torch.manual_seed(123)
        monkeypatch.setattr(cross_validation, "_threads_for", lambda _: 3)
        together = default(given, steps.append)
        assert (alone.config, alone.calibration) == (together.config, together.calibration)
        np.testing.assert_array_equal(alone.held_out_scores, together.held_out_scores)
        for name, tensor in alone.layer.state_dict().items():
            assert torch.equal(tensor, together.layer.state_dict()[name]), name
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].total

    def test_an_mlp_that_is_chosen_or_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(head_fitting, "_MLP_SCHEDULE", QUICK)
        fits, fit_mlp = [], cross_validation.fit_mlp
        monkeypatch.setattr(cross_validation, "fit_mlp", lambda *a: (fits.append(1), fit_mlp(*a))[1])
        monkeypatch.setattr(cross_validation, "hopeless", lambda *_: {MLP})
        assert default(rows(shift=1.0)).config.kind == "linear"
        assert len(fits) == cross_validation._TRIAL_FOLDS
        monkeypatch.setattr(cross_validation, "hopeless", lambda *_: set())
        monkeypatch.setattr(cross_validation, "choose", lambda *_: MLP)
        chosen = default(rows(shift=1.0))
        assert chosen.candidate == chosen.layer.kind == "mlp"
        # A small network has epochs, and no path.
        assert not chosen.history.choice
        assert chosen.history.step == "epoch"
        assert len(chosen.history.loss) == len(chosen.history.auc) > 1

    @pytest.mark.parametrize(
        "groups", [np.zeros(40, int), np.r_[np.zeros(20, int), np.arange(1, 21)]], ids=["all", "liked"]
    )
    def test_pictures_that_are_all_alike_are_refused(self, groups: np.ndarray) -> None:
        with pytest.raises(DataError, match="nearly all the same"):
            default(rows(shift=1.0), groups=groups)

    def test_folds_at_once_fit_into_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cross_validation, "threads_to_share", lambda: 4)
        given = rows()
        for room, threads in ((100, 4), (4.1, 4), (3.1, 3), (2.1, 2), (1.1, 0), (0.1, 0)):
            most = int(room * cross_validation._COPIES * given.features.nbytes)
            monkeypatch.setattr(cross_validation, "_MOST_BYTES", most)
            assert cross_validation._threads_for(given) == threads


def test_the_paper_preset_fits_one_more_head_to_all_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_fitting, "_PAPER_SCHEDULE", QUICK)
    fits, fit_all, steps = [], cross_validation.fit_paper_head, []
    monkeypatch.setattr(
        cross_validation, "fit_paper_head", lambda *a: (fits.append(len(a[0]) + len(a[1])), fit_all(*a))[1]
    )
    given = rows(60, shift=5.0)
    fitted = cross_validation.fit_paper(given, np.arange(60), seed=0, progress=steps.append)
    assert fits == [54] * FOLDS + [60]
    assert (steps[-1].done, steps[-1].total) == (FOLDS + 1, FOLDS + 1)
    assert fitted.candidate == "paper mlp"
    assert fitted.config == HeadConfig("paper")
    assert fitted.layer.kind == "paper"
    assert auc(fitted.held_out_scores, given.labels.numpy()) > 0.9


@pytest.mark.parametrize("by_the_callback", [True, False])
def test_what_ends_a_fit_ends_folds_in_other_threads(by_the_callback: bool) -> None:
    started: list[int] = []
    ended: list[int] = []
    folds = assign_folds(rows().labels.numpy().astype(np.int64), np.arange(40), FOLDS, 0)

    def fit_all(_part: Rows, groups: Any, _dropped: object, steps: FitProgress) -> Any:
        started.append(1)
        # Not the first call: results are taken in the order of the folds, whichever thread is the first to start.
        if not by_the_callback and np.array_equal(groups, np.flatnonzero(folds != 0)):
            while len(started) < 2:
                time.sleep(0.01)
            raise CancelledError
        try:
            for _ in range(1000):
                time.sleep(0.01)
                steps.epoch(0.0, 0.5)
        finally:
            ended.append(1)

    def callback(_: Progress) -> None:
        if by_the_callback and len(started) == 2:
            raise CancelledError

    candidates, steps = Candidates(fit_all, threads=2), FitProgress(callback, FOLDS)
    with pytest.raises(CancelledError):
        cross_validate(rows(), np.arange(40), candidates, seed=0, steps=steps)
    assert len(started) in (2, 3)
    assert len(ended) == len(started) - (not by_the_callback)

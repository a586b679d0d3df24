from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from ganrm_core.data.splits import FOLDS, assign_folds
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.heads import Head, LinearHead
from ganrm_core.rewards.discriminator.readout import Block
from ganrm_core.training import cross_validation
from ganrm_core.training.cross_validation import FittedHead, fit_default, fit_paper
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.head_fitting import fit_linear_path
from ganrm_core.training.whitening import fit_projection
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress, ProgressCallback, no_progress

FitAll = Callable[[Rows, np.ndarray, cross_validation._Steps], dict[str, Head]]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The matrices are tiny: a second thread only waits for the first."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def blocks(width: int) -> tuple[Block, ...]:
    return Block("a", "mean", 0, width // 2), Block("a", "std", width // 2, width)


def rows(count: int = 60, width: int = 16, shift: float = 0.0, seed: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) < count // 2).float()
    features = torch.randn(count, 1, width, generator=generator)
    features[:, :, 0] += shift * labels[:, None]
    return Rows(features, labels)


def default(given: Rows, groups: np.ndarray | None = None, seed: int = 0) -> FittedHead:
    groups = np.arange(len(given)) if groups is None else groups
    return fit_default(given, groups, blocks(given.features.shape[-1]), seed=seed, progress=no_progress)


def one_linear_head(given: Rows, _: np.ndarray, __: object) -> dict[str, Head]:
    projection = fit_projection(given.flat()[0], blocks(given.features.shape[-1]))
    return {"linear": fit_linear_path(given, projection, 0.5, (0.1,))[0]}


def cross_validate(
    given: Rows, fit_all: FitAll, groups: np.ndarray | None = None, progress: ProgressCallback = no_progress
) -> FittedHead:
    groups = np.arange(len(given)) if groups is None else groups
    steps = cross_validation._Steps(progress, FOLDS)
    return cross_validation._cross_validate(given, groups, fit_all, None, seed=0, steps=steps)


class TestFolds:
    def test_both_classes_spread_evenly(self) -> None:
        labels = np.repeat([1, 0], [33, 57])
        folds = assign_folds(labels, np.arange(90), 5, seed=0)
        counts = np.array([[((folds == k) & (labels == y)).sum() for y in (0, 1)] for k in range(5)])
        assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
        assert counts.sum(axis=1).max() - counts.sum(axis=1).min() <= 1

    @pytest.mark.parametrize("seed", range(6))
    def test_groups_stay_whole_and_classes_even(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        labels = np.repeat([1, 0], [60, 100])
        # Some groups hold both classes.
        groups = np.where(rng.random(160) < 0.3, rng.integers(0, 12, 160), 1000 + np.arange(160))
        folds = assign_folds(labels, groups, 5, seed)
        assert set(folds) == set(range(5))
        for group in np.unique(groups):
            assert len(set(folds[groups == group])) == 1
        for label, ideal in ((1, 12), (0, 20)):
            counts = np.bincount(folds[labels == label], minlength=5)
            assert np.abs(counts - ideal).max() <= 3

    def test_one_large_group_gets_a_fold_of_its_own(self) -> None:
        labels = np.repeat([1, 0], 50)
        groups = np.r_[np.zeros(20, int), np.arange(1, 81)]
        folds = assign_folds(labels, groups, 5, seed=0)
        alone = folds[0]
        assert ((folds == alone) & (labels == 1)).sum() == 20
        others = [((folds == k) & (labels == 1)).sum() for k in range(5) if k != alone]
        assert max(others) - min(others) <= 1

    def test_the_seed_decides(self) -> None:
        labels, groups = np.repeat([1, 0], 30), np.arange(60)
        first, again, other = (assign_folds(labels, groups, 5, seed) for seed in (1, 1, 2))
        assert (first == again).all()
        assert (first != other).any()

    def test_names_of_groups_do_not_matter(self) -> None:
        labels = np.repeat([1, 0], 30)
        groups = np.arange(60) // 3
        assert (assign_folds(labels, groups, 5, 0) == assign_folds(labels, groups * 7 + 100, 5, 0)).all()


class Memory(torch.nn.Module):
    """Knows by heart what it was shown, and nothing else: the label of the nearest picture."""

    def __init__(self, shown: Rows) -> None:
        super().__init__()
        self.features, self.labels = shown.features[:, 0], shown.labels

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        nearest = torch.cdist(features, self.features).argmin(dim=1)
        return self.labels[nearest] * 8 - 4


class TestNothingLeaks:
    def test_no_head_judges_what_it_or_its_group_was_shown(self) -> None:
        given = rows(60)
        numbers = torch.arange(60.0)
        given = Rows(torch.stack([numbers] * 3, dim=1).unsqueeze(1), given.labels)
        groups = np.arange(60) // 2
        shown: list[set[int]] = []
        judged: dict[int, set[int]] = {}

        class Spy(LinearHead):
            def __init__(self, number: int) -> None:
                super().__init__(torch.zeros(3), torch.ones(3), torch.tensor(0.0))
                self.number = number

            def forward(self, features: torch.Tensor) -> torch.Tensor:
                judged.setdefault(self.number, set()).update(features[:, 0].int().tolist())
                return super().forward(features)

        def fit_all(part: Rows, part_groups: np.ndarray, _: object) -> dict[str, Head]:
            pictures = part.features[:, 0, 0].int().tolist()
            assert (groups[pictures] == part_groups).all()
            shown.append(set(pictures))
            return {"linear": Spy(len(shown) - 1)}

        cross_validate(given, fit_all, groups)
        assert len(shown) == FOLDS
        assert set.union(*shown) == set(range(60))
        assert sorted(picture for fold in range(FOLDS) for picture in judged[fold]) == list(range(60))
        for fold in range(FOLDS):
            assert not {groups[i] for i in shown[fold]} & {groups[i] for i in judged[fold]}

    def test_what_has_no_mean_is_fitted_to_every_picture_in_the_end(self) -> None:
        given, shown, done = rows(60), [], []

        def fit_all(part: Rows, _groups: object, steps: cross_validation._Steps) -> dict[str, Head]:
            shown.append(len(part))
            steps.fitted()
            return {"memory": Memory(part)}  # type: ignore[dict-item]

        fitted = cross_validate(given, fit_all, progress=lambda step: done.append((step.done, step.total)))
        assert shown == [54] * FOLDS + [60]
        assert len(fitted.layer.head.labels) == 60  # type: ignore[arg-type]
        assert done[-1] == (FOLDS + 1, FOLDS + 1)

    def test_learning_by_heart_earns_nothing(self) -> None:
        given = rows(200, seed=1)
        fitted = cross_validate(given, lambda part, *_: {"memory": Memory(part)})  # type: ignore[dict-item]
        assert auc(fitted.held_out_scores, given.labels.numpy()) < 0.65

    def test_near_duplicates_earn_nothing_if_they_are_grouped(self) -> None:
        once = rows(100, seed=2)
        noise = 0.01 * torch.randn(once.features.shape, generator=torch.Generator().manual_seed(3))
        twice = Rows(torch.cat([once.features, once.features + noise]), torch.cat([once.labels] * 2))

        def reached(groups: np.ndarray) -> float:
            fitted = cross_validate(twice, lambda part, *_: {"memory": Memory(part)}, groups)  # type: ignore[dict-item]
            return auc(fitted.held_out_scores, twice.labels.numpy())

        assert reached(np.tile(np.arange(100), 2)) < 0.65
        assert reached(np.arange(200)) > 0.8  # what the groups protect from

    def test_the_head_of_a_fold_does_not_depend_on_that_fold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        folds = np.arange(60) % FOLDS
        monkeypatch.setattr(cross_validation, "assign_folds", lambda *_: folds)
        given = rows(60, shift=1.0)
        inside = torch.from_numpy(folds == 2)
        changed = Rows(given.features.clone(), given.labels.clone())
        changed.features[inside] = 3 - 2 * changed.features[inside]
        changed.labels[inside] = 1 - changed.labels[inside]
        before, after = (cross_validate(r, one_linear_head).layer.siblings for r in (given, changed))
        for fold in range(FOLDS):
            same = torch.equal(before[fold].weight, after[fold].weight)  # type: ignore[arg-type]
            assert same == (fold == 2)

    def test_calibration_and_choice_of_a_fold_come_from_the_others(self) -> None:
        """Changing the logits of one fold must change no score through that fold's own calibration."""
        rng = np.random.default_rng(0)
        labels = np.repeat([1, 0], 50)
        folds = np.arange(100) % FOLDS
        good = labels * 2.0 + rng.normal(size=100)
        held_out = {"linear a": good, "linear b": rng.normal(size=100)}
        before = cross_validation._honest_scores(held_out, labels, folds)
        inside = folds == 1
        # In fold 1 the good head now fails and the bad one shines: fold 1 itself must not notice.
        spoilt = {
            "linear a": np.where(inside, -5 * good, good),
            "linear b": np.where(inside, 50 * labels, held_out["linear b"]),
        }
        flipped = np.where(inside, 1 - labels, labels)
        same_logits = cross_validation._honest_scores(held_out, flipped, folds)
        np.testing.assert_allclose(same_logits[inside], before[inside])
        after = cross_validation._honest_scores(spoilt, labels, folds)
        assert auc(after[inside], labels[inside]) < 0.5

    def test_shuffled_labels_give_chance(self) -> None:
        reached = []
        for seed in range(5):
            given = rows(100, seed=10 + seed)
            reached.append(auc(default(given, seed=seed).held_out_scores, given.labels.numpy()))
        # One AUC has a standard deviation of about 0.07, the mean of five about 0.03.
        assert 0.4 < np.mean(reached) < 0.59


class TestDefault:
    def test_separable_pictures_are_separated(self) -> None:
        given = rows(shift=4.0)
        steps: list[Progress] = []
        fitted = fit_default(given, np.arange(60), blocks(16), seed=0, progress=steps.append)
        assert auc(fitted.held_out_scores, given.labels.numpy()) > 0.97
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].total
        assert len({step.done for step in steps}) == steps[-1].total + 1
        assert fitted.held_out.tolist() == list(range(60))
        assert fitted.candidate.startswith("linear")
        assert fitted.layer.kind == "linear"
        assert len(fitted.layer.siblings) == FOLDS
        unseen = rows(shift=4.0, seed=5)
        logits, spread = fitted.layer(unseen.features[:, 0])
        assert auc(logits.numpy(), unseen.labels.numpy()) > 0.97
        assert (spread > 0).all()
        scores = fitted.calibration.scores(logits.numpy())
        assert scores[:30].mean() > 0.75
        assert scores[30:].mean() < 0.25

    def test_the_head_is_the_mean_of_the_folds_heads(self) -> None:
        fitted = default(rows(shift=1.0))
        unseen = rows(shift=1.0, seed=5).features[:, 0]
        of_folds = torch.stack([sibling(unseen) for sibling in fitted.layer.siblings])
        torch.testing.assert_close(fitted.layer.head(unseen), of_folds.mean(dim=0))

    def test_the_mlp_where_no_line_divides(self) -> None:
        generator = torch.Generator().manual_seed(1)
        corners = torch.randint(0, 2, (200, 2), generator=generator) * 2.0 - 1
        features = torch.randn(200, 4, generator=generator) * 0.3
        features[:, :2] += 2 * corners
        given = Rows(features.unsqueeze(1), (corners.prod(dim=1) > 0).float())
        fitted = default(given)
        assert fitted.candidate == "mlp"
        assert fitted.layer.kind == "mlp"
        assert auc(fitted.held_out_scores, given.labels.numpy()) > 0.9

    def test_repeats_to_the_bit(self) -> None:
        given = rows(40, shift=1.0)
        first = default(given, seed=3)
        torch.manual_seed(123)
        again = default(given, seed=3)
        assert first.candidate == again.candidate
        assert first.calibration == again.calibration
        np.testing.assert_array_equal(first.held_out_scores, again.held_out_scores)
        for name, tensor in first.layer.state_dict().items():
            assert torch.equal(tensor, again.layer.state_dict()[name]), name

    def test_only_the_first_view_is_judged(self) -> None:
        given = rows(40, shift=2.0)
        noise = torch.randn(given.features.shape, generator=torch.Generator().manual_seed(8))
        views = Rows(torch.cat([given.features, given.features + 0.1 * noise], dim=1), given.labels)
        fitted = cross_validate(views, one_linear_head)
        folds = assign_folds(given.labels.numpy().astype(int), np.arange(40), FOLDS, 0)
        for fold in range(FOLDS):
            logits = fitted.layer.siblings[fold](views.features[folds == fold, 0]).numpy()
            order = np.argsort(fitted.held_out_scores[folds == fold])
            np.testing.assert_array_equal(order, np.argsort(logits))

    def test_what_the_progress_raises_passes_through(self) -> None:
        class Cancelled(BaseException):
            pass

        def cancel(_: Progress) -> None:
            raise Cancelled

        with pytest.raises(Cancelled):
            fit_default(rows(30), np.arange(30), blocks(16), seed=0, progress=cancel)

    def test_several_folds_at_once_are_the_same_to_the_bit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given, steps = rows(60, shift=1.0), []
        alone = default(given)
        monkeypatch.setattr(cross_validation, "_threads_for", lambda _: 3)
        together = fit_default(given, np.arange(60), blocks(16), seed=0, progress=steps.append)
        np.testing.assert_array_equal(alone.held_out_scores, together.held_out_scores)
        for name, tensor in alone.layer.state_dict().items():
            assert torch.equal(tensor, together.layer.state_dict()[name]), name
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].total

    @pytest.mark.parametrize("from_the_report", [True, False])
    def test_what_ends_the_fit_ends_folds_in_other_threads(self, from_the_report: bool) -> None:
        class Cancelled(BaseException):
            pass

        def fit_all(_part: Rows, _groups: object, steps: cross_validation._Steps) -> dict[str, Head]:
            started.append(1)
            if not from_the_report and len(started) == 1:
                while len(started) < 2:
                    time.sleep(0.01)
                raise Cancelled
            try:
                for _ in range(1000):
                    time.sleep(0.01)
                    steps.epoch(0.0, 0.5)
            except Exception:
                ended.append(1)
                raise
            return {}

        def report(_: Progress) -> None:
            if from_the_report and len(started) == 2:
                raise Cancelled

        started: list[int] = []
        ended: list[int] = []
        given = rows(60)
        steps = cross_validation._Steps(report, FOLDS)
        with pytest.raises(Cancelled):
            cross_validation._cross_validate(
                given, np.arange(60), fit_all, None, seed=0, steps=steps, threads=2
            )
        assert len(started) in (2, 3)
        assert len(ended) == len(started) - (not from_the_report)

    def test_folds_at_once_fit_into_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cross_validation, "threads_to_share", lambda: 4)
        given = rows(60)
        size = given.features.nbytes
        for room, threads in ((100, 4), (4.1, 4), (3.1, 3), (2.1, 2), (1.1, 0), (0.1, 0)):
            monkeypatch.setattr(cross_validation, "_MOST_BYTES", int(room * cross_validation._COPIES * size))
            assert cross_validation._threads_for(given) == threads

    def test_an_mlp_that_falls_behind_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fits = []
        fit_mlp = cross_validation.fit_mlp

        def counted(*given: Any) -> Any:
            fits.append(given)
            return fit_mlp(*given)

        monkeypatch.setattr(cross_validation, "fit_mlp", counted)
        monkeypatch.setattr(cross_validation, "_hopeless", lambda *_: {"mlp"})
        fitted = default(rows(60, shift=1.0))
        assert len(fits) == cross_validation._TRIAL_FOLDS
        assert fitted.candidate.startswith("linear")

    @pytest.mark.parametrize(
        "groups",
        [
            np.zeros(40, int),
            np.r_[np.zeros(20, int), np.arange(1, 21)],
        ],
        ids=["all pictures alike", "all liked pictures alike"],
    )
    def test_refuses_what_cannot_be_split(self, groups: np.ndarray) -> None:
        with pytest.raises(DataError):
            default(rows(40, shift=1.0), groups)


class TestPaper:
    def test_separable_pictures_are_separated(self) -> None:
        given = rows(100, shift=5.0)
        fitted = fit_paper(given, np.arange(100), seed=0, progress=no_progress)
        assert fitted.candidate == "paper mlp"
        assert fitted.layer.kind == "paper"
        assert auc(fitted.held_out_scores, given.labels.numpy()) > 0.9


class TestChoice:
    labels = np.repeat([1, 0], 100)

    def logits(self, strength: float, seed: int = 0) -> np.ndarray:
        return strength * (2 * self.labels - 1) + np.random.default_rng(seed).normal(size=200)

    def choose(self, **held_out: np.ndarray) -> str:
        named = {name.replace("_", " "): logits for name, logits in held_out.items()}
        return cross_validation._choose(named, self.labels)

    def test_the_better_linear_head(self) -> None:
        assert self.choose(linear_a=self.logits(0.3), linear_b=self.logits(1.0)) == "linear b"

    def test_the_scale_of_logits_does_not_count(self) -> None:
        assert self.choose(linear_a=0.5 * self.logits(0.3), linear_b=100 * self.logits(1.0)) == "linear b"
        assert (
            self.choose(linear_a=0.5 * self.logits(0.3), linear_b=0.001 * self.logits(1.0) + 7) == "linear b"
        )

    def test_a_clearly_better_mlp(self) -> None:
        assert self.choose(linear_a=self.logits(0.5), mlp=self.logits(1.5, seed=1)) == "mlp"

    def test_not_an_mlp_that_is_as_good(self) -> None:
        linear = self.logits(1.0)
        assert self.choose(linear_a=linear, mlp=linear.copy()) == "linear a"

    def test_an_mlp_that_is_as_good_but_for_luck_rarely_wins(self) -> None:
        lower = chosen = 0
        for seed in range(40):
            linear, mlp = self.logits(1.0, seed), self.logits(1.0, seed + 100)
            losses = [cross_validation._losses(logits, self.labels).mean() for logits in (linear, mlp)]
            lower += losses[1] < losses[0]
            chosen += self.choose(linear_a=linear, mlp=mlp) == "mlp"
        assert lower >= 12
        assert chosen <= lower - 5

    def test_behind_is_hopeless_and_ahead_is_not(self) -> None:
        weak, strong = self.logits(0.3), self.logits(1.5, seed=1)
        linear = {"linear a": self.logits(0.1, seed=2), "linear b": self.logits(1.0)}
        assert cross_validation._hopeless({**linear, "mlp": weak}, self.labels) == {"mlp"}
        assert cross_validation._hopeless({**linear, "mlp": strong}, self.labels) == set()
        one_class = {name: logits[:100] for name, logits in {**linear, "mlp": weak}.items()}
        assert cross_validation._hopeless(one_class, self.labels[:100]) == set()

    def test_an_mlp_alone(self) -> None:
        assert self.choose(paper_mlp=self.logits(0.0)) == "paper mlp"


def test_the_history_is_of_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A linear head was chosen from a path of regularisations; a small network has epochs, and no path."""
    fitted = default(rows(shift=1.0))
    assert fitted.candidate.startswith("linear")
    path = fitted.history
    assert path.choice
    assert path.chosen == int(np.argmin(path.loss))
    assert fitted.candidate == cross_validation._linear_name(cross_validation._PENALTIES[path.chosen])
    monkeypatch.setattr(cross_validation, "_choose", lambda *_: cross_validation._MLP)
    monkeypatch.setattr(cross_validation, "_hopeless", lambda *_: set())
    epochs = default(rows(shift=1.0)).history
    assert not epochs.choice
    assert epochs.step == "epoch"
    assert len(epochs.loss) == len(epochs.auc) > 1

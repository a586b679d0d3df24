"""Rounds of self-training, on drawn features."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganrm_core.data.splits import FIFTHS, FOLDS, assign_folds
from ganrm_core.metrics.binary import auc
from ganrm_core.rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.readout import Block
from ganrm_core.training import head_fitting
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.head_config import HeadConfig
from ganrm_core.training.head_fitting import fit_linear_heads
from ganrm_core.training.self_training import head_recipe, rounds
from ganrm_core.training.self_training.fold_chains import StartingPoint
from ganrm_core.training.self_training.head_recipe import HeadRecipe
from ganrm_core.training.self_training.rounds import Bootstrapped, BootstrapSettings, bootstrap, pick
from ganrm_core.training.whitening import find_directions
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress, ProgressCallback, no_progress

WIDTH = 24
BLOCKS = (Block("a", "mean", 0, WIDTH // 2), Block("a", "std", WIDTH // 2, WIDTH))
RECIPE = HeadRecipe(HeadConfig("linear", 0.25, 0.03), BLOCKS, 0)


@pytest.fixture(autouse=True)
def equal_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Block weights have tests of their own, and take most of the time."""
    monkeypatch.setattr(
        head_recipe, "block_weights", lambda _rows, blocks, _nuisances: torch.ones(len(blocks))
    )


def drawn(count: int, seed: int, shift: float = 1.5, width: int = WIDTH) -> Rows:
    """Half of them liked: these lie `shift` further along the first column."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) < count // 2).float()
    features = torch.randn(count, 1, width, generator=generator)
    features[:, :, 0] += shift * (2 * labels[:, None] - 1)
    return Rows(features, labels)


def nothing(rows: Rows) -> Rows:
    return Rows(rows.features[:0], rows.labels[:0])


def layer(rows: Rows, recipe: HeadRecipe = RECIPE) -> RewardProjectionLayer:
    return RewardProjectionLayer(recipe.fit(rows, np.arange(len(rows)), nothing(rows)))


def run(
    rows: Rows,
    pool: Tensor,
    settings: BootstrapSettings | None = None,
    *,
    recipe: HeadRecipe = RECIPE,
    start: RewardProjectionLayer | None = None,
    progress: ProgressCallback = no_progress,
    **changes: Any,
) -> Bootstrapped:
    given = StartingPoint(rows, np.arange(len(rows)), start or layer(rows, recipe), **changes)
    return bootstrap(given, pool, recipe, settings or BootstrapSettings(), progress=progress)


def fold_layer(rows: Rows, folds: np.ndarray) -> RewardProjectionLayer:
    """A head, and siblings fitted without one fold each."""
    parts = [torch.from_numpy(folds != fold) for fold in range(folds.max() + 1)]
    return RewardProjectionLayer(layer(rows).head, [layer(rows.take(part)).head for part in parts])


def folds_of(rows: Rows, count: int) -> np.ndarray:
    return assign_folds(rows.labels.numpy().astype(np.int64), np.arange(len(rows)), count, 0)


def test_settings_that_cannot_be_used() -> None:
    for wrong in ({"rounds": 0}, {"top": 0}, {"bottom": -1}, {"alpha": -0.1}, {"alpha": math.nan}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            BootstrapSettings(**wrong)


def test_a_tenth_of_the_pool_but_never_more_than_the_rarer_class_and_never_both() -> None:
    assert BootstrapSettings().picks(200, 50) == (20, 20)
    assert BootstrapSettings().picks(2000, 50) == (50, 50)
    assert BootstrapSettings(bottom_only=True).picks(200, 50) == (0, 20)
    assert BootstrapSettings(top=7, bottom=9).picks(200, 5) == (7, 9)
    assert BootstrapSettings(top=5, bottom=5).picks(10, 9) == (5, 5)
    with pytest.raises(DataError, match="9 usable"):
        BootstrapSettings(top=5, bottom=5).picks(9, 9)
    with pytest.raises(DataError, match="1 usable"):
        BootstrapSettings().picks(1, 9)


@pytest.mark.parametrize(
    ("top", "bottom", "alpha", "labels"),
    [
        (2, 2, BootstrapSettings().decay(2), [1, 0.5**0.5, 0, 0]),
        (3, 1, BootstrapSettings(alpha=2).decay(3), [1, math.exp(-2), math.exp(-4), 0]),
        (0, 2, BootstrapSettings().decay(0), [0, 0]),
    ],
    ids=["default decay", "alpha", "bottom only"],
)
def test_pick(top: int, bottom: int, alpha: float, labels: list[float]) -> None:
    head = LinearHead(torch.zeros(1), torch.ones(1), torch.tensor(0.0))
    picked = pick(head, torch.tensor([3.0, 1.0, 5.0, 2.0, 4.0]).view(5, 1, 1), top, bottom, alpha)
    assert picked.top.tolist() == [2, 4, 0][:top]
    assert picked.bottom.tolist() == [1, 3][:bottom]
    assert picked.rows.features.flatten().tolist() == [5, 4, 3][:top] + [1, 2][:bottom]
    assert picked.rows.labels.tolist() == pytest.approx(labels)


def test_ranks_better() -> None:
    labels, noise = np.repeat([1, 0], 60), np.random.default_rng(0).normal(size=120)
    weak, strong = noise + 0.5 * labels, noise + 1.5 * labels
    assert rounds.ranks_better(weak, strong, labels)
    assert not rounds.ranks_better(strong, weak, labels)
    assert not rounds.ranks_better(weak, 3 * weak + 1, labels), "the same ranking is no gain"
    rng = np.random.default_rng(1)
    true = labels + rng.normal(size=120)
    pairs = [[true + 0.5 * rng.normal(size=120) for _ in range(2)] for _ in range(40)]
    assert sum(rounds.ranks_better(*pair, labels) for pair in pairs) <= 14, "noise is mostly left alone"


class TestBootstrap:
    def test_a_pool_can_help(self) -> None:
        rows, test = drawn(40, seed=22, shift=1), drawn(2000, seed=1, shift=1)
        outcome = run(rows, drawn(200, seed=2, shift=1).features, BootstrapSettings(2, top=80, bottom=80))
        assert outcome.kept >= 1
        assert outcome.layer is not None
        assert len(outcome.layer.siblings) == FOLDS
        before, after = (
            auc(head(test.features[:, 0]).numpy(), test.labels.numpy())
            for head in (layer(rows).head, outcome.layer.head)
        )
        assert after > before
        reached = [outcome.auc, *(entry.auc for entry in outcome.rounds)]
        for number in range(outcome.kept):
            entry = outcome.rounds[number]
            assert entry.kept
            assert entry.gain.value == pytest.approx(reached[number + 1] - reached[number])
            assert entry.gain.value >= 0
            assert entry.gain.low <= entry.gain.value <= entry.gain.high
        assert outcome.rounds[0].loss < outcome.loss
        # The mean of the chains is handed out.
        unseen = test.features[:20, 0]
        of_chains = torch.stack([sibling(unseen) for sibling in outcome.layer.siblings]).mean(dim=0)
        torch.testing.assert_close(outcome.layer.head(unseen), of_chains, atol=1e-4, rtol=1e-4)

    def test_a_pool_that_does_not_help_is_left_alone(self) -> None:
        rows, pool = drawn(60, seed=3, shift=1), 3 * drawn(100, seed=4, shift=0).features
        outcome, again = (run(rows, pool) for _ in range(2))
        assert outcome.held_out_scores.tolist() == again.held_out_scores.tolist()
        (only,) = outcome.rounds
        assert (len(only.top), len(only.bottom), only.kept) == (10, 10, False)
        assert (outcome.layer, outcome.kept, len(outcome.history.auc)) == (None, 0, 2)

    def test_no_label_of_a_fold_reaches_its_judges_through_the_pool(self) -> None:
        # The pool is the training pictures themselves, labelled at random. A head that saw a picture knows its
        # label; were it to label the pool for the judges of that picture, they would know it too.
        rows = drawn(60, seed=5, shift=0, width=400)
        wide = replace(RECIPE, config=HeadConfig("linear", 0.25, 0.003), blocks=(Block("a", "mean", 0, 400),))
        settings = BootstrapSettings(top=30, bottom=30, alpha=0)
        outcome = run(rows, rows.features, settings, recipe=wide)
        assert auc(layer(rows, wide).head(rows.features[:, 0]).numpy(), rows.labels.numpy()) == 1
        assert outcome.rounds[0].auc < 0.75
        assert auc(outcome.held_out_scores, rows.labels.numpy()[outcome.held_out]) < 0.75

    def test_chains_begin_with_siblings_of_the_same_folds(self) -> None:
        rows, pool, once = drawn(40, seed=6), drawn(60, seed=7).features, BootstrapSettings(rounds=1)
        start = fold_layer(rows, folds_of(rows, FOLDS))
        known = run(rows, pool, once, start=start, same_folds=True)
        turned = RewardProjectionLayer(
            start.head,
            [LinearHead(h.mean, -h.weight, -h.bias) for h in start.siblings],  # type: ignore[operator,arg-type]
        )
        assert run(rows, pool, once, start=turned, same_folds=True).auc == pytest.approx(1 - known.auc)
        fitted = run(rows, pool, once, start=turned)
        assert fitted.auc == pytest.approx(known.auc)
        assert fitted.loss == pytest.approx(known.loss, rel=1e-4)

    def test_siblings_of_another_version_keep_their_own_folds(self) -> None:
        rows = drawn(40, seed=6)
        folds = folds_of(rows, 5)
        outcome = run(rows, drawn(60, seed=7).features, start=fold_layer(rows, folds), same_folds=True)
        assert np.array_equal(outcome.folds, folds)  # type: ignore[arg-type]
        assert outcome.protocol.startswith("5-fold")

    def test_an_adapted_backbone_is_judged_on_the_one_fold_it_has_not_seen(self) -> None:
        rows = drawn(60, seed=0, shift=0.6)
        pool = drawn(400, seed=2, shift=3).features
        outcome = run(rows, pool, BootstrapSettings(top=40, bottom=40), adapted=True)
        assert outcome.held_out.tolist() == np.flatnonzero(folds_of(rows, FIFTHS) == 0).tolist()
        assert outcome.folds is None
        assert "one fifth" in outcome.protocol
        if outcome.layer:
            assert len(outcome.layer.siblings) == 0


class TestRecipe:
    def test_linear_heads_learn_from_everything_together(self) -> None:
        rows, picked = drawn(30, seed=14), drawn(10, seed=15)
        picked = Rows(picked.features, torch.linspace(1, 0, 10))
        whole = Rows(torch.cat([rows.features, picked.features]), torch.cat([rows.labels, picked.labels]))
        moved = torch.eye(WIDTH)[:1].expand(4, -1)
        directions = find_directions(whole, BLOCKS, (moved,), torch.ones(2))
        expected = fit_linear_heads(whole, directions, (0.03,), whitening=0.25)[0]
        found = replace(RECIPE, nuisances=(moved,)).fit(rows, np.arange(30), picked)
        assert torch.equal(found.weight, expected.weight)  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", ["mlp", "paper"])
    def test_other_kinds_have_one_more_chain_of_all_pictures(
        self, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quick = head_fitting.Schedule(8, 8, 32, 5e-3, 1e-2)
        monkeypatch.setattr(head_fitting, f"_{kind.upper()}_SCHEDULE", quick)
        monkeypatch.setattr(rounds, "ranks_better", lambda *_: True)
        rows, pool = drawn(40, seed=16, shift=3), drawn(60, seed=17, shift=3).features
        recipe = HeadRecipe(HeadConfig(kind), BLOCKS, 0)
        steps: list[Progress] = []
        outcome = run(rows, pool, BootstrapSettings(rounds=1), recipe=recipe, progress=steps.append)
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].total == 2 * FOLDS + 1
        assert outcome.rounds[0].auc > 0.8
        assert outcome.layer is not None
        assert outcome.layer.kind == kind
        assert len(outcome.layer.siblings) == FOLDS
        unseen = drawn(40, seed=18, shift=3)
        assert auc(outcome.layer.head(unseen.features[:, 0]).numpy(), unseen.labels.numpy()) > 0.8

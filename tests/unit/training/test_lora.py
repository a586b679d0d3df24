"""Adapting a tiny transformer with LoRA."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training import lora, trainer
from ganrm_core.training.trainer import TrainingResult
from ganrm_core.utils.errors import BackboneError
from ganrm_core.utils.progress import Progress

Sets = Any  # as in conftest.py


@contextlib.contextmanager
def ever_better() -> Iterator[None]:
    """Every epoch counts as the best so far, and LoRA as better than a frozen backbone: few pictures leave both to chance."""
    rising = itertools.count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lora, "quality", lambda *_: (next(rising) / 100, 0.0))
        patch.setattr(lora, "clearly_better", lambda *_: True)
        yield


@pytest.fixture(scope="module")
def seen() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def adapted(sets: Sets, seen: list[Progress]) -> TrainingResult:
    pytest.importorskip("peft")
    with ever_better():
        return sets.train(seen.append, adapt="lora")


def test_the_loss_falls_and_one_fifth_is_held_out(adapted: TrainingResult, seen: list[Progress]) -> None:
    losses = [step.metrics["loss"] for step in seen if step.stage == "adapting"]
    quarter = len(losses) // 4
    assert quarter >= 2
    assert np.mean(losses[-quarter:]) < np.mean(losses[:quarter])
    assert 4 <= len(adapted.held_out_paths) == len(adapted.held_out_scores) <= 6
    assert set(adapted.held_out_labels.tolist()) == {0, 1}
    assert adapted.model.card["metrics"]["n"] == len(adapted.held_out_paths)


def test_only_the_adapter_changes_the_backbone(adapted: TrainingResult, sets: Sets) -> None:
    plain = load_backbone(sets.settings.backbone).state_dict()
    changed, adapter = adapted.model.backbone.state_dict(), adapted.model.adapter
    assert list(changed) == list(plain)
    assert adapter is not None
    moved = 0
    for name, before in plain.items():
        module = name.removesuffix(".weight")
        if module in adapter.modules:
            update = adapter.tensors[f"{module}.B"] @ adapter.tensors[f"{module}.A"]
            expected = before + adapter.alpha / adapter.rank * update
            torch.testing.assert_close(changed[name], expected, atol=1e-6, rtol=0)
            moved += int(update.abs().max() > 0)
        else:
            assert torch.equal(changed[name], before), name
    assert moved == len(adapter.modules) > 0
    assert not any(p.requires_grad for p in adapted.model.backbone.parameters())


def test_saved_and_loaded_without_peft(
    adapted: TrainingResult, sets: Sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "adapted.safetensors"
    adapted.model.save(path)
    assert path.stat().st_size < 1_000_000
    monkeypatch.setitem(sys.modules, "peft", None)
    loaded = RewardModel.load(path, backbone=sets.settings.backbone)
    pictures = [torch.rand(30, 40, 3), torch.rand(50, 20, 3)]
    mine, theirs = loaded.score(pictures).logit, adapted.model.score(pictures).logit
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


def test_it_repeats_in_inference_mode(adapted: TrainingResult, sets: Sets, tmp_path: Path) -> None:
    torch.rand(5)  # the caller's random numbers must not matter
    with ever_better(), torch.inference_mode():
        again = sets.train(adapt="lora")
    first = sets.undated(adapted, tmp_path / "a.safetensors")
    assert sets.undated(again, tmp_path / "b.safetensors") == first


def test_it_stops_early_and_goes_back_to_the_best_epoch(sets: Sets, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("peft")
    falling = itertools.count()
    monkeypatch.setattr(lora, "quality", lambda *_: (1 - next(falling) / 100, 0.0))
    monkeypatch.setattr(lora, "clearly_better", lambda *_: True)
    model = sets.train(adapt="lora").model
    assert next(falling) == 1 + lora._PATIENCE
    # The best was the start, so there is nothing to store, and the card does not claim it.
    assert model.adapter is None
    assert "gained nothing" in model.card["chosen_head"]


def test_what_is_no_better_on_pictures_that_neither_saw_leaves_the_model_of_the_frozen_backbone(
    sets: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    fit, frozen = trainer.fit_default, []
    monkeypatch.setattr(
        trainer, "fit_default", lambda *given, **named: frozen.append(fit(*given, **named)) or frozen[0]
    )
    compared: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    with ever_better():
        monkeypatch.setattr(lora, "clearly_better", lambda *given: compared.append(given) or False)
        result = sets.train(adapt="lora")
    [(scores, frozen_scores, labels)], model = compared, result.model
    assert 4 <= len(scores) == len(frozen_scores) == len(labels) <= 6
    assert set(frozen_scores) <= set(frozen[0].held_out_scores)
    assert model.layer is frozen[0].layer
    assert result.history.loss  # the epochs of LoRA, which show why
    assert not result.history.choice
    assert model.adapter is None
    assert model.card["chosen_head"] == (
        f"{frozen[0].candidate}, since LoRA gained nothing over the frozen backbone"
    )
    assert model.card["metrics"]["n"] == len(result.held_out_scores) == len(frozen[0].held_out) == 25
    plain = load_backbone(sets.settings.backbone).state_dict()
    assert all(torch.equal(t, plain[name]) for name, t in model.backbone.state_dict().items())


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (None, r"peft.*pip install.*adapt.*none"),
        ("efficientnet_lite0", r"efficientnet_lite0 has no layers.*transformer.*adapt.*none"),
    ],
    ids=["without peft", "a convolutional network"],
)
def test_what_cannot_be_adapted_is_refused_before_any_work(
    backbone: str | None, message: str, sets: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    if backbone is None:
        monkeypatch.setitem(sys.modules, "peft", None)
    steps: list[Progress] = []
    with pytest.raises(BackboneError, match=message):
        sets.train(steps.append, adapt="lora", backbone=backbone or sets.settings.backbone)
    assert {step.stage for step in steps} <= {"looking at the liked files", "looking at the ordinary files"}

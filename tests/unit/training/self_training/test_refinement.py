"""Refining a model from files: pictures, metrics, card and messages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from ganrm_core.data.content_hash import fingerprint
from ganrm_core.rewards.discriminator import checkpoint as checkpoint_format
from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint
from ganrm_core.rewards.discriminator.lora_adapter import Adapter
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.feature_archive import write_features
from ganrm_core.training.head_config import CARD_KEY
from ganrm_core.training.self_training import rounds
from ganrm_core.training.self_training.card import bootstrap_card
from ganrm_core.training.self_training.known_pictures import Sources, known_pictures, origin_of
from ganrm_core.training.self_training.messages import pool_line, round_lines, verdict
from ganrm_core.training.self_training.pool import read_pool
from ganrm_core.training.self_training.refinement import Refinement, refine
from ganrm_core.training.self_training.rounds import BootstrapSettings
from ganrm_core.training.trainer import TrainingResult
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress, no_progress

ONCE = BootstrapSettings(rounds=1)
Run = Callable[..., Refinement]


@pytest.fixture(scope="module")
def trained_here(sets: Any) -> TrainingResult:
    result: TrainingResult = sets.train()
    return result


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, make_folder: Callable[..., Path]) -> Path:
    """Twenty pictures of either kind, none of them trained on."""
    folder = tmp_path_factory.mktemp("pool")
    make_folder(folder, "liked", 7, first=50)
    return make_folder(folder, "ordinary", 13, first=50)


@pytest.fixture(scope="module")
def checkpoint(trained_here: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's file, its feature archive beside it."""
    path = tmp_path_factory.mktemp("model") / "taste.safetensors"
    trained_here.model.save(path)
    assert trained_here.known is not None
    write_features(path, trained_here.model, trained_here.known)
    return path


@pytest.fixture(scope="module")
def run(trained_here: TrainingResult, checkpoint: Path, pool: Path) -> Run:
    """(model, pool, liked=…, …) → its refinement; without pictures from the archive."""

    def refined(
        model: RewardModel | None = None,
        source: Any = pool,
        settings: BootstrapSettings = ONCE,
        progress: Any = no_progress,
        name: str = "",
        **places: Any,
    ) -> Refinement:
        sources = Sources(source, **(places or {"checkpoint": checkpoint}))
        return refine(model or trained_here.model, sources, settings=settings, name=name, progress=progress)

    return refined


@pytest.fixture
def always_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ranks_better", lambda *_: True)


@pytest.fixture(scope="module")
def kept(run: Run, sets: Any) -> Refinement:
    """Two rounds were kept; the pictures were read from the folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "ranks_better", lambda *_: True)
        return run(
            settings=BootstrapSettings(rounds=2), name="better", liked=sets.liked, ordinary=sets.ordinary
        )


class TestKept:
    def test_model_card_messages_and_image(
        self, kept: Refinement, trained_here: TrainingResult, tmp_path: Path, pool: Path
    ) -> None:
        assert kept.improved
        assert kept.model.name == "better"
        kept.model.save(tmp_path / "better.safetensors")
        card = load_checkpoint(tmp_path / "better.safetensors").card
        old = trained_here.model.checkpoint().card
        assert card["metrics"]["auc"] == kept.metrics.auc.to_json()  # type: ignore[union-attr]
        assert "pool" in card["metrics"]["held_out"]
        assert set(card["thresholds"]) == {"balanced", "fpr_5"}
        assert (card["chosen_head"], card[CARD_KEY]) == (old["chosen_head"], old[CARD_KEY])
        # The invariance test is of the new head.
        assert set(card["leak_audit"]["same_picture"]) >= {"word", "results"}
        made = card["provenance"]
        assert made["liked_fingerprint"] == old["provenance"]["liked_fingerprint"]
        (entry,) = made["bootstrapping"]
        assert [part["kept"] for part in entry["rounds"]] == [True, True]
        assert (entry["top"], entry["bottom"], entry["n_pool"]) == (2, 2, 20)
        assert entry["pool_fingerprint"] == fingerprint(kept.pool.hashes)
        assert str(pool) not in str(card)
        paths = sorted(pool.iterdir())[:3]
        again = RewardModel.load_with(tmp_path / "better.safetensors", lambda _: kept.model.backbone)
        assert torch.allclose(again.score(paths).logit, kept.model.score(paths).logit, atol=1e-4)
        assert "2 rounds were kept" in verdict(kept)
        assert len(round_lines(kept)) == len(kept.picked("top")) == 2
        assert "20 pictures" in pool_line(kept)
        assert bootstrap_card(kept).size[0] == 1400

    def test_a_refined_model_is_refined_again(
        self, kept: Refinement, run: Run, sets: Any, always_keeps: None, tmp_path: Path
    ) -> None:
        write_features(tmp_path / "second.safetensors", kept.model, kept.known)
        before = kept.model.to_bytes()
        second = run(kept.model, checkpoint=tmp_path / "second.safetensors")
        assert kept.model.to_bytes() == before != second.model.to_bytes()
        # Features are kept in half precision, which may put a pair that scores alike in the other order.
        assert second.outcome.auc == pytest.approx(kept.outcome.rounds[-1].auc, abs=0.02)
        assert len(second.model.card["provenance"]["bootstrapping"]) == 2

        # But not with files in another order.
        renamed = shutil.copytree(sets.liked, tmp_path / "liked")
        paths = sorted(renamed.iterdir())
        for place, path in enumerate(paths):
            path.rename(renamed / f"other{len(paths) - place:02}.png")
        with pytest.raises(DataError, match="refined before"):
            run(kept.model, liked=renamed, ordinary=sets.ordinary)


def test_not_kept_gives_the_very_model(
    run: Run, kept: Refinement, trained_here: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "ranks_better", lambda *_: False)
    result = run()
    assert (result.improved, result.metrics) == (False, None)
    assert result.model is trained_here.model
    assert "unchanged" in verdict(result)
    assert "not kept" in round_lines(result)[0]
    assert bootstrap_card(result).height > 400
    # The archive serves instead of the folders, from which `kept` was refined.
    assert result.outcome.auc == pytest.approx(kept.outcome.auc, abs=0.02)
    assert result.outcome.rounds[0].loss == pytest.approx(kept.outcome.rounds[0].loss, abs=0.02)


@pytest.mark.usefixtures("always_keeps")
def test_models_of_earlier_formats_are_refined_by_the_sentence_in_their_card(
    trained_here: TrainingResult, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run().model.layer.state_dict()["head.weight"]
    for version in (2, 3):
        content, old = trained_here.model.checkpoint(), tmp_path / f"{version}.safetensors"
        del content.card[CARD_KEY]
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_format, "FORMAT_VERSION", version)
            checkpoint_format.save_checkpoint(content, old)
        model = RewardModel.load_with(old, lambda _: trained_here.model.backbone)
        assert model.card["format_version"] == version
        refined = run(model).model
        assert refined.card[CARD_KEY] == trained_here.model.card[CARD_KEY]
        assert torch.equal(refined.layer.state_dict()["head.weight"], expected)


class TestPictures:
    def test_the_pool_is_read_as_training_reads(
        self, trained_here: TrainingResult, sets: Any, tmp_path: Path, pool: Path
    ) -> None:
        model, extra = trained_here.model, sorted(pool.iterdir())[-1]
        more = shutil.copytree(sets.ordinary, tmp_path / "ordinary")
        shutil.copy(extra, more)
        known = known_pictures(model, Sources([], sets.liked, more), no_progress).archive
        assert trained_here.known is not None
        alone = read_pool(model, [extra], False, trained_here.known, no_progress)
        place = known.table.hashes.index(alone.hashes[0])
        assert torch.allclose(alone.features[0], known.features[place], atol=1e-5)

    def test_copies_and_near_copies_of_known_pictures_are_left_out(
        self, run: Run, sets: Any, pool: Path, tmp_path: Path
    ) -> None:
        folder = shutil.copytree(pool, tmp_path / "pool")
        first, second = sorted(sets.liked.iterdir())[:2]
        shutil.copy(first, folder / "copy.png")
        with Image.open(second) as picture:
            picture.save(folder / "resaved.jpg", quality=85)
        (folder / "broken.png").write_bytes(b"no picture")
        shutil.copy(sorted(pool.iterdir())[0], folder / "twice.png")
        result = run(source=folder)
        assert result.pool.n_known == 2
        assert len(result.pool.paths) == 20
        assert not {"copy.png", "resaved.jpg", "broken.png"} & {path.name for path in result.pool.paths}
        assert "2 more are in the training sets" in pool_line(result)
        assert [entry.path.name for entry in result.pool.skipped] == ["broken.png"]
        assert any("broken.png" in warning for warning in result.warnings)

    def test_the_archive_serves_where_the_folders_are_those_of_the_training(
        self, trained_here: TrainingResult, sets: Any, checkpoint: Path
    ) -> None:
        stages: list[str] = []
        sources = Sources([], sets.liked, sets.ordinary, checkpoint)
        known = known_pictures(trained_here.model, sources, lambda step: stages.append(step.stage))
        assert known.same
        assert known.in_order
        assert known.archive.table.paths == trained_here.held_out_paths
        assert "reading pictures" not in stages

    def test_what_is_missing_or_too_few_is_said(self, run: Run, sets: Any, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="ordinary pictures are missing"):
            run(liked=sets.liked)
        with pytest.raises(DataError, match=r"a\.features\.safetensors.*keep-features.*liked and ordinary"):
            run(checkpoint=tmp_path / "a.safetensors")
        with pytest.raises(DataError, match="12 of them"):
            run(source=sets.liked)
        with pytest.raises(DataError, match="20 usable"):
            run(settings=BootstrapSettings(top=15, bottom=15))

    def test_a_model_that_does_not_say_how_it_was_trained(
        self, run: Run, untrained_model: Any, tiny_transformer: str
    ) -> None:
        with pytest.raises(DataError, match="Train it anew"):
            run(untrained_model(tiny_transformer))


@pytest.mark.usefixtures("always_keeps")
@pytest.mark.parametrize("stage", ["reading the pool", "bootstrapping", "measuring"])
def test_a_cancel_passes_through(stage: str, run: Run) -> None:
    def stop(step: Progress) -> None:
        if step.stage == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)


def test_the_origin_of_a_paper_model_and_of_an_early_one() -> None:
    made = {"liked_fingerprint": "a", "ordinary_fingerprint": "b"}
    settings = {"preset": "paper", "views": 4, "seed": 3}
    model: Any = SimpleNamespace(name="m", card={"provenance": {**made, "settings": settings}})
    origin = origin_of(model)
    assert (origin.views.count, origin.views.seed, origin.mode, origin.order) == (1, 3, "off", None)
    model.card["provenance"]["settings"] = {**settings, "preset": "default", "neutralise": "full"}
    assert origin_of(model).views.count == 4
    assert origin_of(model).mode == "full"


@pytest.mark.usefixtures("always_keeps")
def test_an_adapted_model_is_judged_on_the_fold_it_has_not_seen(
    trained_here: TrainingResult, run: Run, sets: Any, checkpoint: Path, tmp_path: Path
) -> None:
    plain, adapter = trained_here.model, Adapter(1, 1.0, {})  # changes nothing
    parts = CalibratedHead(plain.reader.readout, plain.layer, plain.calibration)
    model = RewardModel(plain.backbone, parts, card=plain.card, adapter=adapter)
    result = run(model, liked=sets.liked, ordinary=sets.ordinary)
    assert "one fifth" in result.model.card["metrics"]["held_out"]
    assert result.model.card["metrics"]["n"] == len(result.outcome.held_out) < 10
    assert result.model.adapter is adapter
    # Of other pictures no one can tell which the adapter has seen; a plain model takes them with a warning.
    other = shutil.copytree(sets.liked, tmp_path / "liked")
    sorted(other.iterdir())[0].unlink()
    with pytest.raises(DataError, match="LoRA"):
        run(model, liked=other, ordinary=sets.ordinary)
    result = run(liked=other, ordinary=sets.ordinary, checkpoint=checkpoint)
    assert any("not those the model was trained on" in warning for warning in result.warnings)
    assert result.model.card["provenance"]["n_liked"] == 11

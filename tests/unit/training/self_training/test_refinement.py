"""Refining a model from files: pictures, figures, card and messages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganrm_core.data.content_hash import fingerprint
from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint
from ganrm_core.rewards.discriminator.lora_adapter import Adapter
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.feature_archive import archive_path, write_features
from ganrm_core.training.self_training import refinement, rounds
from ganrm_core.training.self_training.card import bootstrap_card
from ganrm_core.training.self_training.messages import pool_line, round_lines, verdict
from ganrm_core.training.self_training.pool import known_pictures, origin_of, read_pool
from ganrm_core.training.self_training.refinement import Refinement, refine
from ganrm_core.training.self_training.rounds import BootstrapSettings
from ganrm_core.training.trainer import TrainingResult
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress, no_progress


@pytest.fixture(scope="module")
def trained_here(sets: Any) -> TrainingResult:
    result: TrainingResult = sets.train()
    return result


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, make_folder: Callable[..., Path]) -> Path:
    """Thirty pictures of either kind, none of them trained on."""
    folder = tmp_path_factory.mktemp("pool")
    make_folder(folder, "liked", 10, first=50)
    return make_folder(folder, "ordinary", 20, first=50)


@pytest.fixture
def always_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ranks_better", lambda *_: True)


@pytest.fixture
def never_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ranks_better", lambda *_: False)


@pytest.fixture
def run(trained_here: TrainingResult, sets: Any, pool: Path) -> Callable[..., Refinement]:
    def refined(model: RewardModel | None = None, **changes: Any) -> Refinement:
        given = {"liked": sets.liked, "ordinary": sets.ordinary, **changes}
        source = given.pop("source", pool)
        return refine(model or trained_here.model, source, **given)

    return refined


class TestKept:
    pytestmark = pytest.mark.usefixtures("always_keeps")

    @pytest.fixture
    def result(self, run: Callable[..., Refinement], always_keeps: None) -> Refinement:
        return run(settings=BootstrapSettings(rounds=2), name="better")

    def test_model_and_card(
        self, result: Refinement, trained_here: TrainingResult, tmp_path: Path, pool: Path
    ) -> None:
        assert result.improved
        assert result.model is not trained_here.model
        assert result.model.name == "better"
        result.model.save(tmp_path / "better.safetensors")
        card = load_checkpoint(tmp_path / "better.safetensors").card
        old = trained_here.model.checkpoint().card
        assert card["metrics"]["auc"] == result.metrics.auc.to_json()  # type: ignore[union-attr]
        assert "pool" in card["metrics"]["held_out"]
        assert set(card["thresholds"]) == {"balanced", "fpr_5"}
        assert card["chosen_head"] == old["chosen_head"]
        made = card["provenance"]
        assert made["liked_fingerprint"] == old["provenance"]["liked_fingerprint"]
        (entry,) = made["bootstrapping"]
        assert len(entry["rounds"]) == 2
        assert all(part["kept"] for part in entry["rounds"])
        assert (entry["top"], entry["bottom"], entry["n_pool"]) == (3, 3, 30)
        assert entry["pool_fingerprint"] == fingerprint(result.pool.hashes)
        assert str(pool) not in str(card)
        paths = sorted(pool.iterdir())[:3]
        again = RewardModel.load_with(tmp_path / "better.safetensors", lambda _: result.model.backbone)
        assert torch.allclose(again.score(paths).logit, result.model.score(paths).logit, atol=1e-4)

    def test_the_model_given_is_as_it_was(
        self, trained_here: TrainingResult, run: Callable[..., Refinement]
    ) -> None:
        before = trained_here.model.to_bytes()
        result = run(settings=BootstrapSettings(rounds=1))
        assert trained_here.model.to_bytes() == before != result.model.to_bytes()

    def test_the_same_picture_test_is_of_the_new_head(self, result: Refinement) -> None:
        audit = result.model.card["leak_audit"]
        assert set(audit["same_picture"]) >= {"word", "results"}

    def test_words(self, result: Refinement) -> None:
        assert "2 rounds were kept" in verdict(result)
        assert len(round_lines(result)) == 2
        assert "30 pictures" in pool_line(result)
        assert len(result.picked("top")) == 3

    def test_card(self, result: Refinement) -> None:
        assert bootstrap_card(result).size[0] == 1400


class TestNotKept:
    def test_the_very_model(
        self, run: Callable[..., Refinement], never_keeps: None, trained_here: TrainingResult
    ) -> None:
        result = run()
        assert not result.improved
        assert result.model is trained_here.model
        assert result.metrics is None
        assert "unchanged" in verdict(result)
        assert "not kept" in round_lines(result)[0]
        assert bootstrap_card(result).height > 400


class TestPictures:
    def test_the_pool_is_read_as_training_reads(
        self, trained_here: TrainingResult, sets: Any, tmp_path: Path, pool: Path
    ) -> None:
        model, extra = trained_here.model, sorted(pool.iterdir())[-1]
        shutil.copytree(sets.ordinary, tmp_path / "ordinary")
        shutil.copy(extra, tmp_path / "ordinary")
        load = {"checkpoint": None, "recursive": False, "progress": no_progress}
        more = known_pictures(model, sets.liked, tmp_path / "ordinary", **load).pictures
        known = known_pictures(model, sets.liked, sets.ordinary, **load).pictures
        alone = read_pool(model, [extra], known, recursive=False, progress=no_progress)
        place = more.hashes.index(alone.hashes[0])
        assert torch.allclose(alone.features[0], more.features[place], atol=1e-5)

    def test_copies_and_near_copies_of_known_pictures_are_left_out(
        self, run: Callable[..., Refinement], sets: Any, pool: Path, tmp_path: Path, never_keeps: None
    ) -> None:
        from PIL import Image

        folder = shutil.copytree(pool, tmp_path / "pool")
        first, second = sorted(sets.liked.iterdir())[:2]
        shutil.copy(first, folder / "copy.png")
        Image.open(second).save(folder / "resaved.jpg", quality=85)
        (folder / "broken.png").write_bytes(b"no picture")
        shutil.copy(sorted(pool.iterdir())[0], folder / "twice.png")
        result = run(source=folder)
        assert result.pool.n_known == 2
        assert len(result.pool.paths) == 30
        assert not {"copy.png", "resaved.jpg", "broken.png"} & {path.name for path in result.pool.paths}
        assert "2 more are in the training sets" in pool_line(result)
        assert [entry.path.name for entry in result.pool.skipped] == ["broken.png"]
        assert any("broken.png" in warning for warning in result.warnings)

    def test_nothing_left(self, run: Callable[..., Refinement], sets: Any) -> None:
        with pytest.raises(DataError, match="12 of them"):
            run(source=sets.liked)

    def test_other_pictures_are_taken_with_a_warning(
        self, run: Callable[..., Refinement], sets: Any, tmp_path: Path, always_keeps: None
    ) -> None:
        other = shutil.copytree(sets.liked, tmp_path / "liked")
        sorted(other.iterdir())[0].unlink()
        result = run(liked=other, settings=BootstrapSettings(rounds=1))
        assert any("not those the model was trained on" in warning for warning in result.warnings)
        assert result.model.card["provenance"]["n_liked"] == 11

    def test_what_is_missing_is_said(self, run: Callable[..., Refinement], tmp_path: Path) -> None:
        with pytest.raises(DataError, match="ordinary pictures are missing"):
            run(ordinary=None)
        with pytest.raises(DataError, match=r"a\.features\.safetensors.*keep-features.*liked and ordinary"):
            run(liked=None, ordinary=None, checkpoint=tmp_path / "a.safetensors")

    def test_a_model_that_does_not_say_how_it_was_trained(
        self, run: Callable[..., Refinement], untrained_model: Any, tiny_transformer: str
    ) -> None:
        with pytest.raises(DataError, match="Train it anew"):
            run(untrained_model(tiny_transformer))

    def test_a_pool_too_small(self, run: Callable[..., Refinement]) -> None:
        with pytest.raises(DataError, match="30 usable"):
            run(settings=BootstrapSettings(top=20, bottom=20))


class TestCompanion:
    @pytest.fixture
    def checkpoint(self, trained_here: TrainingResult, sets: Any, tmp_path: Path) -> Path:
        model, path = trained_here.model, tmp_path / "taste.safetensors"
        model.save(path)
        known = known_pictures(
            model, sets.liked, sets.ordinary, checkpoint=None, recursive=False, progress=no_progress
        )
        write_features(path, model, known.pictures)
        assert archive_path(path).is_file()
        return path

    def test_serves_instead_of_the_folders(
        self, run: Callable[..., Refinement], checkpoint: Path, never_keeps: None
    ) -> None:
        without = run(liked=None, ordinary=None, checkpoint=checkpoint)
        with_folders = run()
        assert without.outcome.auc == pytest.approx(with_folders.outcome.auc, abs=0.02)
        assert without.outcome.rounds[0].loss == pytest.approx(with_folders.outcome.rounds[0].loss, abs=0.02)

    def test_a_refined_model_is_refined_again(
        self, run: Callable[..., Refinement], checkpoint: Path, always_keeps: None, tmp_path: Path
    ) -> None:
        once = BootstrapSettings(rounds=1)
        first = run(liked=None, ordinary=None, checkpoint=checkpoint, settings=once)
        write_features(tmp_path / "second.safetensors", first.model, first.known)
        second = run(
            first.model, liked=None, ordinary=None, checkpoint=tmp_path / "second.safetensors", settings=once
        )
        # Features are kept in half precision, which may put a pair that scores alike in the other order.
        assert second.outcome.auc == pytest.approx(first.outcome.rounds[0].auc, abs=0.02)
        assert len(second.model.card["provenance"]["bootstrapping"]) == 2

    def test_but_not_with_files_in_another_order(
        self, run: Callable[..., Refinement], always_keeps: None, sets: Any, tmp_path: Path
    ) -> None:
        first = run(settings=BootstrapSettings(rounds=1))
        renamed = shutil.copytree(sets.liked, tmp_path / "liked")
        paths = sorted(renamed.iterdir())
        for place, path in enumerate(paths):
            path.rename(renamed / f"other{len(paths) - place:02}.png")
        with pytest.raises(DataError, match="refined before"):
            run(first.model, liked=renamed)
        assert run(first.model, settings=BootstrapSettings(rounds=1)).improved


class TestCancel:
    @pytest.mark.parametrize(
        "stage", ["looking at the pool", "reading the pool", "bootstrapping", "measuring"]
    )
    def test_passes_through(self, stage: str, run: Callable[..., Refinement], always_keeps: None) -> None:
        def stop(step: Progress) -> None:
            if step.stage == stage:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(progress=stop)


class TestOrigin:
    def test_of_a_paper_model_and_of_an_early_one(self) -> None:
        made = {"liked_fingerprint": "a", "ordinary_fingerprint": "b"}
        settings = {"preset": "paper", "views": 4, "seed": 3}
        model: Any = SimpleNamespace(name="m", card={"provenance": {**made, "settings": settings}})
        origin = origin_of(model)
        assert (origin.views, origin.seed, origin.mode, origin.order) == (1, 3, "off", None)
        model.card["provenance"]["settings"] = {**settings, "preset": "default", "neutralise": "full"}
        assert origin_of(model).views == 4
        assert origin_of(model).mode == "full"


@pytest.mark.usefixtures("always_keeps")
class TestCommand:
    def test_writes_a_model_and_says_what_came_of_it(
        self, trained: Any, pool: Path, tmp_path: Path, ganrm: Callable[..., Any]
    ) -> None:
        output = tmp_path / "new" / "better.safetensors"
        sets = ("--liked", trained.liked, "--ordinary", trained.ordinary)
        ran = ganrm(
            "refine",
            trained.checkpoint,
            "--pool",
            pool,
            "--output",
            output,
            *sets,
            "--rounds",
            1,
            "--keep-features",
        )
        assert ran.code == 0, ran.err
        assert "1 round was kept" in ran.out
        assert archive_path(output).is_file()
        ran = ganrm(
            "refine",
            output,
            "--pool",
            pool,
            "--output",
            tmp_path / "c.safetensors",
            "--json",
            "--bottom-only",
        )
        assert ran.code == 0, ran.err
        told = ran.json[-1]
        assert told["improved"]
        assert told["n_pool"] == 30
        assert len(told["rounds"]) == 3

    def test_says_what_is_missing_and_writes_nothing(
        self, trained: Any, pool: Path, tmp_path: Path, ganrm: Callable[..., Any]
    ) -> None:
        output = tmp_path / "new" / "better.safetensors"
        ran = ganrm("refine", trained.checkpoint, "--pool", pool, "--output", output)
        assert ran.code == 2
        assert "--keep-features" in ran.err
        assert not output.parent.exists()

    def test_cancelled_leaves_nothing(
        self,
        trained: Any,
        pool: Path,
        tmp_path: Path,
        ganrm: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(refinement, "bootstrap", interrupted)
        output = tmp_path / "new" / "better.safetensors"
        sets = ("--liked", trained.liked, "--ordinary", trained.ordinary)
        ran = ganrm("refine", trained.checkpoint, "--pool", pool, "--output", output, *sets)
        assert ran.code == 130
        assert "The refinement is lost; no file was written." in ran.err
        assert not output.parent.exists()


def test_an_adapted_model_is_judged_on_the_fold_it_has_not_seen(
    trained_here: TrainingResult,
    run: Callable[..., Refinement],
    sets: Any,
    always_keeps: None,
    tmp_path: Path,
) -> None:
    plain = trained_here.model
    adapter = Adapter(1, 1.0, {})  # changes nothing
    model = RewardModel(
        plain.backbone,
        CalibratedHead(plain.reader.readout, plain.layer, plain.calibration),
        card=plain.card,
        adapter=adapter,
    )
    result = run(model, settings=BootstrapSettings(rounds=1))
    assert "one fifth" in result.model.card["metrics"]["held_out"]
    assert result.model.card["metrics"]["n"] == len(result.outcome.held_out) < 10
    assert result.model.adapter is adapter
    other = shutil.copytree(sets.liked, tmp_path / "liked")
    sorted(other.iterdir())[0].unlink()
    with pytest.raises(DataError, match="LoRA"):
        run(model, liked=other)

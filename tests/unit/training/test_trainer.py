"""Training end to end, on a tiny backbone."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganrm_core.data import image_cache
from ganrm_core.data.image_io import read_image
from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint
from ganrm_core.rewards.discriminator.readout import SecondLookSetting
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training import feature_extraction, trainer
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.trainer import TrainingResult, train
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress

COUNT = 12  # liked pictures; one more are ordinary
Sets = Any  # as in conftest.py


@pytest.fixture
def own_sets(sets: Sets, tmp_path: Path) -> Sets:
    """Copies that a test may spoil, and the quicker preset."""
    liked = shutil.copytree(sets.liked, tmp_path / "liked")
    ordinary = shutil.copytree(sets.ordinary, tmp_path / "ordinary")
    settings = dataclasses.replace(sets.settings, preset="paper")
    return dataclasses.replace(sets, liked=liked, ordinary=ordinary, settings=settings)


@pytest.fixture(scope="module")
def result(sets: Sets) -> TrainingResult:
    return sets.train()


class TestRepeats:
    def test_the_same_inputs_and_seed_give_the_same_file(
        self, sets: Sets, result: TrainingResult, tmp_path: Path
    ) -> None:
        first = sets.undated(result, tmp_path / "first.safetensors")
        assert sets.undated(sets.train(), tmp_path / "second.safetensors") == first

    @pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
    def test_in_whatever_mode_the_caller_is(
        self, mode: Any, sets: Sets, result: TrainingResult, tmp_path: Path
    ) -> None:
        with mode():
            again = sets.train()
            assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
            assert not torch.is_grad_enabled()
        assert sets.undated(again, tmp_path / "again.safetensors") == sets.undated(
            result, tmp_path / "a.safetensors"
        )
        assert not any(tensor.is_inference() for tensor in again.model.layer.state_dict().values())

    def test_whether_pictures_are_decoded_once_or_twice(
        self, sets: Sets, result: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(image_cache, "_MOST_BYTES", 0)
        assert sets.undated(sets.train(), tmp_path / "twice.safetensors") == sets.undated(
            result, tmp_path / "once.safetensors"
        )

    def test_another_seed_gives_another_model(self, sets: Sets, result: TrainingResult) -> None:
        other = sets.train(seed=1)
        mine, theirs = (r.model.layer.state_dict()["head.weight"] for r in (result, other))
        assert mine.shape == theirs.shape
        assert not torch.equal(mine, theirs)

    def test_the_callers_random_numbers_stay_where_they_were(self, sets: Sets) -> None:
        torch.manual_seed(5)
        before = torch.get_rng_state()
        sets.train(preset="paper")
        assert torch.equal(torch.get_rng_state(), before)

    def test_files_given_in_lists(self, sets: Sets, result: TrainingResult, tmp_path: Path) -> None:
        again = train(sorted(sets.liked.iterdir()), sorted(sets.ordinary.iterdir()), sets.settings)
        assert sets.undated(again, tmp_path / "again.safetensors") == sets.undated(
            result, tmp_path / "a.safetensors"
        )


class TestResult:
    def test_it_tells_liked_from_ordinary_pictures_it_never_saw(
        self, result: TrainingResult, draw: Any
    ) -> None:
        def logit(kind: str, number: int) -> float:
            pixels = torch.from_numpy(np.array(draw(kind, number))) / 255
            return float(result.model.score(pixels).logit)

        liked, ordinary = ([logit(kind, n) for n in range(100, 120)] for kind in ("liked", "ordinary"))
        assert np.mean([a > b for a, b in itertools.product(liked, ordinary)]) > 0.7

    def test_held_out_scores_run_parallel(self, sets: Sets, result: TrainingResult) -> None:
        assert result.held_out_paths == [*sorted(sets.liked.iterdir()), *sorted(sets.ordinary.iterdir())]
        assert result.held_out_labels.tolist() == [1] * COUNT + [0] * (COUNT + 1)
        assert len(result.held_out_scores) == 2 * COUNT + 1
        assert ((result.held_out_scores > 0) & (result.held_out_scores < 1)).all()
        assert (result.n_liked, result.n_ordinary, result.skipped) == (COUNT, COUNT + 1, [])

    def test_seconds_add_up(self, result: TrainingResult) -> None:
        parts = [result.seconds[part] for part in ("audit", "features", "fit")]
        assert sum(parts) == pytest.approx(result.seconds["total"])

    def test_the_card_tells_where_it_comes_from(
        self, sets: Sets, result: TrainingResult, tmp_path: Path
    ) -> None:
        result.model.save(tmp_path / "a.safetensors")
        card = load_checkpoint(tmp_path / "a.safetensors").card
        origin = card["provenance"]
        assert (origin["n_liked"], origin["n_ordinary"], origin["n_skipped"]) == (COUNT, COUNT + 1, 0)
        assert origin["settings"] == {
            "backbone": "transformers:tiny-dinov2",
            "preset": "default",
            "adapt": "none",
            "seed": 0,
            "views": 2,
            "neutralise": "auto",
            "second_look": "smaller",
        }
        assert origin["liked_fingerprint"] != origin["ordinary_fingerprint"]
        assert card["metrics"]["auc"] == result.metrics.auc.to_json()
        assert card["metrics"]["n"] == 2 * COUNT + 1
        assert card["thresholds"] == result.model.thresholds
        # A model is shared: it must not tell the folders of the machine it was made on.
        assert str(sets.liked.parent) not in json.dumps(card)

    def test_few_pictures_are_warned_of(self, result: TrainingResult) -> None:
        assert any(f"Only {COUNT} liked pictures" in warning for warning in result.warnings)
        assert any(f"Only {COUNT + 1} ordinary pictures" in warning for warning in result.warnings)


class TestSettings:
    def test_views_are_how_often_each_picture_is_seen(
        self, sets: Sets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counts: list[int] = []
        real = feature_extraction.make_views

        def counted(image: Any, count: int, *rest: Any, **more: Any) -> Any:
            counts.append(count)
            return real(image, count, *rest, **more)

        monkeypatch.setattr(feature_extraction, "make_views", counted)
        sets.train(views=3)
        assert counts == [3] * (2 * COUNT + 1)
        counts.clear()
        sets.train(views=3, preset="paper")
        assert set(counts) == {1}

    @pytest.mark.parametrize("second_look", ["smaller", "blurred", "none"])
    def test_the_second_look_is_that_of_the_settings(
        self, second_look: SecondLookSetting, sets: Sets, tmp_path: Path
    ) -> None:
        trained = sets.train(backbone="efficientnet_lite0", views=1, second_look=second_look).model
        look = trained.reader.readout.second_look
        assert (look.kind if look else "none") == second_look
        trained.save(tmp_path / "model.safetensors")
        loaded = RewardModel.load(tmp_path / "model.safetensors")
        assert loaded.reader.readout == trained.reader.readout
        picture = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(loaded.score(picture).logit, trained.score(picture).logit)

    def test_the_paper_preset(self, sets: Sets, tmp_path: Path) -> None:
        result = sets.train(preset="paper")
        assert result.model.layer.kind == "paper"
        assert len(result.held_out_scores) == 2 * COUNT + 1
        result.model.save(tmp_path / "paper.safetensors")
        assert load_checkpoint(tmp_path / "paper.safetensors").card["taps"] == ["embedding"]
        loaded = RewardModel.load(
            tmp_path / "paper.safetensors", search_folders=[Path(sets.settings.backbone[13:]).parent]
        )
        picture = torch.rand(1, 20, 30, 3)
        torch.testing.assert_close(
            loaded.score(picture).logit, result.model.score(picture).logit, atol=1e-5, rtol=0
        )

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"preset": "papre"}, "no preset 'papre'.*Use default or paper"),
            ({"adapt": "dora"}, "no adaptation 'dora'.*Use none or lora"),
            ({"preset": "paper", "adapt": "lora"}, "keeps its backbone frozen.*default preset"),
            ({"views": 0}, "views is 0.*Use 1 or more"),
            ({"second_look": "twice"}, "no second look 'twice'.*smaller, blurred, none"),
            ({"seed": -1}, "seed is -1.*from 0"),
            ({"seed": 2**64}, "seed is 18446744073709551616.*from 0"),
        ],
    )
    def test_what_cannot_be_asked_for(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            TrainingSettings(**changes)

    def test_the_largest_seed_comfyui_draws(self, sets: Sets) -> None:
        assert sets.train(seed=2**64 - 1, preset="paper").n_liked == COUNT


class TestCancel:
    @pytest.mark.parametrize("stage", ["reading pictures", "fitting"])
    def test_whatever_the_callback_raises_passes_through(self, stage: str, sets: Sets) -> None:
        class CancelledError(BaseException):
            pass

        def cancel(progress: Progress) -> None:
            if progress.stage == stage and progress.done == 2:
                raise error

        error = CancelledError()
        with pytest.raises(CancelledError) as caught:
            sets.train(cancel)
        assert caught.value is error
        assert not [t for t in threading.enumerate() if t.name.startswith("ganrm-worker")]

    def test_every_stage_reports_from_none_to_all(self, sets: Sets) -> None:
        steps: list[Progress] = []
        sets.train(steps.append, preset="paper")
        stages = {stage: list(group) for stage, group in itertools.groupby(steps, key=lambda s: s.stage)}
        looking = ["looking at the liked files", "looking at the ordinary files"]
        assert list(stages) == [
            *looking,
            "looking at the pictures",
            "finding copies",
            "looking for leaks",
            "reading pictures",
            "fitting",
            "comparing with itself",
            "measuring",
        ]
        for stage, group in stages.items():
            done = [step.done for step in group]
            assert done == sorted(done)
            total = group[-1].total
            # Copies are looked for in hundreds of pictures at a time.
            wanted = {0, total} if stage == "finding copies" else set(range(total + 1))
            if stage == "comparing with itself":  # which ends as soon as the outcome is clear
                wanted = {*range(done[-2] + 1), total}
            assert set(done) == wanted


class TestPictures:
    def test_unreadable_files_are_skipped_counted_and_named(self, own_sets: Sets) -> None:
        (own_sets.liked / "empty.png").touch()
        whole = (own_sets.ordinary / "ordinary00.png").read_bytes()
        (own_sets.ordinary / "cut.png").write_bytes(whole[: len(whole) // 2])
        result = own_sets.train()
        assert [entry.path.name for entry in result.skipped] == ["empty.png", "cut.png"]
        assert (result.n_liked, result.n_ordinary) == (COUNT, COUNT + 1)
        assert len(result.held_out_paths) == 2 * COUNT + 1
        (warning,) = (text for text in result.warnings if "skipped" in text)
        assert '2 files were skipped: "empty.png"' in warning
        assert '"cut.png"' in warning
        assert result.model.card["provenance"]["n_skipped"] == 2

    def test_too_few_are_left_once_they_are_skipped(self, own_sets: Sets) -> None:
        for number in range(COUNT - 9):
            (own_sets.liked / f"liked{number:02}.png").write_bytes(b"no picture %d" % number)
        with pytest.raises(
            DataError, match=r"Only 9 usable liked pictures.*3 files were skipped.*liked00\.png"
        ):
            own_sets.train()

    def test_the_same_pixels_in_another_container(self, own_sets: Sets) -> None:
        from PIL import Image

        with Image.open(own_sets.liked / "liked03.png") as picture:
            picture.save(own_sets.ordinary / "disguised.bmp")
        with pytest.raises(DataError, match=r'"liked03\.png" = "disguised\.bmp".*remove it'):
            own_sets.train()

    def test_near_duplicates_count_once(self, own_sets: Sets, draw: Any) -> None:
        for path in own_sets.liked.iterdir():
            path.unlink()
        for number in range(20):
            draw("liked", number % 4).save(own_sets.liked / f"{number}.jpg", quality=60 + number)
        with pytest.raises(DataError, match="only 4 different ones"):
            own_sets.train()

    def test_near_duplicates_stay_together_in_every_split(
        self, own_sets: Sets, draw: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(COUNT):
            draw("liked", number).save(own_sets.liked / f"liked{number:02}-again.jpg", quality=70)
        splits: list[Any] = []
        real = trainer.fit_paper

        def spied(rows: Any, groups: Any, *rest: Any, **more: Any) -> Any:
            splits.append(groups)
            return real(rows, groups, *rest, **more)

        monkeypatch.setattr(trainer, "fit_paper", spied)
        result = own_sets.train()
        (groups,) = splits
        names = [path.stem.removesuffix("-again") for path in result.held_out_paths]
        for a, b in itertools.combinations(range(len(groups)), 2):
            assert (groups[a] == groups[b]) == (names[a] == names[b]), (names[a], names[b])

    def test_near_duplicates_across_the_sets_are_named(self, own_sets: Sets, draw: Any) -> None:
        draw("liked", 3).save(own_sets.ordinary / "nearly.jpg", quality=70)
        result = own_sets.train()
        assert any(
            "nearly the same" in text and "liked03.png" in text and "nearly.jpg" in text
            for text in result.warnings
        )

    @pytest.mark.parametrize("room", [0, 1 << 28], ids=["no room", "room"])
    def test_pictures_are_decoded_once_where_there_is_room_and_not_changed(
        self, room: int, own_sets: Sets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ganrm_core.rewards.discriminator import file_features

        monkeypatch.setattr(image_cache, "_MOST_BYTES", room)
        before = {path: path.read_bytes() for path in own_sets.liked.parent.rglob("*.png")}
        read: list[Path] = []
        monkeypatch.setattr(
            file_features, "read_image", lambda path: (read.append(path), read_image(path))[1]
        )
        own_sets.train()
        # To see what leaks, and to learn from.
        assert sorted(read) == sorted([*before] * (1 if room else 2))
        assert {
            path: path.read_bytes() for path in own_sets.liked.parent.rglob("*") if path.is_file()
        } == before

    @pytest.mark.parametrize("mode", ["off", "full"])
    def test_pictures_that_were_evened_out_or_changed_are_read_anew_for_the_same_picture_test(
        self, mode: str, own_sets: Sets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[Any] = []
        real = trainer.held_out_scorer
        monkeypatch.setattr(trainer, "held_out_scorer", lambda *a: (given.append(a[-1]), real(*a))[1])
        known = own_sets.train(neutralise=mode).known
        (original,) = given
        if mode == "full":
            assert original(3) is None
            return
        assert torch.equal(original(3), known.features[3, :1])
        shutil.copy(known.paths[4], known.paths[3])
        assert original(3) is None

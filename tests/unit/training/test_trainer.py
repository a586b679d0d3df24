"""Training end to end, on a tiny backbone."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from PIL import Image

from ganrm_core.data import image_cache
from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training import trainer
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.head_config import CARD_KEY, HeadConfig
from ganrm_core.training.trainer import TrainingResult, train
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress

COUNT = 12  # liked pictures; one more are ordinary
Sets = Any  # as in conftest.py


def cancel_at(stage: str, done: int = 0) -> Any:
    def cancel(step: Progress) -> None:
        if step.stage == stage and step.done == done:
            raise KeyboardInterrupt

    return cancel


@pytest.fixture
def own_sets(sets: Sets, tmp_path: Path) -> Sets:
    """Copies that a test may spoil, and the quicker preset."""
    liked = shutil.copytree(sets.liked, tmp_path / "liked")
    ordinary = shutil.copytree(sets.ordinary, tmp_path / "ordinary")
    settings = dataclasses.replace(sets.settings, preset="paper")
    return dataclasses.replace(sets, liked=liked, ordinary=ordinary, settings=settings)


@pytest.fixture(scope="module")
def result(sets: Sets) -> Any:
    return sets.train()


@pytest.fixture(scope="module")
def paper_steps() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def paper(sets: Sets, paper_steps: list[Progress]) -> Any:
    return sets.train(paper_steps.append, preset="paper")


class TestRepeats:
    def test_to_the_bit_in_inference_mode_from_lists_and_without_room_for_decoded_pictures(
        self, sets: Sets, result: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(image_cache, "_MOST_BYTES", 0)
        torch.manual_seed(5)
        before = torch.get_rng_state()
        with torch.inference_mode():
            again = train(sorted(sets.liked.iterdir()), sorted(sets.ordinary.iterdir()), sets.settings)
            assert torch.is_inference_mode_enabled()
        assert torch.equal(torch.get_rng_state(), before)
        assert not any(tensor.is_inference() for tensor in again.model.layer.state_dict().values())
        first = sets.undated(result, tmp_path / "first.safetensors")
        assert sets.undated(again, tmp_path / "again.safetensors") == first

    def test_another_seed_gives_another_model(self, sets: Sets, paper: TrainingResult) -> None:
        other = sets.train(seed=2**64 - 1, preset="paper")  # the largest that ComfyUI draws
        mine, theirs = (r.model.layer.state_dict()["head.layers.1.weight"] for r in (paper, other))
        assert mine.shape == theirs.shape
        assert not torch.equal(mine, theirs)


class TestResult:
    def test_it_tells_liked_from_ordinary_pictures_it_never_saw(
        self, result: TrainingResult, draw: Any
    ) -> None:
        kinds = ("liked", "ordinary")
        unseen = ([draw(kind, number) for number in range(100, 115)] for kind in kinds)
        liked, ordinary = (result.model.score(pictures).logit for pictures in unseen)
        assert (liked[:, None] > ordinary).float().mean() > 0.7

    def test_held_out_scores_run_parallel_and_seconds_add_up(
        self, sets: Sets, result: TrainingResult
    ) -> None:
        assert result.held_out_paths == [*sorted(sets.liked.iterdir()), *sorted(sets.ordinary.iterdir())]
        assert result.held_out_labels.tolist() == [1] * COUNT + [0] * (COUNT + 1)
        assert len(result.held_out_scores) == 2 * COUNT + 1
        assert ((result.held_out_scores > 0) & (result.held_out_scores < 1)).all()
        assert (result.n_liked, result.n_ordinary, result.skipped) == (COUNT, COUNT + 1, [])
        parts = [result.seconds[part] for part in ("audit", "features", "fit")]
        assert sum(parts) == pytest.approx(result.seconds["total"])
        for words in (f"Only {COUNT} liked pictures", f"Only {COUNT + 1} ordinary pictures"):
            assert any(words in warning for warning in result.warnings)

    def test_the_card_tells_where_it_comes_from(
        self, sets: Sets, result: TrainingResult, tmp_path: Path
    ) -> None:
        result.model.save(tmp_path / "a.safetensors")
        card = load_checkpoint(tmp_path / "a.safetensors").card
        origin = card["provenance"]
        assert (origin["n_liked"], origin["n_ordinary"], origin["n_skipped"]) == (COUNT, COUNT + 1, 0)
        named = dataclasses.replace(sets.settings, backbone="transformers:tiny-dinov2")
        assert origin["settings"] == dataclasses.asdict(named)
        assert origin["liked_fingerprint"] != origin["ordinary_fingerprint"]
        assert card["metrics"]["auc"] == result.metrics.auc.to_json()
        assert card["metrics"]["n"] == 2 * COUNT + 1
        assert card["thresholds"] == result.model.thresholds
        assert card["chosen_head"] == HeadConfig(**card[CARD_KEY]).description
        # A model is shared: it must not tell the folders of the machine it was made on.
        assert str(sets.liked.parent) not in json.dumps(card)

    def test_the_paper_preset(self, sets: Sets, paper: TrainingResult, tmp_path: Path) -> None:
        assert paper.model.layer.kind == "paper"
        assert len(paper.held_out_scores) == 2 * COUNT + 1
        assert paper.known is not None
        assert paper.known.features.shape[1] == 1
        path = tmp_path / "paper.safetensors"
        paper.model.save(path)
        assert load_checkpoint(path).card["taps"] == ["embedding"]
        loaded = RewardModel.load(path, search_folders=[Path(sets.settings.backbone[13:]).parent])
        pixels = torch.rand(1, 20, 30, 3)
        mine, theirs = loaded.score(pixels).logit, paper.model.score(pixels).logit
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


class TestSettings:
    def test_what_cannot_be_asked_for(self) -> None:
        for changes, message in (
            ({"preset": "papre"}, "no preset 'papre'.*Use default or paper"),
            ({"adapt": "dora"}, "no adaptation 'dora'.*Use none or lora"),
            ({"preset": "paper", "adapt": "lora"}, "keeps its backbone frozen.*default preset"),
            ({"views": 0}, "views is 0.*Use 1 or more"),
            ({"neutralise": "some"}, "no way 'some' to neutralise.*Use auto, off, full"),
            ({"second_look": "twice"}, "no second look 'twice'.*smaller, blurred, none"),
            ({"seed": -1}, "seed is -1.*from 0"),
            ({"seed": 2**64}, "seed is 18446744073709551616.*from 0"),
        ):
            with pytest.raises(DataError, match=message):
                TrainingSettings(**changes)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [({"second_look": "blurred"}, "blurred"), ({"adapt": "lora", "second_look": "smaller"}, "none")],
    )
    def test_the_second_look_is_that_of_the_settings_and_none_with_lora(
        self, changes: dict[str, Any], expected: str, sets: Sets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("peft")
        readout = Mock(wraps=trainer.default_readout)
        monkeypatch.setattr(trainer, "default_readout", readout)
        with pytest.raises(KeyboardInterrupt):
            sets.train(cancel_at("reading pictures"), **changes)
        assert [call.args[1] for call in readout.call_args_list] == [expected]


class TestProgress:
    @pytest.mark.parametrize("stage", ["reading pictures", "fitting"])
    def test_a_cancel_passes_through_and_leaves_no_thread(self, stage: str, sets: Sets) -> None:
        with pytest.raises(KeyboardInterrupt):
            sets.train(cancel_at(stage, done=2))
        assert not [t for t in threading.enumerate() if t.name.startswith("ganrm-worker")]

    @pytest.mark.usefixtures("paper")
    def test_every_stage_reports_from_none_to_all(self, paper_steps: list[Progress]) -> None:
        stages = {name: list(steps) for name, steps in itertools.groupby(paper_steps, key=lambda s: s.stage)}
        assert list(stages) == [
            "looking at the liked files", "looking at the ordinary files", "looking at the pictures",
            "finding copies", "looking for leaks", "reading pictures", "fitting", "comparing with itself",
            "measuring",
        ]  # fmt: skip
        for stage, group in stages.items():
            done, total = [step.done for step in group], group[-1].total
            assert done == sorted(done)
            assert {0, total} <= set(done)
            # Copies are looked for in hundreds of pictures at a time; the last ends as soon as the outcome is clear.
            if stage not in ("finding copies", "comparing with itself"):
                assert set(done) == set(range(total + 1))


class TestPictures:
    def test_bad_files_are_skipped_and_near_duplicates_kept_together(self, own_sets: Sets, draw: Any) -> None:
        (own_sets.liked / "empty.png").touch()
        whole = (own_sets.ordinary / "ordinary00.png").read_bytes()
        (own_sets.ordinary / "cut.png").write_bytes(whole[: len(whole) // 2])
        for number in range(4):
            draw("liked", number).save(own_sets.liked / f"liked{number:02}-again.jpg", quality=70)
        draw("liked", 9).save(own_sets.ordinary / "liked09-nearly.jpg", quality=70)
        result = own_sets.train()
        assert [entry.path.name for entry in result.skipped] == ["empty.png", "cut.png"]
        assert result.model.card["provenance"]["n_skipped"] == 2
        (warning,) = (text for text in result.warnings if "skipped" in text)
        assert '2 files were skipped: "empty.png"' in warning
        (warning,) = (text for text in result.warnings if "nearly the same" in text)
        assert re.match(r"1 picture looks.*liked09\.png.*liked09-nearly\.jpg", warning, re.DOTALL)
        assert result.known is not None
        table = result.known.table
        assert (result.n_liked, result.n_ordinary) == (COUNT + 4, COUNT + 2)
        names = [path.stem.partition("-")[0] for path in table.paths]
        for a, b in itertools.combinations(range(len(table)), 2):
            assert (table.groups[a] == table.groups[b]) == (names[a] == names[b]), (names[a], names[b])

    def test_the_same_pixels_in_another_container(self, own_sets: Sets) -> None:
        with Image.open(own_sets.liked / "liked03.png") as picture:
            picture.save(own_sets.ordinary / "disguised.bmp")
        with pytest.raises(DataError, match=r'"liked03\.png" = "disguised\.bmp".*remove it'):
            own_sets.train()

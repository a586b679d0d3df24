"""Scoring, saving and loading, with every family of backbones."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganrm_core.backbones.weights_lookup import without_folder
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.metrics.calibration import Calibration
from ganrm_core.rewards.base import Reward, Scores
from ganrm_core.rewards.discriminator import file_features
from ganrm_core.rewards.discriminator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ganrm_core.rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.readout import Readout, SecondLook
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import BackboneError, CheckpointError, ImageError

FAMILIES = ["efficientnet_lite0", "open_clip", "transformers", "file"]
Make = Callable[[str], RewardModel]


@pytest.fixture(scope="module", params=FAMILIES)
def any_model(request: pytest.FixtureRequest, untrained_model: Make) -> RewardModel:
    return untrained_model(_name(request.param, request))


@pytest.fixture(scope="module")
def small(tiny_file: Path, untrained_model: Make) -> RewardModel:
    return untrained_model(f"file:{tiny_file}")


@pytest.fixture
def small_checkpoint(small: RewardModel, tiny_file: Path, tmp_path: Path) -> Path:
    """A checkpoint with its backbone beside it."""
    shutil.copy(tiny_file, tmp_path / tiny_file.name)
    small.save(tmp_path / "taste.safetensors")
    return tmp_path / "taste.safetensors"


def _name(family: str, request: pytest.FixtureRequest) -> str:
    if family == "efficientnet_lite0":
        return family
    if family == "file":
        return f"file:{request.getfixturevalue('tiny_file')}"
    return str(request.getfixturevalue({"open_clip": "tiny_open_clip"}.get(family, "tiny_transformer")))


def pictures(*sizes: tuple[int, int]) -> list[Tensor]:
    """[1, H, W, 3] each, smooth so that scaling leaves something of them, in 8-bit steps."""
    rng = np.random.default_rng(1)
    made = []
    for height, width in sizes:
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        made.append(torch.from_numpy(np.array(coarse.resize((width, height)))).unsqueeze(0) / 255)
    return made


def as_file(picture: Tensor, path: Path) -> Path:
    Image.fromarray((picture[0] * 255).round().to(torch.uint8).numpy()).save(path)
    return path


def logits(scores: Scores) -> list[float]:
    assert len(scores) == len(scores.score) == len(scores.uncertainty)
    assert torch.isfinite(scores.logit).all()
    return scores.logit.tolist()


class TestForms:
    def test_every_form_of_the_same_picture_scores_the_same(self, model: RewardModel, tmp_path: Path) -> None:
        (picture,) = pictures((40, 60))
        path = as_file(picture, tmp_path / "a.png")
        solid = torch.ones_like(picture[..., :1])
        forms: list[Any] = [
            picture,
            picture[0],
            picture.permute(0, 3, 1, 2),
            picture[0].permute(2, 0, 1),
            picture.double(),
            picture.numpy(),
            [picture],
            [picture[0]],
            torch.cat([picture, solid], dim=-1),
            path,
            str(path),
            [path],
            [str(path)],
            (path,),
        ]
        expected = logits(model.score(picture))
        for form in forms:
            assert logits(model.score(form)) == pytest.approx(expected, abs=1e-6)

    def test_grey_and_transparent_pictures(self, model: RewardModel) -> None:
        (picture,) = pictures((30, 30))
        grey = picture.mean(dim=-1, keepdim=True)
        assert logits(model.score(grey)) == pytest.approx(
            logits(model.score(grey.expand(-1, -1, -1, 3))), abs=1e-6
        )
        half = torch.cat([picture, torch.full_like(grey, 0.5)], dim=-1)
        over_grey = picture * 0.5 + 128 / 255 * 0.5
        assert logits(model.score(half)) == pytest.approx(logits(model.score(over_grey)), abs=1e-5)
        assert logits(model.score(half)) != pytest.approx(logits(model.score(picture)), abs=1e-3)

    def test_a_list_of_sizes_a_batch_and_paths_keep_their_order(
        self, model: RewardModel, tmp_path: Path
    ) -> None:
        mixed = pictures((40, 60), (1, 1), (30, 200), (64, 64), (7, 9))
        paths = [as_file(picture, tmp_path / f"{n}.png") for n, picture in enumerate(mixed)]
        alone = [logits(model.score(picture))[0] for picture in mixed]
        assert len({round(value, 3) for value in alone}) == len(alone)
        assert logits(model.score(mixed)) == pytest.approx(alone, abs=1e-5)
        assert logits(model.score(paths)) == pytest.approx(alone, abs=1e-5)
        same_size = pictures(*[(24, 32)] * 6)
        alone = [logits(model.score(picture))[0] for picture in same_size]
        assert logits(model.score(torch.cat(same_size))) == pytest.approx(alone, abs=1e-5)

    def test_scores_are_what_they_promise(self, model: RewardModel) -> None:
        scores = model.score(pictures((20, 20), (30, 30), (40, 40)), prompts=["ignored"] * 3)
        for part in (scores.logit, scores.score, scores.uncertainty):
            assert (part.shape, part.dtype, part.device.type) == ((3,), torch.float32, "cpu")
            assert not part.is_inference()
        assert ((scores.score > 0) & (scores.score < 1)).all()
        assert (scores.uncertainty > 0).all()
        assert torch.equal(scores.score.argsort(), scores.logit.argsort())

    def test_it_is_a_reward(self, model: RewardModel) -> None:
        assert isinstance(model, Reward)
        assert model.name == "taste"
        assert set(model.thresholds) == {"balanced", "fpr_5"}

    def test_what_it_was_given_is_left_as_it_was(self, model: RewardModel) -> None:
        (picture,) = pictures((224, 224))  # not resized, so nothing hides a write
        before = picture.clone()
        model.score(picture)
        assert torch.equal(picture, before)

    @pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
    def test_whatever_mode_the_caller_is_in(self, mode: Any, small: RewardModel) -> None:
        (picture,) = pictures((20, 20))
        expected = logits(small.score(picture))
        with mode():
            assert logits(small.score(picture)) == pytest.approx(expected, abs=1e-6)

    def test_a_file_that_cannot_be_read(self, small: RewardModel, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"no picture")
        with pytest.raises(ImageError, match=r"a\.png.*not a picture"):
            small.score(tmp_path / "a.png")
        with pytest.raises(ImageError, match="no images"):
            small.score([])


class TestIndependence:
    def test_a_score_does_not_depend_on_the_other_pictures(self, any_model: RewardModel) -> None:
        seven = pictures((40, 40), (30, 60), (64, 20), (48, 48), (90, 31), (33, 33), (50, 70))
        together = logits(any_model.score(seven))
        assert np.std(together) > 0.05
        for picture, value in zip(seven, together, strict=True):
            assert logits(any_model.score(picture)) == pytest.approx([value], abs=1e-5)
        order = [4, 2, 6, 0, 5, 1, 3]
        shuffled = logits(any_model.score([seven[place] for place in order]))
        assert shuffled == pytest.approx([together[place] for place in order], abs=1e-5)

    def test_saved_and_loaded_it_scores_the_same(
        self, any_model: RewardModel, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        path = tmp_path / "taste.safetensors"
        any_model.save(path)
        family = str(any_model.backbone.spec.family)
        name = None if family == "efficientnet" else _name(family, request)
        again = RewardModel.load(path, backbone=name)
        four = pictures((40, 40), (30, 60), (64, 20), (48, 48))
        # Where a tensor lies in memory decides the order of a sum, and so the last bit.
        assert logits(again.score(four)) == pytest.approx(logits(any_model.score(four)), abs=1e-6)
        assert again.name == "taste"
        assert again.backbone.spec == any_model.backbone.spec


class TestStreaming:
    def test_files_are_opened_as_they_are_needed(
        self, small: RewardModel, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw("liked", 1).save(tmp_path / "a.png")
        opened = itertools.count()
        real = file_features.read_image
        monkeypatch.setattr(file_features, "read_image", lambda path: (next(opened), real(path))[1])
        stream = small.score_files([tmp_path / "a.png"] * 100, [])
        assert next(opened) == 0  # asking for the stream opens nothing
        path, first = next(stream)
        assert (path, len(first)) == (tmp_path / "a.png", 1)
        assert 1 < next(opened) < 40
        assert sum(1 for _ in stream) == 99

    def test_files_that_cannot_be_read_shift_nothing(
        self, small: RewardModel, draw: Any, tmp_path: Path
    ) -> None:
        paths = []
        for number in range(30):
            paths.append(tmp_path / f"{number}.png")
            draw("ordinary", number).save(paths[-1])
        bad = [paths[place] for place in (0, 7, 8, 29)]
        for path in bad:
            path.write_bytes(b"")
        skipped: list[Skipped] = []
        results = list(small.score_files(paths, skipped))
        assert [entry.path for entry in skipped] == bad
        assert [path for path, _ in results] == [path for path in paths if path not in bad]
        for path, result in results[::6]:
            assert logits(result) == pytest.approx(logits(small.score(path)), abs=1e-5)

    def test_stopping_early_leaves_no_thread(self, small: RewardModel, draw: Any, tmp_path: Path) -> None:
        draw("liked", 1).save(tmp_path / "a.png")
        stream: Iterator[Any] = small.score_files([tmp_path / "a.png"] * 50, [])
        next(stream)
        del stream
        assert not [t for t in threading.enumerate() if t.name.startswith("ganrm-worker")]


class TestBackboneOfACheckpoint:
    def test_found_beside_the_checkpoint(self, small: RewardModel, small_checkpoint: Path) -> None:
        (picture,) = pictures((20, 20))
        loaded = RewardModel.load(small_checkpoint)
        assert logits(loaded.score(picture)) == pytest.approx(logits(small.score(picture)), abs=1e-6)

    def test_found_in_a_folder_and_by_a_name_given(self, small_checkpoint: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere" / "clip_vision"
        elsewhere.mkdir(parents=True)
        weights = (tmp_path / "tiny.safetensors").rename(elsewhere / "tiny.safetensors")
        with pytest.raises(BackboneError):
            RewardModel.load(small_checkpoint)
        RewardModel.load(small_checkpoint, search_folders=[elsewhere.parent])
        RewardModel.load(small_checkpoint, backbone=f"file:{weights}")

    @pytest.mark.parametrize("an_impostor_has_its_name", [False, True])
    def test_found_by_content_under_another_name(
        self, an_impostor_has_its_name: bool, small_checkpoint: Path, make_clip_vision: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "tiny.safetensors").rename(tmp_path / "renamed by hand.safetensors")
        if an_impostor_has_its_name:
            make_clip_vision(tmp_path / "tiny.safetensors", seed=99)
        RewardModel.load(small_checkpoint)

    def test_absent(self, small_checkpoint: Path, tmp_path: Path) -> None:
        (tmp_path / "tiny.safetensors").unlink()
        with pytest.raises(BackboneError) as caught:
            RewardModel.load(small_checkpoint)
        message = str(caught.value)
        sha256 = load_checkpoint(small_checkpoint).card["backbone"]["weights_sha256"]
        for part in (
            str(small_checkpoint),
            "file:tiny.safetensors",
            sha256[:16],
            "put them beside",
            "--backbone",
        ):
            assert part in message
        assert "\n" not in message

    def test_other_weights(self, small_checkpoint: Path, make_clip_vision: Any, tmp_path: Path) -> None:
        make_clip_vision(tmp_path / "tiny.safetensors", seed=99)
        with pytest.raises(
            BackboneError, match=r"Scores would be meaningless.*get the same weights"
        ) as caught:
            RewardModel.load(small_checkpoint)
        assert str(small_checkpoint) in str(caught.value)

    def test_a_path_in_it_is_not_followed(self, small_checkpoint: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path.parent / f"{tmp_path.name}-private" / "tiny.safetensors"
        elsewhere.parent.mkdir()
        (tmp_path / "tiny.safetensors").rename(elsewhere)
        forged = _renamed_backbone(small_checkpoint, f"file:{elsewhere}")
        with pytest.raises(BackboneError, match="could not be loaded"):
            RewardModel.load(forged)
        RewardModel.load(forged, search_folders=[elsewhere.parent])

    @pytest.mark.parametrize(
        ("name", "cut"),
        [
            ("efficientnet_lite0", "efficientnet_lite0"),
            ("file:vit.safetensors", "file:vit.safetensors"),
            ("file:sub/vit.safetensors", "file:vit.safetensors"),
            ("file:/etc/vit.safetensors", "file:vit.safetensors"),
            ("file:\\\\host\\share\\vit.safetensors", "file:vit.safetensors"),
            ("file:C:vit.safetensors", "file:vit.safetensors"),
            ("file:..", "file:"),
            ("open_clip:ViT-B-32/laion2b_s34b_b79k", "open_clip:ViT-B-32/laion2b_s34b_b79k"),
            ("open_clip:ViT-B-32//etc/weights.bin", "open_clip:ViT-B-32/weights.bin"),
            ("open_clip:ViT-B-32/~/weights.bin", "open_clip:ViT-B-32/weights.bin"),
            ("open_clip:hf-hub:owner/repository", "open_clip:hf-hub:owner/repository"),
            ("open_clip:hf-hub:../../private", "open_clip:hf-hub:private"),
            ("transformers:facebook/dinov2-base", "transformers:facebook/dinov2-base"),
            ("transformers:/srv/dinov2-base", "transformers:dinov2-base"),
            ("transformers:~", "transformers:"),
        ],
    )
    def test_names_without_their_paths(self, name: str, cut: str) -> None:
        assert without_folder(name) == cut

    def test_another_backbone_given(self, small_checkpoint: Path) -> None:
        with pytest.raises(BackboneError, match="Scores would be meaningless"):
            RewardModel.load(small_checkpoint, backbone="efficientnet_lite0")


def _renamed_backbone(checkpoint: Path, name: str) -> Path:
    whole = load_checkpoint(checkpoint)
    card = {**whole.card, "backbone": {**whole.card["backbone"], "name": name}}
    forged = checkpoint.with_name("forged.safetensors")
    save_checkpoint(Checkpoint(whole.tensors, card), forged)
    return forged


class TestEarlierVersions:
    """Those of version 1 said `response` where `second_look` is now."""

    @pytest.mark.parametrize("response", [True, False])
    def test_one_with_or_without_a_response_scores_as_before(
        self, response: bool, small_checkpoint: Path, tmp_path: Path
    ) -> None:
        whole = load_checkpoint(small_checkpoint)
        taps = tuple(whole.card["taps"])
        plain = RewardModel.load(small_checkpoint)
        readout = Readout(taps, SecondLook("blurred", taps) if response else None)
        width = readout.width(plain.backbone.spec)
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(width, generator=generator) / width
        layer = RewardProjectionLayer(LinearHead(torch.zeros(width), weight, torch.tensor(0.0)))
        model = RewardModel(plain.backbone, CalibratedHead(readout, layer, Calibration()), card={})
        made = model.checkpoint()
        card = {name: value for name, value in made.card.items() if name != "second_look"}
        old = tmp_path / "old.safetensors"
        save_checkpoint(Checkpoint(made.tensors, {**card, "response": response}), old)
        (picture,) = pictures((20, 20))
        loaded = RewardModel.load(old)
        assert loaded.reader.readout == readout
        assert logits(loaded.score(picture)) == pytest.approx(logits(model.score(picture)), abs=1e-6)


class TestDamagedCheckpoint:
    @pytest.mark.parametrize(
        "change",
        [
            {"backbone": None},
            {"backbone": "tiny"},
            {"taps": None},
            {"taps": []},
            {"taps": ["block99"]},
            {"second_look": {"kind": "from the future", "taps": []}},
            {"second_look": {"kind": "smaller"}},
            {"second_look": {"kind": "smaller", "taps": ["embedding", "block99"]}},
            {"calibration": {"warmth": 1}},
            {"head": "unknown"},
            {"head": "mlp"},
            {"adapter": {"kind": "from the future"}},
            {"adapter": {"kind": "lora", "rank": 8, "alpha": 16, "modules": ["net.absent"]}},
        ],
        ids=json.dumps,
    )
    def test_a_part_that_does_not_fit(
        self, change: dict[str, Any], small_checkpoint: Path, tmp_path: Path
    ) -> None:
        whole = load_checkpoint(small_checkpoint)
        save_checkpoint(Checkpoint(whole.tensors, {**whole.card, **change}), tmp_path / "changed.safetensors")
        with pytest.raises(CheckpointError, match=r"changed\.safetensors.*(anew|install)") as caught:
            RewardModel.load(tmp_path / "changed.safetensors")
        assert "\n" not in str(caught.value)

    def test_a_second_look_that_the_backbone_cannot_take(
        self, small_checkpoint: Path, tmp_path: Path
    ) -> None:
        plain = RewardModel.load(small_checkpoint)
        taps = plain.reader.readout.taps
        readout = Readout(taps, SecondLook("smaller", taps))
        width = readout.width(plain.backbone.spec)
        layer = RewardProjectionLayer(LinearHead(torch.zeros(width), torch.ones(width), torch.tensor(0.0)))
        forged = RewardModel(plain.backbone, CalibratedHead(readout, layer, Calibration()), card={})
        forged.save(tmp_path / "forged.safetensors")
        with pytest.raises(CheckpointError, match=r"forged\.safetensors.*smaller pictures"):
            RewardModel.load(tmp_path / "forged.safetensors")

    @pytest.mark.parametrize("key", ["backbone", "taps", "calibration", "head"])
    def test_a_part_missing(self, key: str, small_checkpoint: Path, tmp_path: Path) -> None:
        whole = load_checkpoint(small_checkpoint)
        card = {name: value for name, value in whole.card.items() if name != key}
        save_checkpoint(Checkpoint(whole.tensors, card), tmp_path / "changed.safetensors")
        with pytest.raises(CheckpointError, match=rf"changed\.safetensors.*{key}.*anew"):
            RewardModel.load(tmp_path / "changed.safetensors")

    def test_tensors_missing(self, small_checkpoint: Path, tmp_path: Path) -> None:
        whole = load_checkpoint(small_checkpoint)
        save_checkpoint(Checkpoint({}, whole.card), tmp_path / "changed.safetensors")
        with pytest.raises(CheckpointError, match=r"changed\.safetensors.*anew"):
            RewardModel.load(tmp_path / "changed.safetensors")

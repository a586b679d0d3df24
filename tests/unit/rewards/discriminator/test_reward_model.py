"""Reward models: scoring, streaming files, saving and loading, with every family of backbones."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganrm_core.backbones.weights_lookup import without_folder
from ganrm_core.metrics.calibration import Calibration
from ganrm_core.rewards.base import Reward
from ganrm_core.rewards.combination_file import load_reward
from ganrm_core.rewards.discriminator import file_features
from ganrm_core.rewards.discriminator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ganrm_core.rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.readout import Readout, SecondLook
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import BackboneError, CheckpointError, ImageError

Make = Callable[[str], RewardModel]


@pytest.fixture(scope="module")
def small(tiny_file: Path, untrained_model: Make) -> RewardModel:
    return untrained_model(f"file:{tiny_file}")


@pytest.fixture
def checkpoint(small: RewardModel, tiny_file: Path, tmp_path: Path) -> Path:
    """A checkpoint with its backbone beside it."""
    shutil.copy(tiny_file, tmp_path / tiny_file.name)
    small.save(tmp_path / "taste.safetensors")
    return tmp_path / "taste.safetensors"


@pytest.fixture
def forge(checkpoint: Path, tmp_path: Path) -> Callable[..., Path]:
    """(entries, tensors=None) → the checkpoint with other entries (None removes one) and tensors."""

    def change(entries: dict[str, Any], tensors: dict[str, Tensor] | None = None) -> Path:
        whole = load_checkpoint(checkpoint)
        card = {name: value for name, value in {**whole.card, **entries}.items() if value is not ...}
        kept = whole.tensors if tensors is None else tensors
        save_checkpoint(Checkpoint(kept, card), tmp_path / "forged.safetensors", overwrite=True)
        return tmp_path / "forged.safetensors"

    return change


def pictures(*sizes: tuple[int, int]) -> list[Tensor]:
    """[1, H, W, 3] each, smooth so that scaling leaves something of them, in 8-bit steps."""
    rng = np.random.default_rng(1)
    coarse = [Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)) for _ in sizes]
    resized = [each.resize((width, height)) for each, (height, width) in zip(coarse, sizes, strict=True)]
    return [torch.from_numpy(np.array(each)).unsqueeze(0) / 255 for each in resized]


def logits(model: RewardModel, images: Any) -> list[float]:
    scores = model.score(images)
    assert len(scores) == len(scores.score) == len(scores.uncertainty)
    return list(scores.logit.tolist())


class TestScore:
    def test_it_follows_the_protocol(self, small: RewardModel) -> None:
        head: Any = small.layer.head
        layer = RewardProjectionLayer(head, [head, LinearHead(head.mean, 2 * head.weight, head.bias)])
        parts = CalibratedHead(small.reader.readout, layer, Calibration())
        model = RewardModel(small.backbone, parts, card={"thresholds": {"fpr_5": 0.9}}, name="taste")
        assert isinstance(model, Reward)
        assert (model.name, model.thresholds) == ("taste", {"fpr_5": 0.9})
        given = pictures((224, 224), (30, 30), (40, 40))  # the first is not resized, so nothing hides a write
        before = given[0].clone()
        scores = model.score(given, prompts=["ignored"] * 3)
        for part in (scores.logit, scores.score, scores.uncertainty):
            assert (part.shape, part.dtype, part.device.type) == ((3,), torch.float32, "cpu")
            assert not part.is_inference()
        assert ((scores.score > 0) & (scores.score < 1)).all()
        assert (scores.uncertainty > 0).all()
        assert torch.equal(scores.score.argsort(), scores.logit.argsort())
        assert torch.equal(given[0], before)

    def test_what_cannot_be_scored(self, small: RewardModel, tmp_path: Path) -> None:
        for name in ("a.png", "b.png"):
            (tmp_path / name).write_bytes(b"no picture")
        with pytest.raises(ImageError, match=r"a\.png.*not a picture"):
            small.score(tmp_path / "a.png")
        with pytest.raises(ImageError, match=r"2 of 2 files cannot be read.*a\.png.*b\.png"):
            small.score([tmp_path / "a.png", tmp_path / "b.png"])
        with pytest.raises(ImageError, match="no images"):
            small.score([])


@pytest.mark.parametrize("source", ["efficientnet_lite0", "tiny_open_clip", "tiny_transformer", "tiny_file"])
def test_scores_depend_neither_on_other_pictures_nor_on_saving(
    source: str, untrained_model: Make, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name = source if source == "efficientnet_lite0" else request.getfixturevalue(source)
    name = f"file:{name}" if source == "tiny_file" else name
    model = untrained_model(name)
    given = pictures((40, 40), (30, 60), (64, 20), (48, 48), (1, 1), (90, 31))
    together = logits(model, given)
    assert np.std(together) > 0.05
    assert [logits(model, each)[0] for each in given] == pytest.approx(together, abs=1e-5)
    order = [4, 2, 0, 5, 1, 3]
    shuffled = logits(model, [given[place] for place in order])
    assert shuffled == pytest.approx([together[place] for place in order], abs=1e-5)
    model.save(tmp_path / "taste.safetensors")
    again = RewardModel.load(tmp_path / "taste.safetensors", backbone=None if source == name else name)
    # A tensor's address decides the order of a sum, and so the last bit.
    assert logits(again, given) == pytest.approx(together, abs=1e-6)
    assert (again.name, again.backbone.spec) == ("taste", model.backbone.spec)


class TestScoreFiles:
    def test_files_are_opened_as_they_are_needed(
        self, small: RewardModel, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw("liked", 1).save(tmp_path / "a.png")
        opened, real = itertools.count(), file_features.read_image
        monkeypatch.setattr(file_features, "read_image", lambda path: (next(opened), real(path))[1])
        stream: Any = small.score_files([tmp_path / "a.png"] * 100, [])
        assert next(opened) == 0  # asking for the stream opens nothing
        path, first = next(stream)
        assert (path, len(first)) == (tmp_path / "a.png", 1)
        assert 1 < next(opened) < 40
        stream.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("ganrm-worker")]


class TestBackboneOfACheckpoint:
    def test_found_beside_it_in_a_folder_and_by_a_name_given(
        self, small: RewardModel, checkpoint: Path, tmp_path: Path
    ) -> None:
        given = pictures((20, 20))
        assert logits(RewardModel.load(checkpoint), given) == pytest.approx(logits(small, given), abs=1e-6)
        elsewhere = tmp_path / "else" / "where" / "so" / "clip_vision"
        elsewhere.mkdir(parents=True)
        weights = (tmp_path / "tiny.safetensors").rename(elsewhere / "tiny.safetensors")
        with pytest.raises(BackboneError):
            RewardModel.load(checkpoint)
        RewardModel.load(checkpoint, search_folders=[elsewhere.parent])
        RewardModel.load(checkpoint, backbone=f"file:{weights}")
        assert RewardModel.load_with(checkpoint, lambda _: small.backbone).backbone is small.backbone

    def test_renamed_absent_or_with_other_weights(
        self, checkpoint: Path, make_clip_vision: Any, tmp_path: Path
    ) -> None:
        # Found by its content, whether or not another file has its name.
        renamed = (tmp_path / "tiny.safetensors").rename(tmp_path / "renamed by hand.safetensors")
        RewardModel.load(checkpoint)
        make_clip_vision(tmp_path / "tiny.safetensors", seed=99)
        RewardModel.load(checkpoint)
        renamed.unlink()
        sha256 = load_checkpoint(checkpoint).card["backbone"]["weights_sha256"][:16]
        (tmp_path / "tiny.safetensors").unlink()
        with pytest.raises(
            BackboneError,
            match=rf"taste\.safetensors.*file:tiny\.safetensors.*{sha256}.*put them beside.*--backbone",
        ):
            RewardModel.load(checkpoint)
        make_clip_vision(tmp_path / "tiny.safetensors", seed=99)
        for name in (None, "efficientnet_lite0"):
            with pytest.raises(
                BackboneError, match=r"taste\.safe.*Scores would be meaningless.*get the same weights"
            ):
                RewardModel.load(checkpoint, backbone=name)

    def test_a_path_in_it_is_not_followed(self, checkpoint: Path, forge: Any, tmp_path: Path) -> None:
        private = tmp_path / "a" / "b" / "c" / "private" / "tiny.safetensors"
        private.parent.mkdir(parents=True)
        (tmp_path / "tiny.safetensors").rename(private)
        forged = forge(
            {"backbone": {**load_checkpoint(checkpoint).card["backbone"], "name": f"file:{private}"}}
        )
        with pytest.raises(BackboneError, match="could not be loaded"):
            RewardModel.load(forged)
        RewardModel.load(forged, search_folders=[private.parent])

    def test_names_without_their_folders(self) -> None:
        for name, cut in (
            ("efficientnet_lite0", None),
            ("file:sub/vit.safetensors", "file:vit.safetensors"),
            ("file:/etc/vit.safetensors", "file:vit.safetensors"),
            ("file:\\\\host\\share\\vit.safetensors", "file:vit.safetensors"),
            ("file:C:vit.safetensors", "file:vit.safetensors"),
            ("file:..", "file:"),
            ("open_clip:ViT-B-32//etc/weights.bin", "open_clip:ViT-B-32/weights.bin"),
            ("open_clip:hf-hub:owner/repository", None),
            ("open_clip:hf-hub:../../private", "open_clip:hf-hub:private"),
            ("transformers:facebook/dinov2-base", None),
            ("transformers:/srv/dinov2-base", "transformers:dinov2-base"),
        ):
            assert without_folder(name) == (name if cut is None else cut)


def with_readout(model: RewardModel, readout: Readout) -> RewardModel:
    width = readout.width(model.backbone.spec)
    weight = torch.randn(width, generator=torch.Generator().manual_seed(0)) / width
    layer = RewardProjectionLayer(LinearHead(torch.zeros(width), weight, torch.tensor(0.0)))
    return RewardModel(model.backbone, CalibratedHead(readout, layer, Calibration()), card={})


@pytest.mark.parametrize("response", [True, False])
def test_format_1_scores_as_before(response: bool, small: RewardModel, checkpoint: Path, forge: Any) -> None:
    """It had `response` in place of `second_look`."""
    taps = small.reader.readout.taps
    model = with_readout(small, Readout(taps, SecondLook("blurred", taps) if response else None))
    old = {"second_look": ..., "histograms": ..., "response": response}
    loaded = RewardModel.load(forge(old, model.checkpoint().tensors))
    assert loaded.reader.readout == model.reader.readout
    given = pictures((20, 20))
    assert logits(loaded, given) == pytest.approx(logits(model, given), abs=1e-6)


def test_a_second_look_that_the_backbone_does_not_support(small: RewardModel, tmp_path: Path) -> None:
    taps = small.reader.readout.taps
    with_readout(small, Readout(taps, SecondLook("smaller", taps))).save(tmp_path / "forged.safetensors")
    with pytest.raises(CheckpointError, match=r"forged\.safetensors.*smaller pictures"):
        RewardModel.load(tmp_path / "forged.safetensors")


@pytest.mark.parametrize(
    "entries",
    [
        *({name: ...} for name in ("backbone", "taps", "calibration", "head")),
        {"backbone": None},
        {"taps": []},
        {"taps": ["block99"]},
        {"taps": ["block1" * 500]},
        {"second_look": {"kind": "from the future", "taps": []}},
        {"histograms": ["from the future"]},
        {"histograms": 3},
        {"second_look": {"kind": "smaller", "taps": ["embedding", "block99"]}},
        *({"calibration": {"temperature": t, "bias": 0.0}} for t in (0.0, -1.0, "x", None, 1e-300, 10**400)),
        {"calibration": {"temperature": 1.0, "bias": 1e39}},
        {"thresholds": {"balanced": "high"}},
        {"head": "mlp"},
        {"adapter": {"kind": "from the future"}},
        {"adapter": {"kind": "lora", "rank": 8, "alpha": 16, "modules": ["net.absent"]}},
    ],
    ids=lambda entries: f"{entries!r:.60}",
)
def test_an_entry_that_is_missing_or_does_not_fit(entries: dict[str, Any], forge: Any) -> None:
    with pytest.raises(CheckpointError, match=r"forged\.safetensors.*(anew|install)") as caught:
        RewardModel.load(forge(entries))
    message = str(caught.value)
    assert message.isprintable()
    assert "NoneType" not in message
    assert len(message) < 600


def test_a_damaged_backbone_spec_no_tensors_or_no_file(checkpoint: Path, forge: Any) -> None:
    whole = load_checkpoint(checkpoint).card["backbone"]
    for entry in (
        {"name": ["efficientnet_lite0"]},
        {"weights_sha256": None},
        {"taps": [{"name": "a", "width": -1}]},
    ):
        with pytest.raises(CheckpointError, match=r"forged\.safetensors.*anew"):
            load_reward(forge({"backbone": {**whole, **entry}}))
    with pytest.raises(CheckpointError, match=r"forged\.safetensors.*anew"):
        RewardModel.load(forge({}, {}))
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        RewardModel.load("x" * 5000)  # a name that no disk takes

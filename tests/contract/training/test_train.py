"""Train GAN-RM."""

from __future__ import annotations

import gc
import json
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

TINY = "file:tiny.safetensors"


class CancelError(Exception):
    """As ComfyUI's own: a plain Exception, which a careless handler would swallow."""


@pytest.fixture
def previews(pack: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, Any]]:
    """What the node's bar was told: (value, total, preview)."""
    told: list[tuple[int, int, Any]] = []

    class Bar:
        def __init__(self, total: int) -> None:
            self.total = total

        def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
            told.append((value, total or self.total, preview))

    monkeypatch.setattr(pack.module("nodes.host.progress").comfy.utils, "ProgressBar", Bar)
    return told


@pytest.fixture
def tiny(folders: Any, make_vision_file: Callable[..., Path]) -> Path:
    """A backbone in models/clip_vision that is quick to train on."""
    return make_vision_file(folders.models / "clip_vision" / "tiny.safetensors")


@pytest.fixture
def train(pack: Any, tiny: Path, taste: Any, dataset: Callable[..., Any]) -> Callable[..., Any]:
    """Run the node quickly."""
    backbone = f"file:{tiny.name}"

    def run(liked: Any = taste.liked, ordinary: Any = taste.ordinary, **inputs: Any) -> Any:
        quick = {"backbone": backbone, "preset": "paper", "views": 1}
        return pack.run("GANRMTrain", liked=dataset(liked), ordinary=dataset(ordinary), **{**quick, **inputs})

    return run


@pytest.fixture
def never_trains(pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("it trained")

    monkeypatch.setattr(pack.module("nodes.training.train"), "train_on_files", refuse)


def copied(taste: Any, folder: Path) -> tuple[Path, Path]:
    for kind in ("liked", "ordinary"):
        (folder / kind).mkdir(parents=True)
        for path in getattr(taste, kind).iterdir():
            (folder / kind / path.name).write_bytes(path.read_bytes())
    return folder / "liked", folder / "ordinary"


@pytest.mark.usefixtures("folders")
class TestSchema:
    def test_ids_and_their_order_are_for_ever(self, pack: Any) -> None:
        schema = pack.schema("GANRMTrain")
        inputs = ["liked", "ordinary", "name", "backbone", "preset", "adapt", "views", "seed", "neutralise"]
        assert [socket.id for socket in schema.inputs] == inputs
        assert [socket.id for socket in schema.outputs] == ["reward", "loss", "report", "summary"]
        assert [socket.io_type for socket in schema.outputs] == [
            "GANRM_REWARD",
            "LOSS_MAP",
            "IMAGE",
            "STRING",
        ]
        assert all(socket.tooltip for socket in (*schema.inputs, *schema.outputs))
        assert schema.is_output_node

    def test_the_page_does_not_roll_the_seed(self, pack: Any) -> None:
        seed = next(socket for socket in pack.schema("GANRMTrain").inputs if socket.id == "seed")
        assert not seed.control_after_generate

    def test_backbones_have_stable_names_and_the_tooltip_says_what_they_take(
        self, pack: Any, folders: Any, tiny: Path
    ) -> None:
        def backbone() -> Any:
            return next(socket for socket in pack.schema("GANRMTrain").inputs if socket.id == "backbone")

        known = pack.module("ganrm_core.backbones.open_clip_weights").KNOWN
        before = backbone()
        assert before.options == ["efficientnet_lite0", f"file:{tiny.name}", *(entry.name for entry in known)]
        assert before.default == "efficientnet_lite0"
        assert (
            "models/ganrm_backbones: B 0.6 to 1.5 GB, L 1.7 to 3.5 GB, H 3.9 GB, SO400M 4.5 GB."
            in before.tooltip
        )
        assert len(before.tooltip) < 320, "a tooltip is read at a glance: no list of ids"
        assert "laion2b" not in before.tooltip
        stem = known[0].name.replace(":", "--").replace("/", "--")
        (folders.models / "ganrm_backbones" / f"{stem}.safetensors").touch()
        after = backbone()
        assert after.options == before.options
        assert "Downloaded already: ViT-B-32." in after.tooltip


class TestResult:
    @pytest.mark.usefixtures("folders", "previews")
    def test_it_trains_untouched_and_hands_on_everything(
        self, pack: Any, taste: Any, dataset: Callable[..., Any]
    ) -> None:
        result = pack.run("GANRMTrain", liked=dataset(taste.liked), ordinary=dataset(taste.ordinary), views=1)
        reward = result["reward"]
        assert reward.name == "my_taste"
        liked, ordinary = (
            reward.score(sorted(folder.iterdir())).score for folder in (taste.liked, taste.ordinary)
        )
        assert liked.min() > ordinary.max()
        report = result["report"]
        assert report.shape[0] == 1
        assert report.shape[3] == 3
        assert 0 <= report.min() < report.max() <= 1
        lines = result["summary"].splitlines()
        assert lines[0].startswith("my_taste: held-out AUC 1.000 [")
        assert any("efficientnet_lite0, trained in" in line for line in lines)
        assert any(line.startswith("! Only 12 liked pictures") for line in lines)
        assert "Save GAN-RM" in lines[-1]
        assert "Reused" not in result["summary"]
        assert set(result.ui) == {"images", "summary", "auc", "loss", "reused"}
        assert all(isinstance(value, list) for value in result.ui.values())
        json.dumps(result.ui, allow_nan=False)
        assert result.ui["loss"] == []  # a linear head has no steps

    def test_the_reward_is_the_model_that_was_trained_under_the_same_manager(self, train: Any) -> None:
        reward = train()["reward"]
        assert reward.backbone.backbone is reward.model.backbone
        assert not any(parameter.is_inference() for parameter in reward.model.backbone.parameters())

    def test_steps_are_shown_with_pictures_and_the_last_is_the_report(
        self, train: Any, previews: list[tuple[int, int, Any]], folders: Any
    ) -> None:
        result = train()
        shares = [value / total for value, total, _ in previews]
        assert shares == sorted(shares), "one bar over all stages never runs backwards"
        assert shares[0] < 0.1
        assert shares[-1] == 1
        pictures = [preview for _, _, preview in previews if preview]
        assert len(pictures) > 4
        assert all(isinstance(image, Image.Image) for _, image, _ in pictures)
        kind, last, size = pictures[-1]
        (shown,) = result.ui["images"]
        with Image.open(folders.temp / shown["subfolder"] / shown["filename"]) as card:
            assert (kind, size) == ("PNG", max(card.size))
            assert last.tobytes() == card.convert("RGB").tobytes()

    def test_a_fit_that_has_steps_can_be_plotted(self, train: Any) -> None:
        result = train(preset="paper")
        assert len(set(result["loss"]["loss"])) >= 2
        assert result.ui["loss"] == result["loss"]["loss"]

    def test_a_choice_of_regularisation_is_no_loss_over_steps(self, pack: Any, train: Any) -> None:
        blocker = pack.module("nodes.display.empty_outputs").ExecutionBlocker
        for _ in range(2):  # the second time from the results kept
            assert isinstance(train(preset="default")["loss"], blocker)

    def test_what_is_plotted_always_has_a_spread(self, pack: Any) -> None:
        training, history = (
            pack.module("nodes.training.train"),
            pack.module("ganrm_core.utils.progress").History,
        )

        def plottable(losses: list[float]) -> list[float]:
            return training._plottable(history("epoch", tuple(losses)))

        cases = [plottable(values) for values in ([], [0.7], [0.0], [0.3, 0.3], [0.5, nan()])]
        for values in cases:
            spread = max(values) - min(values)  # what core's plot divides by
            assert len(values) >= 2
            assert spread > 0
        assert plottable([0.9, 0.4]) == [0.9, 0.4]

    def test_an_empty_name(self, train: Any) -> None:
        assert train(name="  ")["reward"].name == "untitled"

    def test_without_matplotlib(self, train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert train()["report"].shape[2] > 1000


def nan() -> float:
    return float("nan")


class TestReuse:
    def test_unchanged_pictures_and_settings(self, train: Any, request: pytest.FixtureRequest) -> None:
        first = train(name="first")
        request.getfixturevalue("never_trains")
        again = train(name="second")
        assert "Reused: nothing had changed." in again["summary"]
        assert again.ui["reused"] == [True]
        assert again["reward"].name == "second"
        assert again["reward"].model.to_bytes() == first["reward"].model.to_bytes()
        assert again.ui["loss"] == first.ui["loss"]
        assert again["report"].shape[2] == first["report"].shape[2]

    def test_renamed_pictures(
        self, train: Any, taste: Any, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        liked, ordinary = copied(taste, tmp_path / "a")
        train(liked, ordinary)
        for path in sorted(liked.iterdir()):
            path.rename(liked / f"renamed {path.name}")
        request.getfixturevalue("never_trains")
        assert train(liked, ordinary).ui["reused"] == [True]

    @pytest.mark.parametrize("change", ["new", "removed", "changed"])
    def test_one_picture_makes_the_difference(
        self, train: Any, taste: Any, tmp_path: Path, change: str, make_pictures: Callable[..., list[Path]]
    ) -> None:
        liked, ordinary = copied(taste, tmp_path / "a")
        train(liked, ordinary)
        (first,) = make_pictures(liked, "liked", 1, first=0 if change != "new" else 40)
        if change == "removed":
            first.unlink()
        elif change == "changed":
            Image.open(first).rotate(90).save(first)
        again = train(liked, ordinary)
        assert again.ui["reused"] == [False]
        assert again["reward"].model.card["provenance"]["n_liked"] == {"new": 13, "removed": 11}.get(
            change, 12
        )

    def test_the_backbone_file_is_known_by_content(
        self, train: Any, tiny: Path, make_vision_file: Callable[..., Path]
    ) -> None:
        train()
        tiny.rename(tiny.with_name("other name.safetensors"))
        assert train(backbone="file:other name.safetensors").ui["reused"] == [True]
        make_vision_file(tiny.with_name("other name.safetensors"), seed=9)
        assert train(backbone="file:other name.safetensors").ui["reused"] == [False]

    def test_an_adapted_backbone_is_adapted_again(
        self, train: Any, taste: Any, request: pytest.FixtureRequest
    ) -> None:
        pytest.importorskip("peft")
        first = train(adapt="lora", preset="default")
        request.getfixturevalue("never_trains")
        again = train(adapt="lora", preset="default")
        paths = sorted(taste.liked.iterdir())
        torch.testing.assert_close(
            again["reward"].score(paths).logit, first["reward"].score(paths).logit, atol=1e-4, rtol=0
        )

    def test_the_node_notices_a_replaced_backbone_file(self, pack: Any, tiny: Path) -> None:
        fingerprint = pack.node("GANRMTrain").fingerprint_inputs
        before = fingerprint(backbone=TINY, liked=None)
        assert fingerprint(backbone=TINY, liked=None) == before
        tiny.write_bytes(tiny.read_bytes() + b"\0")
        assert fingerprint(backbone=TINY, liked=None) != before
        tiny.unlink()
        assert fingerprint(backbone=TINY, liked=None) == "missing"
        assert fingerprint(backbone=None) == ""


class TestCancel:
    @pytest.mark.parametrize(
        "stage",
        [
            "looking at the ordinary files",
            "looking at the pictures",
            "finding copies",
            "looking for leaks",
            "reading pictures",
            "fitting",
            "comparing with itself",
            "measuring",
        ],
    )
    def test_at_every_stage_nothing_is_left(
        self, pack: Any, folders: Any, train: Any, stage: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The picture drawn for a step is on the way of every step; the press comes during that stage."""
        module, choice = pack.module("nodes.training.train"), pack.module("nodes.training.backbone_options")
        management = pack.module("nodes.host.progress").comfy.model_management
        seen: list[str] = []
        loaded: list[weakref.ref[Any]] = []
        load = choice.load

        def live(shown: Any) -> Image.Image:
            seen.append(shown.step.stage)
            return Image.new("RGB", (8, 8))

        def press() -> None:
            if stage in seen:
                raise CancelError

        def loading(*arguments: Any) -> Any:
            backbone = load(*arguments)
            loaded.append(weakref.ref(backbone))
            return backbone

        monkeypatch.setattr(module, "live_card", live)
        monkeypatch.setattr(choice, "load", loading)
        monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", press)
        with pytest.raises(CancelError) as caught:
            train()
        assert seen[-1] == stage
        del caught
        management.unload_all_models()  # this runtime's manager holds models, where ComfyUI's only points to them
        gc.collect()
        assert len(loaded) == (0 if stage == "looking at the ordinary files" else 1)
        assert [ref() for ref in loaded] == [None] * len(loaded)
        kept = folders.user / "__ganrm" / "training"
        assert not kept.exists() or not list(kept.iterdir())


class TestDownload:
    @pytest.fixture
    def name(self, pack: Any) -> str:
        name: str = pack.module("ganrm_core.backbones.open_clip_weights").KNOWN[0].name
        return name

    def test_what_is_not_here_is_fetched_with_the_bar_and_then_read_offline(
        self, pack: Any, folders: Any, train: Any, tiny: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        choice = pack.module("nodes.training.backbone_options")
        load_backbone = choice.load_backbone
        progress = pack.module("ganrm_core.utils.progress").Progress
        asked: list[Any] = []

        def download(wanted: str, folder: Path, report: Any) -> None:
            asked.append((wanted, folder))
            report(progress("downloading", 1, 2))

        def load(wanted: str, **how: Any) -> Any:
            asked.append((wanted, how["offline"]))
            return load_backbone(f"file:{tiny}")

        monkeypatch.setattr(choice, "find_weights", lambda *_: None)
        monkeypatch.setattr(choice, "download", download)
        monkeypatch.setattr(choice, "load_backbone", load)
        train(backbone=name)
        assert asked == [(name, folders.models / "ganrm_backbones"), (name, True)]

    def test_what_is_here_is_not_fetched(
        self, pack: Any, train: Any, tiny: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        choice = pack.module("nodes.training.backbone_options")
        load_backbone = choice.load_backbone

        def download(*_: Any) -> None:
            raise AssertionError("it downloads")

        monkeypatch.setattr(choice, "find_weights", lambda *_: tiny)
        monkeypatch.setattr(choice, "download", download)
        monkeypatch.setattr(choice, "load_backbone", lambda *_, **__: load_backbone(f"file:{tiny}"))
        assert train(backbone=name)["reward"].name == "my_taste"

    def test_cancel_stops_it(self, pack: Any, train: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        choice = pack.module("nodes.training.backbone_options")

        def download(*_: Any) -> None:
            raise CancelError

        monkeypatch.setattr(choice, "find_weights", lambda *_: None)
        monkeypatch.setattr(choice, "download", download)
        with pytest.raises(CancelError):
            train(backbone=name)


class TestRefusals:
    @pytest.mark.parametrize(
        "value",
        [
            "",
            "resnet",
            "file:",
            "file:absent.safetensors",
            "file:../tiny.safetensors",
            "file:/etc/passwd",
            "file:..\\..\\secret.safetensors",
            "open_clip:ViT-B-32//etc/passwd",
            "open_clip:ViT-B-32/openai",
            "transformers:evil/repository",
            "open_clip:hf-hub:evil/repository",
        ],
    )
    def test_only_backbones_on_offer(self, pack: Any, train: Any, value: str) -> None:
        with pytest.raises(
            pack.module("ganrm_core.utils.errors").BackboneError, match="models/clip_vision"
        ) as caught:
            train(backbone=value)
        assert "press R" in str(caught.value)
        assert pack.refusal("GANRMTrain", backbone=value) == str(caught.value)

    @pytest.mark.usefixtures("tiny")
    def test_the_pages_own_check_lets_ours_speak(self, pack: Any) -> None:
        for inputs in ({"backbone": TINY}, {"backbone": None}, {}):
            assert pack.refusal("GANRMTrain", **inputs) == ""

    @pytest.mark.parametrize(
        "bad", [{"preset": "best"}, {"adapt": "all"}, {"preset": "paper", "adapt": "lora"}]
    )
    def test_settings(self, pack: Any, train: Any, bad: dict[str, str]) -> None:
        with pytest.raises(pack.module("ganrm_core.utils.errors").DataError) as caught:
            train(**bad)
        assert pack.refusal("GANRMTrain", backbone=TINY, **bad) == str(caught.value)

    def test_lora_on_the_built_in_backbone(self, pack: Any, train: Any) -> None:
        pytest.importorskip("peft")
        with pytest.raises(pack.module("ganrm_core.utils.errors").BackboneError, match="adapt to none"):
            train(backbone="efficientnet_lite0", adapt="lora", preset="default")

    def test_too_few_pictures(self, pack: Any, train: Any, taste: Any) -> None:
        few = sorted(taste.liked.iterdir())
        for liked, said in (
            (few[:2], "2 of 10 liked pictures in pictures, eight to go."),
            (few[:9], "one to go"),
        ):
            result = train(liked=liked)
            assert said in result["summary"]
            assert result.ui["summary"] == [result["summary"]]
            assert len(result.ui["images"]) == 1
            for output in ("reward", "loss", "report"):
                assert isinstance(result[output], pack.module("nodes.display.empty_outputs").ExecutionBlocker)
        assert "0 of 10 ordinary pictures" in train(ordinary=[])["summary"]

    def test_too_few_that_can_be_read(self, train: Any, taste: Any, tmp_path: Path) -> None:
        liked, ordinary = copied(taste, tmp_path / "a")
        for path in sorted(liked.iterdir())[:4]:
            path.write_bytes(path.name.encode())
        summary = train(liked, ordinary)["summary"]
        assert "8 of 10 liked pictures in pictures, two to go" in summary
        assert "4 files were skipped" in summary

    def test_the_same_pictures_twice(self, pack: Any, train: Any, taste: Any) -> None:
        with pytest.raises(pack.module("ganrm_core.utils.errors").DataError, match="are the same: both are"):
            train(ordinary=taste.liked)

    def test_without_timm_the_built_in_backbone_alone_is_gone(
        self, pack: Any, train: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(pack.module("ganrm_core.utils.errors").BackboneError, match="timm"):
            train(backbone="efficientnet_lite0")
        assert train()["reward"].name == "my_taste"

    def test_bad_files_are_skipped_and_named(self, train: Any, taste: Any, tmp_path: Path) -> None:
        liked, ordinary = copied(taste, tmp_path / "a")
        (liked / "empty.png").touch()
        for again in (False, True):
            result = train(liked, ordinary)
            assert result.ui["reused"] == [again]
            assert 'skipped: "empty.png"' in result["summary"]

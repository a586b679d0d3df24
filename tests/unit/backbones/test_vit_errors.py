"""What a person reads when a model of `transformers` cannot be found or used."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.utils.errors import BackboneError

transformers = pytest.importorskip("transformers")

SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}


@pytest.mark.parametrize("name", ["vit:x", "open_clip:", "transformers", "efficientnet_lite0:x", ""])
def test_unknown_names(name: str) -> None:
    with pytest.raises(BackboneError, match=r"Unknown backbone .* Use one of: efficientnet_lite0"):
        load_backbone(name)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no folder .*absent.*hub id"):
        load_backbone(f"transformers:{tmp_path / 'absent'}")


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"holds no config\.json"):
        load_backbone(f"transformers:{tmp_path}")


@pytest.mark.parametrize("repo", ["somebody/dinov2-tinny", "dinov2-tinny"])
def test_unreachable_hub(repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "dinov2-tiny").mkdir()
    with pytest.raises(
        BackboneError, match=r"cannot be downloaded .*transformers:<that folder>.*dinov2-tiny\?"
    ):
        load_backbone(f"transformers:{repo}", search_folders=[tmp_path])


def test_a_model_that_reads_text(tmp_path: Path) -> None:
    config = transformers.BertConfig(**SHAPE, vocab_size=99)
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(BackboneError, match="does not read pictures"):
        load_backbone(f"transformers:{tmp_path / 'bert'}")


@pytest.mark.skipif(not hasattr(transformers, "Siglip2VisionConfig"), reason="transformers is too old")
def test_naflex_is_refused_by_name(tmp_path: Path) -> None:
    transformers.Siglip2VisionConfig(**SHAPE, patch_size=8).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="NaFlex"):
        load_backbone(f"transformers:{tmp_path}")


def test_unknown_model_type(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "from_the_future"}')
    with pytest.raises(BackboneError, match=r"from_the_future.*Update transformers"):
        load_backbone(f"transformers:{tmp_path}")

"""Folders that hold no usable vision-language model: errors that name what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from unit_support.tiny_chat_models import write_idefics3, write_smolvlm

from ganrm_core.rewards.vision_language.chat_model import MOST_PIXELS, as_picture
from ganrm_core.rewards.vision_language.loading import load_chat_model
from ganrm_core.utils.errors import BackboneError

pytest.importorskip("transformers")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_idefics3(tmp_path / "model")
    return tmp_path / "model"


def test_it_keeps_the_number_format_of_the_folder(folder: Path) -> None:
    from transformers import AutoModelForImageTextToText

    AutoModelForImageTextToText.from_pretrained(folder).to(torch.bfloat16).save_pretrained(folder)
    model = load_chat_model(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert [file.name for file in model.files] == ["model.safetensors"]


def test_a_folder_without_a_model_or_processor_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="no model in"):
        load_chat_model(tmp_path / "nothing")
    (folder / "processor_config.json").unlink()
    with pytest.raises(BackboneError, match="model"):
        load_chat_model(folder)


def test_a_model_that_was_not_trained_to_chat_is_refused(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(BackboneError, match="chat template"):
        load_chat_model(folder)


def test_code_in_the_folder_is_never_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('was run')")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoModelForImageTextToText": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackboneError, match="of InternVL the name ends in -hf"):
        load_chat_model(folder)


def test_a_package_that_the_processor_needs_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", str)
    write_smolvlm(folder)
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    with pytest.raises(BackboneError, match="pip install num2words"):
        load_chat_model(folder)


def test_a_quantised_model_needs_its_package_and_no_code_of_the_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.quantizers.quantizer_bnb_4bit.is_bitsandbytes_available", lambda: False)
    config = json.loads((folder / "config.json").read_text())
    for quantised, message in (
        ({"quant_method": "fp8"}, "stored as fp8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "needs a package that is not installed"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, "quantization_config": quantised}))
        with pytest.raises(BackboneError, match=message):
            load_chat_model(folder)


def test_large_pictures_are_reduced_and_others_kept() -> None:
    assert as_picture(torch.rand(3, 40, 30)).size == (30, 40)
    large = as_picture(torch.rand(3, 2000, 1000))
    assert MOST_PIXELS * 0.99 < large.width * large.height <= MOST_PIXELS
    assert large.height / large.width == pytest.approx(2, abs=0.01)

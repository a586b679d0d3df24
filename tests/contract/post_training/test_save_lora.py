"""Save LoRA: files in models/loras."""

from __future__ import annotations

import pytest
import torch
from contract_support.pack import Folders, Pack
from safetensors import safe_open

SAVE = "GANRMSaveLora"
LORA = {
    "diffusion_model.out.lora_up.weight": torch.randn(4, 2),
    "diffusion_model.out.lora_down.weight": torch.randn(2, 3),
    "diffusion_model.out.alpha": torch.tensor(2.0),
}


def test_a_lora_is_saved_once_and_nothing_is_overwritten(pack: Pack, folders: Folders) -> None:
    home = folders.models / "loras"
    assert pack.run(SAVE, lora=LORA, name="mine/warm", about="learned")["path"] == "mine/warm.safetensors"
    with safe_open(home / "mine/warm.safetensors", framework="pt") as file:
        assert file.metadata() == {"ganrm": "learned"}
        assert {key: file.get_tensor(key).tolist() for key in file.keys()} == {  # noqa: SIM118
            key: tensor.tolist() for key, tensor in LORA.items()
        }
    assert pack.run(SAVE, lora=LORA, name="mine/warm", about="learned")["path"] == "mine/warm.safetensors"
    other = {**LORA, "diffusion_model.out.alpha": torch.tensor(3.0)}
    assert pack.run(SAVE, lora=other, name="mine/warm")["path"] == "mine/warm (2).safetensors"
    assert len(list(home.rglob("*.safetensors"))) == 2


def test_what_is_not_worth_it_is_not_saved(pack: Pack, folders: Folders) -> None:
    assert pack.run(SAVE, lora=LORA, name="warm", keep=False)["path"] == ""
    assert not list((folders.models / "loras").rglob("*.safetensors"))


@pytest.mark.parametrize("name", ["", "../warm", "/tmp/warm", "a/../../warm"])
def test_a_name_outside_the_folder_is_refused_before_the_training(pack: Pack, name: str) -> None:
    error = pack.module("ganrm_core.utils.errors").OutputError
    with pytest.raises(error):
        pack.node(SAVE).validate_inputs(name=name)
    with pytest.raises(error):
        pack.run(SAVE, lora=LORA, name=name)


def test_an_empty_lora_is_refused(pack: Pack) -> None:
    with pytest.raises(pack.module("ganrm_core.utils.errors").DataError, match="nothing to save"):
        pack.run(SAVE, lora={}, name="warm")

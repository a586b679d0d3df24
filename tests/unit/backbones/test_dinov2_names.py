"""DINOv2's tensors under the names of older and of newer versions of `transformers`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from unit_support.tiny_encoders import random_model, reference

from ganrm_core.backbones import hf_vision_model
from ganrm_core.backbones.dinov2_names import has_newer_names, with_older_names
from ganrm_core.backbones.registry import load_backbone

pytest.importorskip("transformers")


def with_newer_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, tensor in with_older_names(tensors).items():
        if ".mlp.weights_in." in name:
            gate, up = tensor.chunk(2)
            found[name.replace("weights_in", "gate_proj")] = gate.contiguous()
            found[name.replace("weights_in", "up_proj")] = up.contiguous()
            continue
        for old, new in (("query", "q"), ("key", "k"), ("value", "v")):
            name = name.replace(f".attention.attention.{old}.", f".attention.{new}_proj.")
        name = name.replace(".attention.output.dense.", ".attention.o_proj.")
        found[name.replace(".mlp.weights_out.", ".mlp.down_proj.")] = tensor
    return found


@pytest.fixture(params=["dinov2", "dinov2-registers"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("source", ["transformers", "file"])
@pytest.mark.parametrize("name_as", [with_older_names, with_newer_names])
def test_both_namings_are_read(
    name_as: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    source: str,
    family: str,
    saved: Callable[[str], Path],
    tmp_path: Path,
    pixels: Tensor,
) -> None:
    folder = Path(shutil.copytree(saved(family), tmp_path / "model"))
    file = folder / "model.safetensors"
    tensors = name_as(random_model(family).state_dict())
    assert has_newer_names(tensors) == (name_as is with_newer_names)
    save_file(tensors, file, metadata={"format": "pt"})
    with torch.no_grad():
        embedding = load_backbone(f"{source}:{folder if source == 'transformers' else file}").features(
            pixels
        )[-1]
        _, expected = reference(family, pixels)
    torch.testing.assert_close(embedding, expected.unsqueeze(1), atol=1e-5, rtol=0)


def test_a_folder_of_a_newer_version_is_read_by_one_that_does_not_know_its_names(
    family: str, saved: Callable[[str], Path], tmp_path: Path, pixels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(saved(family), tmp_path / "model"))
    newer = with_newer_names(random_model(family).state_dict())
    save_file(newer, folder / "model.safetensors", metadata={"format": "pt"})
    load = hf_vision_model._from_pretrained

    def as_older(config: Any, source: Any, *rest: Any) -> tuple[Any, set[str], set[str]]:
        net, missing, unexpected = load(config, source, *rest)
        # An older version finds none of the names that it does not know.
        return (
            (net, missing, unexpected)
            if isinstance(source, dict)
            else (net, set(with_older_names(newer)), set(newer))
        )

    monkeypatch.setattr(hf_vision_model, "_from_pretrained", as_older)
    with torch.no_grad():
        embedding = load_backbone(f"transformers:{folder}").features(pixels)[-1]
        _, expected = reference(family, pixels)
    torch.testing.assert_close(embedding, expected.unsqueeze(1), atol=1e-5, rtol=0)


def test_other_depths_can_be_read(saved: Callable[[str], Path], pixels: Tensor) -> None:
    backbone: Any = load_backbone(f"transformers:{saved('dinov2')}")
    layout = backbone.layout
    backbone.layout = replace(layout, depths=(3, 5), widths=layout.widths[:2])
    assert [tap.name for tap in backbone.layout.taps] == [
        "block3",
        "block3.cls",
        "block5",
        "block5.cls",
        "embedding",
    ]
    with torch.no_grad():
        states, _ = reference("dinov2", pixels)
        features = backbone.features(pixels)
    torch.testing.assert_close(features[0], states[3][:, 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(features[2], states[5][:, 1:], atol=1e-5, rtol=0)

"""Model folders of `transformers`: preprocessing, weights files, and errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from unit_support.tiny_encoders import SHAPE, Malice, random_model

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.utils.errors import BackboneError

transformers = pytest.importorskip("transformers")


@pytest.fixture
def folder(saved: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of DINOv2."""
    return Path(shutil.copytree(saved("dinov2"), tmp_path / "model"))


def embedding(folder: Path, pixels: Tensor) -> Tensor:
    return load_backbone(f"transformers:{folder}").features(pixels)[-1]


def refused(folder: Path, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        load_backbone(f"transformers:{folder}")


@pytest.mark.parametrize(
    ("family", "preprocessing", "size"),
    [
        ("dinov2", {"crop_size": {"height": 24, "width": 24}, "size": {"shortest_edge": 28}}, 24),
        ("dinov2", {"crop_size": 24, "size": {"shortest_edge": 28}, "do_center_crop": False}, 28),
        ("dinov2", {"size": [16, 16]}, 16),
        ("dinov2", {"do_normalize": False}, 32),
        ("clip-vision", {"crop_size": 64, "size": 64}, 32),  # takes no other size
    ],
)
def test_size_and_normalisation_come_from_the_preprocessing(
    family: str, preprocessing: dict[str, object], size: int, saved: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(saved(family), tmp_path / "model")
    about = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], **preprocessing}
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    spec = load_backbone(f"transformers:{folder}").spec
    normalised = preprocessing.get("do_normalize", True)
    assert spec.mean == ((0.1, 0.2, 0.3) if normalised else (0, 0, 0))
    assert spec.std == ((0.4, 0.5, 0.6) if normalised else (1, 1, 1))
    assert spec.input_size == size


def test_broken_preprocessing(folder: Path) -> None:
    for text, message in (
        ("{", "is not JSON"),
        ('{"image_mean": [0.5]}', "image_mean is .*not three numbers"),
        ('{"size": 9999}', "pictures of 9999 × 9999"),
    ):
        (folder / "preprocessor_config.json").write_text(text)
        refused(folder, message)


def test_weights_in_several_files(folder: Path, tmp_path: Path, pixels: Tensor) -> None:
    many = tmp_path / "many"
    random_model("dinov2").save_pretrained(many, max_shard_size="200KB")
    assert len(list(many.glob("*.safetensors"))) > 1
    assert torch.equal(embedding(many, pixels), embedding(folder, pixels))
    hashes = {load_backbone(f"transformers:{each}").spec.weights_sha256 for each in (many, folder)}
    assert len(hashes) == 2
    next(many.glob("*.safetensors")).unlink()
    refused(many, r"lacks model-0.*Download")


def test_weights_as_bin_are_read_without_running_code(folder: Path, tmp_path: Path, pixels: Tensor) -> None:
    expected = embedding(folder, pixels)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    assert torch.equal(embedding(folder, pixels), expected)
    torch.save({**tensors, "layernorm.bias": Malice(tmp_path / "trace")}, folder / "pytorch_model.bin")
    refused(folder, "cannot be loaded as dinov2")
    assert not (tmp_path / "trace").exists()


def test_missing_truncated_and_foreign_weights(
    folder: Path, saved: Callable[[str], Path], tmp_path: Path
) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    refused(folder, r"cannot be loaded as dinov2.*download it again")
    shutil.copy(saved("clip-vision") / file.name, file)
    refused(folder, r"lacks \d+ tensors for a dinov2")
    file.unlink()
    refused(folder, r"holds no weights\. Put model\.safetensors")
    (folder / "config.json").unlink()
    refused(folder, r"holds no config\.json")
    refused(tmp_path / "absent", r"no folder .*absent.*hub id")


def test_configurations_that_cannot_be_used(folder: Path) -> None:
    whole = json.loads((folder / "config.json").read_text())
    for config, message in (
        ({"model_type": "from_the_future"}, r"from_the_future.*Update transformers"),
        ({**SHAPE, "model_type": "siglip2_vision_model", "patch_size": 8}, "NaFlex"),
        ({**SHAPE, "model_type": "bert", "vocab_size": 99}, "does not read pictures"),
        ({"attn_implementation": "somebody/kernel"}, r"asks for code from the hub \(somebody/kernel\)"),
    ):
        about = {} if "model_type" in config else whole
        (folder / "config.json").write_text(json.dumps({**about, **config}))
        for offline in (True, False):
            with pytest.raises(BackboneError, match=message):
                load_backbone(f"transformers:{folder}", offline=offline)


def test_unreachable_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "dinov2-tiny").mkdir()
    with pytest.raises(
        BackboneError, match=r"cannot be downloaded .*transformers:<that folder>.*dinov2-tiny\?"
    ):
        load_backbone("transformers:somebody/dinov2-tinny", search_folders=[tmp_path])

"""Valid model files to mutate: checkpoints with each kind of head and an adapter, a combination, a feature archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganrm_core.rewards.combination_file import write_combination
from ganrm_core.rewards.discriminator.heads import Head, PaperHead, ProjectedMLPHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.lora_adapter import Adapter
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.feature_archive import write_features
from ganrm_core.training.trainer import train

_VIT = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
}
_RANK = 2


@dataclass(frozen=True)
class Seeds:
    """A folder with the files of these names and the backbone they need."""

    folder: Path
    checkpoints = ("linear.safetensors", "mlp.safetensors", "paper.safetensors", "adapted.safetensors")
    combination = "both.json"
    feature_archive = "linear.features.safetensors"
    backbone = "backbone.safetensors"


def make_checkpoint_seeds(folder: Path) -> Seeds:
    """Train a tiny model on drawn pictures and derive the others from it."""
    seeds = Seeds(folder)
    weights = _write_backbone(folder / seeds.backbone)
    sets = [_write_pictures(folder / kind, noise) for kind, noise in (("liked", 0), ("ordinary", 40))]
    trained = train(*sets, TrainingSettings(backbone=f"file:{weights}", views=2))
    assert trained.known is not None
    linear = folder / seeds.checkpoints[0]
    trained.model.save(linear)
    write_features(linear, trained.model, trained.known)
    width = trained.model.reader.readout.width(trained.model.backbone.spec)
    heads: dict[str, Callable[[], Head]] = {
        "mlp": lambda: ProjectedMLPHead(torch.randn(width), torch.randn(width, 5), hidden=6),
        "paper": lambda: PaperHead(width, hidden=6),
    }
    for name, head in heads.items():
        layer = RewardProjectionLayer(head(), [head() for _ in range(3)])
        _changed(trained.model, layer).save(folder / f"{name}.safetensors")
    _changed(trained.model, trained.model.layer, _adapter(trained.model)).save(folder / "adapted.safetensors")
    write_combination(folder / seeds.combination, [(linear, 1.0), (folder / "mlp.safetensors", -0.5)])
    return seeds


def _write_backbone(path: Path) -> Path:
    """As in ComfyUI's models/clip_vision, with random weights large enough to tell pictures apart."""
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(4)
    network = CLIPVisionModelWithProjection(CLIPVisionConfig(**_VIT, intermediate_size=64, projection_dim=24))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, str(path))
    return path


def _write_pictures(folder: Path, noise: float) -> Path:
    folder.mkdir()
    for number in range(10):
        random = np.random.default_rng([number, int(noise)])
        ramp = np.linspace(random.uniform(0, 255, 3), random.uniform(0, 255, 3), 32)
        pixels = np.broadcast_to(ramp, (32, 32, 3)) + random.normal(0, 1, (32, 32, 3)) * noise
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02}.png")
    return folder


def _changed(model: RewardModel, layer: RewardProjectionLayer, adapter: Adapter | None = None) -> RewardModel:
    head = CalibratedHead(model.reader.readout, layer, model.calibration)
    return RewardModel(model.backbone, head, card=model.card, adapter=adapter)


def _adapter(model: RewardModel) -> Adapter:
    tensors: dict[str, torch.Tensor] = {}
    for name in model.backbone.adaptable_modules(1):
        rows, columns = model.backbone.get_submodule(name).weight.shape  # type: ignore[misc, union-attr]
        tensors |= {f"{name}.A": torch.randn(_RANK, columns) / 9, f"{name}.B": torch.randn(rows, _RANK) / 9}
    return Adapter(_RANK, 4.0, tensors)

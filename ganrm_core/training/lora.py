"""Training LoRA adapters in a backbone's last blocks together with a linear head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ..backbones.base import Backbone
from ..backbones.vit import VitBackbone
from ..backbones.vit_trunk import Trunk
from ..data.splits import FIFTHS, IntArray, assign_folds, refuse_too_alike
from ..metrics.binary import FloatArray, class_weights
from ..metrics.calibration import fit_calibration
from ..rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ..rewards.discriminator.lora_adapter import Adapter, merge_adapter
from ..rewards.discriminator.readout import Readout
from ..utils.errors import BackboneError, DataError
from ..utils.optional_imports import cannot_import
from ..utils.progress import History, Progress, ProgressCallback
from .cross_validation import FittedHead
from .feature_extraction import CachedPictures
from .feature_rows import Rows
from .head_fitting import fit_linear_path, quality
from .trunk_states import TrunkStates
from .whitening import fit_projection

RANK = 8
_ALPHA = 16.0
_LAST_BLOCKS = 4
_EPOCHS = 10
_PATIENCE = 3
_BATCH = 8
_ADAPTER_RATE, _HEAD_RATE, _WEIGHT_DECAY = 3e-4, 1e-3, 1e-2
_START_POWER, _START_PENALTY = 0.5, 0.1


def trunk_of(backbone: Backbone) -> Trunk:
    """The part of `backbone` that `fit_with_lora` leaves as it is.

    Raises BackboneError where that would: peft missing, or nothing to adapt.
    """
    _import_peft()
    names = backbone.adaptable_modules(_LAST_BLOCKS)
    if not names or not isinstance(backbone, VitBackbone):
        raise BackboneError(
            f"The backbone {backbone.spec.name} has no layers that LoRA can adapt. Use a transformer "
            "backbone (open_clip:…, transformers:…, file:…), or set adapt to none."
        )
    return Trunk(backbone, _LAST_BLOCKS)


def fit_with_lora(
    backbone: Backbone, readout: Readout, pictures: CachedPictures, *, seed: int, progress: ProgressCallback
) -> FittedHead:
    """Adapt `backbone` to the pictures, in place, and fit a linear head with it.

    One split instead of cross-validation, since every fold would cost a training of its own: three
    fifths are learned from, one stops the training early, one is held out for calibration and
    figures. The adapter is merged into the backbone before this returns. `pictures` must have been read with
    their states; what lies below the adapted blocks does not run again. Raises DataError where near-duplicates
    leave nothing to split.
    """
    if pictures.states is None:
        raise ValueError("LoRA needs the states of the trunk: read the pictures with them")
    groups = pictures.groups
    refuse_too_alike(pictures.labels, groups)
    folds = assign_folds(pictures.labels, groups, FIFTHS, seed)
    held_out, stopping = np.flatnonzero(folds == 0), np.flatnonzero(folds == 1)
    if any(len(np.unique(pictures.labels[part])) < 2 for part in (held_out, stopping)):
        raise DataError(
            "Too many near-duplicates stand in both sets to split the pictures in five for LoRA. Remove some, or "
            "set adapt to none."
        )
    learning = np.flatnonzero(folds > 1)
    rows = Rows(pictures.features, torch.from_numpy(pictures.labels).float())
    start = _starting_head(rows.take(torch.from_numpy(learning)), backbone, readout)
    adaptable = _Adaptable(pictures, pictures.states)
    with _lora_layers(backbone) as layers:
        head, history = _train(backbone, adaptable, start, learning, stopping, progress)
        adapter = Adapter(RANK, _ALPHA, _tensors(layers))
    # An untouched LoRA layer's B is zero: then no epoch was better than the frozen backbone.
    helped = any(bool(tensor.any()) for name, tensor in adapter.tensors.items() if name.endswith(".B"))
    if helped:
        merge_adapter(backbone, adapter)
    logits = adaptable.logits(head, held_out)
    labels = pictures.labels[held_out]
    return FittedHead(
        layer=RewardProjectionLayer(head),
        calibration=fit_calibration(logits, labels),
        held_out=held_out,
        held_out_scores=_cross_calibrated(logits, labels, groups[held_out], seed),
        protocol="one fifth of the pictures, near-duplicates kept together",
        candidate="linear with LoRA"
        if helped
        else "linear, since LoRA gained nothing over the frozen backbone",
        history=history,
        adapter=adapter if helped else None,
    )


@dataclass(frozen=True)
class _Adaptable:
    """The pictures, as the backbone sees them while it changes."""

    pictures: CachedPictures
    states: TrunkStates

    def features(self, chosen: Tensor, views: Tensor) -> Tensor:
        """[B, width] of the views [B] of the pictures [B]."""
        return self.states.features(self.pictures.features, chosen, views)

    def logits(self, head: nn.Module, chosen: IntArray) -> FloatArray:
        """Of the pictures as scoring sees them."""
        device = next(head.buffers()).device
        places = torch.from_numpy(chosen)
        features = self.states.some_features(self.pictures.features, places, torch.zeros_like(places))
        with torch.no_grad():
            logits: FloatArray = head(features.to(device)).double().cpu().numpy()
            return logits


def _import_peft() -> Any:
    try:
        import peft
    except Exception as error:
        raise BackboneError(
            cannot_import("LoRA", "the package peft", error, "peft", ", or set adapt to none")
        ) from error
    return peft


def _starting_head(rows: Rows, backbone: Backbone, readout: Readout) -> LinearHead:
    """The frozen backbone's best guess: adapting starts from a head that already works."""
    projection = fit_projection(rows.flat()[0], readout.blocks(backbone.spec))
    return fit_linear_path(rows, projection, _START_POWER, [1.0, _START_PENALTY])[-1]


@contextmanager
def _lora_layers(backbone: Backbone) -> Iterator[dict[str, nn.Module]]:
    """Put trainable LoRA layers around the last blocks' linear ones, and take them away again."""
    peft, names = _import_peft(), backbone.adaptable_modules(_LAST_BLOCKS)
    originals = {name: backbone.get_submodule(name) for name in names}
    settings = peft.LoraConfig(r=RANK, lora_alpha=_ALPHA, target_modules=names)
    peft.inject_adapter_in_model(settings, backbone)
    try:
        yield {name: backbone.get_submodule(name) for name in names}
    finally:
        for name, module in originals.items():
            parent, _, leaf = name.rpartition(".")
            setattr(backbone.get_submodule(parent), leaf, module)
        backbone.eval().requires_grad_(False)


def _tensors(layers: dict[str, nn.Module]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        for part in ("A", "B"):
            weight = layer.get_submodule(f"lora_{part}.default").weight
            assert isinstance(weight, Tensor)
            tensors[f"{name}.{part}"] = weight.detach().cpu().clone()
    return tensors


class _Trainable(nn.Module):
    """A linear head as parameters of about the same size, so that one learning rate fits all."""

    mean: Tensor
    spread: Tensor

    def __init__(self, head: LinearHead, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", head.mean.clone())
        self.register_buffer("spread", spread.clamp_min(1e-6))
        self.weight = nn.Parameter(head.weight * self.spread)
        self.bias = nn.Parameter(head.bias.clone())

    def forward(self, features: Tensor) -> Tensor:
        return ((features - self.mean) / self.spread) @ self.weight + self.bias

    def folded(self) -> LinearHead:
        return LinearHead(
            self.mean.cpu(), (self.weight / self.spread).detach().cpu(), self.bias.detach().cpu()
        )


def _train(
    backbone: Backbone,
    adaptable: _Adaptable,
    start: LinearHead,
    learning: IntArray,
    stopping: IntArray,
    progress: ProgressCallback,
) -> tuple[LinearHead, History]:
    """Train adapter and head end to end; both are left as they were in the best epoch.

    The history starts with the frozen backbone.
    """
    pictures = adaptable.pictures
    device = next(backbone.parameters()).device
    chosen, views = torch.from_numpy(learning), pictures.features.shape[1]
    head = _Trainable(start, pictures.features[chosen].flatten(0, 1).std(dim=0)).to(device)
    adapter = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": adapter, "lr": _ADAPTER_RATE}, {"params": head.parameters(), "lr": _HEAD_RATE}],
        weight_decay=_WEIGHT_DECAY,
    )
    labels = torch.from_numpy(pictures.labels).float()
    weights = torch.from_numpy(class_weights(pictures.labels)).float()
    total = _EPOCHS * -(-len(chosen) // _BATCH)
    best = [parameter.detach().clone() for parameter in (*adapter, *head.parameters())]

    def judge() -> tuple[float, float]:
        logits = adaptable.logits(head, stopping)
        return quality(torch.from_numpy(logits), torch.from_numpy(pictures.labels[stopping]))

    best_reached = judge()
    history = History("epoch", (-best_reached[1],), (best_reached[0],))
    waited = step = 0
    for _ in range(_EPOCHS):
        for batch in chosen[torch.randperm(len(chosen))].split(_BATCH):
            view = torch.randint(views, (len(batch),))
            loss = binary_cross_entropy_with_logits(
                head(adaptable.features(batch, view)),
                labels[batch].to(device),
                weight=weights[batch].to(device),
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            progress(
                Progress(
                    "adapting",
                    step,
                    total,
                    {"loss": float(loss.detach()), "auc": best_reached[0]},
                    history,
                )
            )
        reached = judge()
        history = History("epoch", (*history.loss, -reached[1]), (*history.auc, reached[0]))
        if reached > best_reached:
            best_reached, waited = reached, 0
            best = [parameter.detach().clone() for parameter in (*adapter, *head.parameters())]
        elif (waited := waited + 1) >= _PATIENCE:
            break
    with torch.no_grad():
        for parameter, value in zip((*adapter, *head.parameters()), best, strict=True):
            parameter.copy_(value)
    return head.folded(), history


def _cross_calibrated(logits: FloatArray, labels: IntArray, groups: IntArray, seed: int) -> FloatArray:
    """Scores of each held-out picture by a calibration fitted on the others."""
    folds = assign_folds(labels, groups, FIFTHS, seed)
    scores = np.zeros(len(logits))
    for fold in np.unique(folds):
        inside = folds == fold
        scores[inside] = fit_calibration(logits[~inside], labels[~inside]).scores(logits[inside])
    return scores

"""Training LoRA adapters in a backbone's last blocks together with a linear head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from .block_weights import block_weights
from .cross_validation import FittedHead
from .feature_extraction import DatasetFeatures
from .feature_rows import Rows
from .head_config import LORA_START, HeadConfig
from .head_fitting import fit_linear_path, quality
from .model_selection import clearly_better, nested_scores
from .trunk_states import TrunkStates
from .whitening import fit_projection

RANK = 8
_ALPHA = 16.0
_LAST_BLOCKS = 4
_EPOCHS = 10
_PATIENCE = 3
_BATCH = 8
_ADAPTER_RATE, _HEAD_RATE, _WEIGHT_DECAY = 3e-4, 1e-3, 1e-2
_START = HeadConfig(LinearHead.kind, *LORA_START)


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
    backbone: Backbone,
    readout: Readout,
    dataset: DatasetFeatures,
    frozen: FittedHead,
    *,
    seed: int,
    progress: ProgressCallback,
) -> FittedHead:
    """Adapt `backbone` to the pictures, in place, and fit a linear head with it; `frozen` where that is not clearly better.

    One split instead of cross-validation, since every fold would cost a training of its own: three fifths train, one
    stops the training early, one is held out for calibration, for metrics, and for the comparison with `frozen`, the
    head that `fit_default` fits to the same features. The adapter is merged into the backbone before this returns.
    `dataset` must have trunk states: the blocks below the adapted ones do not run again. Raises DataError where
    near-duplicates leave nothing to split.
    """
    if dataset.states is None:
        raise ValueError("LoRA needs the states of the trunk: extract the features with them")
    labels, groups = dataset.table.labels, dataset.table.groups
    split = _Split.of(labels, groups, seed)
    start = _starting_head(dataset.rows().take(torch.from_numpy(split.training)), backbone, readout)
    adaptable = _Adaptable(dataset, dataset.states)
    with lora_layers(backbone) as layers:
        head, history = _LoraTraining(backbone, adaptable, start, split).run(progress)
        adapter = Adapter(RANK, _ALPHA, _tensors(layers))
        logits, judged = adaptable.logits(head, split.held_out), labels[split.held_out]
    parts = assign_folds(judged, groups[split.held_out], FIFTHS, seed)
    scores = nested_scores({_START: logits}, judged, parts, lambda *_: _START)
    # An untouched LoRA layer's B is zero: then no epoch was better than the start.
    changed = any(bool(tensor.any()) for name, tensor in adapter.tensors.items() if name.endswith(".B"))
    if not changed or not clearly_better(scores, frozen.held_out_scores[split.held_out], judged):
        chosen = f"{frozen.candidate}, since LoRA gained nothing over the frozen backbone"
        return replace(frozen, candidate=chosen, history=history)
    merge_adapter(backbone, adapter)
    return FittedHead(
        layer=RewardProjectionLayer(head),
        calibration=fit_calibration(logits, judged),
        held_out=split.held_out,
        held_out_scores=scores,
        protocol="one fifth of the pictures, near-duplicates kept together",
        config=_START,
        candidate="linear with LoRA",
        history=history,
        adapter=adapter,
    )


@dataclass(frozen=True)
class _Split:
    """Positions of the pictures to train on, to stop early by, and to judge by."""

    training: IntArray
    stopping: IntArray
    held_out: IntArray

    @classmethod
    def of(cls, labels: IntArray, groups: IntArray, seed: int) -> _Split:
        """Raises DataError where there is too little to split."""
        refuse_too_alike(labels, groups)
        folds = assign_folds(labels, groups, FIFTHS, seed)
        held_out, stopping = np.flatnonzero(folds == 0), np.flatnonzero(folds == 1)
        if any(len(np.unique(labels[part])) < 2 for part in (held_out, stopping)):
            raise DataError(
                "Too many near-duplicates stand in both sets to split the pictures in five for LoRA. Remove some, or "
                "set adapt to none."
            )
        return cls(np.flatnonzero(folds > 1), stopping, held_out)


@dataclass(frozen=True)
class _Adaptable:
    """The pictures' features under the backbone as it is now."""

    dataset: DatasetFeatures
    states: TrunkStates

    def features(self, pictures: Tensor, views: Tensor) -> Tensor:
        """Features [B, D] of the views [B] of the pictures [B], with gradients."""
        return self.states.features(self.dataset.features, pictures, views)

    def logits(self, head: nn.Module, pictures: IntArray) -> FloatArray:
        """Logits [B] of the plain views, as in scoring."""
        device = next(head.buffers()).device
        places = torch.from_numpy(pictures)
        features = self.states.some_features(self.dataset.features, places, torch.zeros_like(places))
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
    """A head fitted on the frozen backbone: adapting starts from one that already works."""
    blocks = readout.blocks(backbone.spec)
    projection = fit_projection(rows.flat()[0], blocks, weights=block_weights(rows, blocks))
    whitening, penalty = LORA_START
    return fit_linear_path(rows, projection, whitening, [1.0, penalty])[-1]


@contextmanager
def lora_layers(backbone: Backbone) -> Iterator[dict[str, nn.Module]]:
    """Wraps the linear layers of the last blocks in trainable LoRA layers, by name; unwraps them at the end."""
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
    """A linear head on standardised features, so that one learning rate fits all parameters."""

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


class _LoraTraining:
    """Trains adapter and head end to end with AdamW and an early stop; both end as in the best epoch."""

    def __init__(self, backbone: Backbone, adaptable: _Adaptable, start: LinearHead, split: _Split) -> None:
        self.adaptable, self.split = adaptable, split
        table, features = adaptable.dataset.table, adaptable.dataset.features
        self.training, self.views = torch.from_numpy(split.training), features.shape[1]
        self.device = next(backbone.parameters()).device
        spread = features[self.training].flatten(0, 1).std(dim=0)
        self.head = _Trainable(start, spread).to(self.device)
        adapter = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
        self.parameters = [*adapter, *self.head.parameters()]
        self.optimiser = torch.optim.AdamW(
            [{"params": adapter, "lr": _ADAPTER_RATE}, {"params": self.head.parameters(), "lr": _HEAD_RATE}],
            weight_decay=_WEIGHT_DECAY,
        )
        self.labels = torch.from_numpy(table.labels).float()
        self.weights = torch.from_numpy(class_weights(table.labels)).float()
        self.stopping_labels = torch.from_numpy(table.labels[split.stopping])

    def run(self, progress: ProgressCallback) -> tuple[LinearHead, History]:
        """The head, and held-out loss and AUC by epoch, starting with the frozen backbone's."""
        batches = -(-len(self.training) // _BATCH)
        best, best_reached, waited = self._copies(), self._quality(), 0
        history = History("epoch", (-best_reached[1],), (best_reached[0],))
        for epoch in range(_EPOCHS):
            for step, batch in enumerate(
                self.training[torch.randperm(len(self.training))].split(_BATCH), start=epoch * batches + 1
            ):
                metrics = {"loss": self._step(batch), "auc": best_reached[0]}
                progress(Progress("adapting", step, _EPOCHS * batches, metrics, history))
            reached = self._quality()
            history = History("epoch", (*history.loss, -reached[1]), (*history.auc, reached[0]))
            if reached > best_reached:
                best, best_reached, waited = self._copies(), reached, 0
            elif (waited := waited + 1) >= _PATIENCE:
                break
        with torch.no_grad():
            for parameter, value in zip(self.parameters, best, strict=True):
                parameter.copy_(value)
        return self.head.folded(), history

    def _step(self, batch: Tensor) -> float:
        """One optimiser step on a random view of each picture; returns the loss."""
        view = torch.randint(self.views, (len(batch),))
        loss = binary_cross_entropy_with_logits(
            self.head(self.adaptable.features(batch, view)),
            self.labels[batch].to(self.device),
            weight=self.weights[batch].to(self.device),
        )
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    def _quality(self) -> tuple[float, float]:
        """AUC and negated loss on the pictures to stop by."""
        logits = self.adaptable.logits(self.head, self.split.stopping)
        return quality(torch.from_numpy(logits), self.stopping_labels)

    def _copies(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

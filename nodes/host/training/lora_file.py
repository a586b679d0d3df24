"""LoRA files: writing core's own format (LORA_MODEL), and starting from a LoRA of any format that core can map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.lora_convert
import comfy.utils
import torch
from torch import Tensor

from ....ganrm_core.post_training.config import LoraSettings
from ....ganrm_core.utils.errors import DataError
from ....ganrm_core.utils.files import shown
from .layer_choice import all_layers, chosen_layers
from .lora_layers import LoraLayer, LoraLayers, LoraWeights, fresh_weights

LoraDict = Mapping[str, Tensor]
"""`diffusion_model.….lora_up.weight`, `….lora_down.weight` and `….alpha`, as core's Save LoRA takes them."""

_INSTEAD = "Put it into the model with Load LoRA and train a new one on top of it, or start from none."
_TEXT = ("lora_te", "text_encoder", "te_", "clip_", "lora_prior_te")


def lora_dict(layers: LoraLayers) -> dict[str, Tensor]:
    """The branches in core's format, float32 on the CPU; those that never ran and do nothing are left out."""
    found: dict[str, Tensor] = {}
    for name, layer in layers.layers.items():
        if layer.ran or bool(layer.up.detach().any()):
            found[f"{name}.lora_up.weight"] = layer.up.detach().to("cpu", copy=True).contiguous()
            found[f"{name}.lora_down.weight"] = layer.down.detach().to("cpu", copy=True).contiguous()
            found[f"{name}.alpha"] = torch.tensor(float(layer.alpha))
    return found


def with_lora(model: Any, lora: LoraDict) -> Any:
    """A clone of a MODEL with the LoRA in it at full strength, as core's Load LoRA gives it."""
    import comfy.sd

    return comfy.sd.load_lora_for_models(model, None, dict(lora), 1.0, 0)[0]


def read_lora(path: Path) -> dict[str, Tensor]:
    """A LoRA file's tensors. Raises DataError for a file that cannot be read."""
    try:
        tensors = comfy.utils.load_torch_file(str(path), safe_load=True)
    except Exception as error:
        raise DataError(f"{shown(path)} cannot be read as a LoRA ({error}). Choose another file.") from error
    return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, Tensor)}


def lora_layers(
    model: Any, settings: LoraSettings, start: LoraDict | None, seed: int
) -> tuple[LoraLayers, list[str]]:
    """The branches to train, and notes about settings that could not be followed.

    `model`: the ModelPatcher. `seed`: of new branches. Raises DataError for a `start` that does not fit the model.
    """
    chosen, notes = chosen_layers(model.model.diffusion_model, settings.layers)
    rank, alpha = settings.rank, settings.alpha
    weights: dict[str, LoraWeights] = {}
    if start is not None:
        weights, more = starting_weights(model.model, start)
        rank, alpha, changed = _usual_size(weights, settings)
        notes = [*notes, *more, *changed, *_layers_added(weights, chosen)]
        every = all_layers(model.model.diffusion_model)
        chosen |= {name: every[name] for name in weights}
    generator = torch.Generator().manual_seed(seed)
    layers = {
        name: LoraLayer(
            module, weights.get(name) or fresh_weights(module, rank, alpha, generator), model.load_device
        )
        for name, module in chosen.items()
    }
    return LoraLayers(layers), notes


def starting_weights(model: Any, start: LoraDict) -> tuple[dict[str, LoraWeights], list[str]]:
    """The weights of a LoRA by layer, and notes on what of it is left out. `model`: the BaseModel.

    Keys of other trainers (kohya, diffusers) are found as core's Load LoRA finds them. Raises DataError for a LoRA of
    another model, and for one that is more than a plain LoRA of Linear and convolution layers.
    """
    keys = comfy.lora.model_lora_keys_unet(model, {})
    converted = comfy.lora_convert.convert_lora({name: tensor.detach() for name, tensor in start.items()})
    loaded = comfy.lora.load_lora(converted, keys, log_missing=False)
    if not loaded:
        raise DataError(
            "The LoRA to start from is of another model: none of its layers is in this one. Choose a LoRA that was "
            "trained for this kind of model, or start from none."
        )
    parts: dict[str, list[_Part]] = {}
    used: set[str] = set()
    for target, adapter in loaded.items():
        part = _part(target, adapter)
        parts.setdefault(part.name, []).append(part)
        used |= set(adapter.loaded_keys)
    every = all_layers(model.diffusion_model)
    weights = {name: _joined(name, of_layer, every.get(name)) for name, of_layer in parts.items()}
    if not all(
        bool(torch.isfinite(each).all()) for layer in weights.values() for each in (layer.up, layer.down)
    ):
        raise DataError(
            "The LoRA to start from holds values that are not finite. Choose another, or start from none."
        )
    return weights, _left_out([key for key in converted if key not in used and not key.endswith(".alpha")])


@dataclass(frozen=True)
class _Part:
    """What a LoRA adds to a layer, or to so many of its outputs. `scale`: alpha/rank."""

    name: str
    up: Tensor
    down: Tensor
    scale: float
    first: int = 0
    outputs: int | None = None


def _part(target: Any, adapter: Any) -> _Part:
    key, place, function = (*target, None, None)[:3] if isinstance(target, tuple) else (target, None, None)
    plain = getattr(adapter, "name", "") == "lora" and key.endswith(".weight") and function is None
    # Up, down and alpha; then LoCon's middle, DoRA's magnitude, and a new shape of the weight.
    if not plain or any(each is not None for each in adapter.weights[3:]) or (place and place[0] != 0):
        raise DataError(
            f"The LoRA to start from is more than a plain LoRA (at {key}), and only plain ones can be trained "
            f"on. {_INSTEAD}"
        )
    up, down, alpha = adapter.weights[:3]
    scale = 1.0 if alpha is None else float(alpha) / len(down)
    first, outputs = (place[1], place[2]) if place else (0, None)
    return _Part(key.removesuffix(".weight"), up.float(), down.float(), scale, first, outputs)


def _joined(name: str, parts: Sequence[_Part], layer: Any) -> LoraWeights:
    """One branch of several that a trainer made for the parts of one layer (such as q, k and v)."""
    if layer is None:
        raise DataError(
            f"The LoRA to start from changes {name}, which is no layer that is trained here. {_INSTEAD}"
        )
    fresh = fresh_weights(layer, 1, 1.0, torch.Generator())
    outputs, inputs = len(fresh.up), tuple(fresh.down.shape[1:])
    for part in parts:
        if tuple(part.down.shape[1:]) != inputs or len(part.up) != (part.outputs or outputs):
            raise DataError(
                f"The LoRA to start from does not fit this model: at {name} it has "
                f"{part.down[0].numel()} inputs and {len(part.up)} outputs, and the model "
                f"{fresh.down[0].numel()} and {part.outputs or outputs}. Choose a LoRA of this kind of model."
            )
    if len(parts) == 1 and parts[0].outputs is None:
        (part,) = parts
        return LoraWeights(part.up, part.down, part.scale * len(part.down))
    rank = sum(len(part.down) for part in parts)
    up = torch.zeros(outputs, rank, *fresh.up.shape[2:])
    column = 0
    for part in parts:
        rows = slice(part.first, part.first + len(part.up))
        up[rows, column : column + len(part.down)] = part.up * part.scale
        column += len(part.down)
    return LoraWeights(up, torch.cat([part.down for part in parts]), float(rank))


def _usual_size(weights: Mapping[str, LoraWeights], settings: LoraSettings) -> tuple[int, float, list[str]]:
    """Rank and alpha that most layers have, and a note where the rank is another than asked for."""
    ((rank, alpha), _count), *_ = Counter((each.rank, each.alpha) for each in weights.values()).most_common(1)
    if rank == settings.rank:
        return rank, alpha, []
    return (
        rank,
        alpha,
        [f"The LoRA to start from has rank {rank}, so that is used instead of {settings.rank}."],
    )


def _layers_added(weights: Mapping[str, LoraWeights], chosen: Mapping[str, Any]) -> list[str]:
    more = sum(name not in chosen for name in weights)
    return [f"{more} further layers of the LoRA to start from are trained as well."] if more else []


def _left_out(keys: Sequence[str]) -> list[str]:
    text = [key for key in keys if key.startswith(_TEXT)]
    notes = ["The LoRA's text encoder part is left out: only the model is trained."] if text else []
    if len(keys) > len(text):
        notes.append(
            f"{len(keys) - len(text)} tensors of the LoRA to start from have no place in this model and are left out."
        )
    return notes

"""Fingerprints of models, VAEs, prompts and rewards: equal after a restart, different where the results would differ."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MethodType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ....ganrm_core.rewards.base import Reward
from ....ganrm_core.rewards.combined import CombinedReward
from ....ganrm_core.rewards.discriminator.reward_model import RewardModel
from ..model_management import ManagedNetworkReward, model_of
from .prompt_set import Conditioning

_SAMPLES = 4096  # values of each tensor
_DEPTH = 12  # of objects in each other; what lies deeper is not known
_PLAIN = (str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device, torch.Size)


def known_fingerprint(kind: Literal["model", "vae", "conditioning", "reward"], value: Any) -> str:
    """Fingerprint of `value`; "" for what is not known here: not built like core's, or a kind of reward of another pack."""
    fingerprints: dict[str, Callable[[Any], str]] = {
        "model": model_fingerprint,
        "vae": vae_fingerprint,
        "conditioning": conditioning_fingerprint,
        "reward": reward_fingerprint,
    }
    try:
        return fingerprints[kind](value)
    except (AttributeError, LookupError, TypeError, ValueError):
        return ""


def model_fingerprint(model: Any) -> str:
    """SHA-256 (hex) of a ModelPatcher: its weights (sampled), patches, noise schedule and options.

    "" for one whose options are nested too deeply to be known.
    """
    seen = _Digest()
    seen.add("model", type(model.model).__name__)
    seen.add_weights(model)
    seen.add("sampling", _sampling(model.get_model_object("model_sampling")))
    seen.add("options", model.model_options)
    # LoRAs that lie around the layers, wrappers of the sampling, and replaced parts.
    for name in ("injections", "wrappers", "hook_patches", "object_patches"):
        held = dict(getattr(model, name, {}))
        held.pop("model_sampling", None)
        seen.add(name, {key: value for key, value in held.items() if value})
    return seen.hexdigest()


def vae_fingerprint(vae: Any) -> str:
    """SHA-256 (hex) of a VAE's weights (sampled)."""
    seen = _Digest()
    seen.add("vae", type(vae.first_stage_model).__name__)
    seen.add_weights(vae.patcher)
    return seen.hexdigest()


def conditioning_fingerprint(conditioning: Conditioning) -> str:
    """SHA-256 (hex) of encoded prompts (sampled)."""
    seen = _Digest()
    seen.add("conditioning", conditioning)
    return seen.hexdigest()


def reward_fingerprint(reward: Reward) -> str:
    """SHA-256 (hex) of everything a reward's scores depend on; "" for a kind of reward that is not known here."""
    model = reward if isinstance(reward, RewardModel) else model_of(reward)
    if model is not None:
        return hashlib.sha256(model.to_bytes()).hexdigest()
    if isinstance(reward, ManagedNetworkReward):
        return reward.reward.identity.sha256()
    if not isinstance(reward, CombinedReward):
        return ""
    parts = [reward_fingerprint(part) for part in reward.rewards]
    lines = [f"{part} {share!r}" for part, share in zip(parts, reward.shares, strict=True)]
    if reward.is_standardised:
        scales = [(standard.centre, standard.spread) for standard in reward.standards]
        lines.append(f"{scales!r} {reward.offset!r}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if all(parts) else ""


def _sampling(sampling: Any) -> dict[str, Any]:
    """A model_sampling's classes, buffers and settings. Its class is made on the spot, so that its bases must tell."""
    settings = {name: value for name, value in vars(sampling).items() if isinstance(value, _PLAIN)}
    return {
        "classes": [kind.__name__ for kind in type(sampling).__mro__],
        "buffers": dict(sampling.state_dict()),
        "settings": settings,
    }


class _Digest:
    """SHA-256 of nested values. Objects count by their class and attributes, functions by what they hold."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._open: set[int] = set()
        self._models: set[int] = set()
        self._known = True

    def add(self, name: str, value: Any) -> None:
        self._word(name)
        self._value(value, _DEPTH)

    def add_weights(self, patcher: Any) -> None:
        """The weights as they are without patches, once for each model, and the patches."""
        if id(patcher.model) not in self._models:
            self._models.add(id(patcher.model))
            # While a model is loaded, its patched weights are in the place of the original ones.
            original = {key: kept.weight for key, kept in patcher.backup.items()}
            original |= {key: kept[0] for key, kept in getattr(patcher, "hook_backup", {}).items()}
            for key, tensor in patcher.model.state_dict().items():
                self.add(key, original.get(key, tensor))
        self.add("patches", {str(key): patches for key, patches in patcher.patches.items()})

    def hexdigest(self) -> str:
        """ "" where something was nested too deeply."""
        return self._hash.hexdigest() if self._known else ""

    def _word(self, text: str) -> None:
        self._hash.update(text.encode("utf-8", "surrogatepass") + b"\0")

    def _value(self, value: Any, depth: int) -> None:
        if isinstance(value, _PLAIN):
            self._word(repr(value))
        elif isinstance(value, Tensor):
            self._tensor(value)
        elif id(value) in self._open:
            self._word(type(value).__qualname__)
        elif depth == 0:
            self._known = False
        else:
            self._open.add(id(value))
            self._nested(value, depth - 1)
            self._open.discard(id(value))

    def _nested(self, value: Any, depth: int) -> None:
        self._word(type(value).__qualname__)
        if isinstance(value, Mapping):
            for key, each in sorted(value.items(), key=lambda item: _name(item[0])):
                self._word(_name(key))
                self._value(each, depth)
        elif isinstance(value, (list, tuple)):
            for each in value:
                self._value(each, depth)
        elif isinstance(value, (set, frozenset)):
            self._word(" ".join(sorted(map(_name, value))))
        elif isinstance(value, nn.Module):
            self._value(dict(value.state_dict()), depth)
        elif isinstance(value, type):
            self._word(value.__qualname__)
        elif isinstance(value, partial):
            self._value([value.func, value.args, value.keywords], depth)
        elif callable(value) and hasattr(value, "__code__"):
            self._function(value, depth)
        else:
            self._object(value, depth)

    def _function(self, function: Any, depth: int) -> None:
        self._word(f"{function.__module__} {function.__qualname__}")
        if isinstance(function, MethodType):
            self._value(function.__self__, depth)
            function = function.__func__
        self._value(function.__defaults__, depth)
        self._value(dict(inspect.getclosurevars(function).nonlocals), depth)

    def _object(self, value: Any, depth: int) -> None:
        held = {
            name: each for name, each in getattr(value, "__dict__", {}).items() if not name.startswith("__")
        }
        # Models are known by weights and patches: what else they refer to leads everywhere.
        patcher = value if hasattr(value, "model_options") else held.pop("patcher", None)
        if hasattr(patcher, "patches") and hasattr(patcher, "model"):
            self.add_weights(patcher)
            plain = {name: each for name, each in held.items() if isinstance(each, _PLAIN)}
            held = {} if patcher is value else plain
        self._value(held, depth)

    def _tensor(self, tensor: Tensor) -> None:
        # A quantised tensor is known by the numbers that it stores.
        stored = getattr(tensor, "_qdata", tensor).detach()
        if type(stored) is not Tensor:
            stored = stored.as_subclass(Tensor)
        self._word(f"{tuple(stored.shape)} {stored.dtype}")
        if stored.is_meta:
            return
        flat = stored.reshape(-1) if stored.is_contiguous() else stored.contiguous().reshape(-1)
        sample = flat[:: -(-len(flat) // _SAMPLES)] if len(flat) else flat
        self._hash.update(sample.cpu().contiguous().view(torch.uint8).numpy().tobytes())


def _name(key: Any) -> str:
    return key if isinstance(key, str) else repr(key) if isinstance(key, _PLAIN) else _key(key)


def _key(key: Any) -> str:
    return f"({' '.join(map(_name, key))})" if isinstance(key, tuple) else type(key).__qualname__

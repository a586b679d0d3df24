"""Content-addressed feature cache: feature vectors and JSON records on disk, keyed by a file's sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import PIL
import torch
from torch import Tensor

from ...data.border_trim import BorderTrim
from ...utils.disk_cache import kept_in
from .feature_extractor import FeatureExtractor
from .lora_adapter import Adapter

FEATURES = "features"
"""Key of a picture's feature vector among the cached tensors."""

_VERSION = 3  # raise it whenever the same file would give other numbers


class FeatureCache:
    """Feature tensors by the file's sha256 and everything else that determines them; no-op without a disk cache."""

    def __init__(
        self, reader: FeatureExtractor, border_trim: BorderTrim, adapter: Adapter | None = None
    ) -> None:
        """`adapter`: the LoRA adapter merged into the reader's backbone."""
        self._reader = reader
        self._config = json.dumps(
            [
                _versions(),
                asdict(reader.backbone.spec),
                [asdict(block) for block in reader.readout.blocks(reader.backbone.spec)],
                border_trim.to_json(),
                adapter.sha256() if adapter else None,
            ]
        )

    @property
    def input_size(self) -> int:
        """Side of the backbone's input in pixels."""
        return self._reader.backbone.spec.input_size

    def get(self, content: str, about: str = "") -> dict[str, Tensor] | None:
        """The tensors stored for a file; `about` names further settings that determine them."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        cache = kept_in()
        kept = cache.get(self._key(content, about)) if cache else None
        try:
            return load(kept) if kept is not None else None
        except SafetensorError:  # foreign bytes under our key: computed again, they are replaced
            return None

    def put(self, content: str, tensors: dict[str, Tensor], about: str = "") -> None:
        from safetensors.torch import save

        if cache := kept_in():
            cache.put(self._key(content, about), save({n: t.contiguous() for n, t in tensors.items()}))

    def read(self, pixels: Tensor) -> Tensor:
        """Features [B, width] of pictures [B, 3, S, S], on the CPU; each cached by its pixels' sha256."""
        if kept_in() is None:
            return self._reader(pixels).cpu()
        contents = [hashlib.sha256(each.contiguous().numpy().tobytes()).hexdigest() for each in pixels]
        found = {content: kept[FEATURES] for content in contents if (kept := self.get(content))}
        new = [place for place, content in enumerate(contents) if content not in found]
        if new:
            for place, features in zip(new, self._reader(pixels[new]).cpu(), strict=True):
                found[contents[place]] = features
                self.put(contents[place], {FEATURES: features})
        return torch.stack([found[content] for content in contents])

    def _key(self, content: str, about: str) -> str:
        # Looked up per call: a host may move the backbone, and devices round differently.
        return _hashed("features", self._config, self._reader.device.type, content, about)


def get_record(kind: str, content: str) -> Any:
    """The JSON record of a file, or None. `content` is the file's sha256."""
    cache = kept_in()
    kept = cache.get(_hashed(kind, *_versions(), content)) if cache else None
    return None if kept is None else json.loads(kept)


def put_record(kind: str, content: str, value: Callable[[], Any]) -> None:
    """Store the JSON record `value()`, which is only computed where there is a cache."""
    if cache := kept_in():
        cache.put(_hashed(kind, *_versions(), content), json.dumps(value()).encode())


def _versions() -> list[str]:
    # Decoders and resampling differ in the last bit between releases.
    return [str(_VERSION), torch.__version__, PIL.__version__]


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

"""What is worked out of picture files, kept by the files' content where `disk_cache.keep_in` says."""

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
"""Under which name a picture's vector is kept."""

_VERSION = 3  # raised whenever the same file would no longer give the same numbers


class FeatureCache:
    """Feature vectors by the sha256 of the file and by everything else that decides them."""

    def __init__(self, reader: FeatureExtractor, path: BorderTrim, adapter: Adapter | None = None) -> None:
        """`adapter`: what is merged into the reader's backbone."""
        self._reader = reader
        self._decides = json.dumps(
            [
                _versions(),
                asdict(reader.backbone.spec),
                [asdict(block) for block in reader.readout.blocks(reader.backbone.spec)],
                path.to_json(),
                adapter.sha256() if adapter else None,
            ]
        )

    @property
    def input_size(self) -> int:
        """The side of the pictures that are read, in pixels."""
        return self._reader.backbone.spec.input_size

    def get(self, content: str, about: str = "") -> dict[str, Tensor] | None:
        """What was put under the same arguments; `about` says what else decided it."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        cache = kept_in()
        kept = cache.get(self._key(content, about)) if cache else None
        try:
            return load(kept) if kept is not None else None
        except SafetensorError:  # another program's bytes under our key; worked out again, it is replaced
            return None

    def put(self, content: str, tensors: dict[str, Tensor], about: str = "") -> None:
        from safetensors.torch import save

        if cache := kept_in():
            cache.put(self._key(content, about), save({n: t.contiguous() for n, t in tensors.items()}))

    def read(self, pixels: Tensor) -> Tensor:
        """The reader's features [B, width] of pictures [B, 3, S, S], on the CPU; each kept by its pixels."""
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
        # The device is asked anew each time: a host may move the backbone, and devices round differently.
        return _hashed("features", self._decides, self._reader.device.type, content, about)


def get_record(kind: str, content: str) -> Any:
    """The JSON value last put under the same arguments, or None. `content` is the file's sha256."""
    cache = kept_in()
    kept = cache.get(_hashed(kind, *_versions(), content)) if cache else None
    return None if kept is None else json.loads(kept)


def put_record(kind: str, content: str, value: Callable[[], Any]) -> None:
    """Keep what `value` gives, which is asked only where something is kept."""
    if cache := kept_in():
        cache.put(_hashed(kind, *_versions(), content), json.dumps(value()).encode())


def _versions() -> list[str]:
    # Decoders and resampling differ in the last bit from one release to the next.
    return [str(_VERSION), torch.__version__, PIL.__version__]


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

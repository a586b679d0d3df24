"""Size-bounded store of named tensors on disk, keyed by a hash of all that made them: nothing is made twice.

An entry is one safetensors file. Its name is the key and a hash of its content, which detects damage.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..utils.cache_entries import content_name, last_used, remove_entry
from ..utils.errors import OutputError
from ..utils.file_times import set_newest
from ..utils.files import atomic_file
from ..utils.logs import logger_of

_log = logger_of(__name__)

_FORMAT = 1
_SUFFIX = ".safetensors"
_KEY_LENGTH = 40  # of hex digits: some systems allow no long paths
_RESERVE = 500 * 10**6
"""Bytes that stay free on the disk: a cache must not fill it up."""

Tensors = Mapping[str, Tensor]


def entry_key(kind: str, **inputs: Any) -> str:
    """Key of an entry: a hash of its kind and of `inputs`, which are JSON values."""
    text = json.dumps({"format": _FORMAT, "kind": kind, **inputs}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


def tensor_hash(tensor: Tensor) -> str:
    """SHA-256 (hex) of a tensor's type, shape and values."""
    values = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{values.dtype} {tuple(values.shape)}".encode())
    digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass
class TensorStore:
    """Tensors by key in `folder`, which any number of processes may share.

    The least recently used entries are evicted first, but never those that this object loaded or stored: once they
    alone reach `most_bytes`, no more are stored. A failure to store never raises: `problem` holds the first one, as a
    sentence, and nothing more is stored.
    """

    folder: Path
    most_bytes: int = 4 * 10**9
    problem: str = ""
    _used: set[str] = field(default_factory=set)

    def load(self, key: str) -> dict[str, Tensor] | None:
        """The tensors stored under `key`, or None. A damaged entry counts as absent and is removed."""
        for path in self._entries(f"{key}-*{_SUFFIX}"):
            try:
                content = path.read_bytes()
            except OSError:  # evicted by another process
                continue
            tensors = _unpacked(content) if content_name(content) == path.stem.rpartition("-")[2] else None
            if tensors is None:
                _log.warning("GAN-RM: a kept file is damaged, and its content is made anew: %s", path.name)
                remove_entry(path)
                continue
            with contextlib.suppress(OSError):
                os.utime(path)
            self._used.add(path.name)
            return tensors
        return None

    def has(self, key: str) -> bool:
        """Whether something is stored under `key`; it may still turn out to be damaged."""
        return bool(self._entries(f"{key}-*{_SUFFIX}"))

    def replace(self, key: str, tensors: Tensors) -> None:
        """As `store`; what was under `key` before is removed, but only once the new tensors are there."""
        before = self._entries(f"{key}-*{_SUFFIX}")
        self._used -= {path.name for path in before}
        self.store(key, tensors)
        if not self.problem:
            for path in before:
                if path.name not in self._used:
                    remove_entry(path)

    def store(self, key: str, tensors: Tensors) -> None:
        """Store the tensors under `key`, unless an earlier failure has ended that."""
        from safetensors.torch import save

        if self.problem:
            return
        content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        path = self.folder / f"{key}-{content_name(content)}{_SUFFIX}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            with atomic_file(path, overwrite=True) as temporary:
                temporary.write_bytes(content)
        except (OutputError, OSError) as error:
            self.problem = str(error)
            _log.warning("GAN-RM: nothing can be kept for the next run: %s", error)
        else:
            # `load` takes the newest of several under one key, also where the clock was set back.
            set_newest(path, self._entries(f"{key}-*{_SUFFIX}"))
            self._used.add(path.name)

    def _make_room(self, needed: int) -> None:
        """Evict entries that nobody used lately. Raises OutputError where there is no room for `needed` bytes."""
        room, evictable = self.most_bytes - needed, []
        for path in self._entries(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError):  # gone: another process makes room too
                size = path.stat().st_size
                room -= size
                if path.name not in self._used:
                    evictable.append((path, size))
        while room < 0 and evictable:
            path, size = evictable.pop()
            remove_entry(path)
            room += size
        if room < 0:
            raise OutputError(
                f"What this run keeps takes more than the {self.most_bytes / 1e9:.0f} GB set aside for it."
            )
        if shutil.disk_usage(self.folder).free < needed + _RESERVE:
            raise OutputError("The disk is nearly full. Free some space.")

    def _entries(self, pattern: str) -> list[Path]:
        """Matching entries, most recently used first."""
        visible = [path for path in self.folder.glob(pattern) if not path.name.startswith(".")]
        return sorted(visible, key=last_used, reverse=True)


def _unpacked(content: bytes) -> dict[str, Tensor] | None:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        with torch.inference_mode(False):  # or the latents could never be trained on
            tensors: dict[str, Tensor] = load(content)
            return tensors
    except (SafetensorError, ValueError, KeyError):
        return None

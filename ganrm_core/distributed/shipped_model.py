"""Reward models on the way to workers: a checkpoint travels as bytes, anything else by its path."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..rewards.combination_suffix import is_combination
from ..rewards.discriminator.checkpoint import read_card
from ..utils.errors import CheckpointError
from ..utils.file_hash import cached_file_sha256
from ..utils.files import is_file, shown

if TYPE_CHECKING:  # the command, which sends a checkpoint, needs no torch
    from ..rewards.base import Reward
    from ..rewards.combination_file import Source


@dataclass(frozen=True)
class ShippedModel:
    """A model as workers load it: `content` is a checkpoint's bytes, None for a model that is read from `source`.

    `sha256` identifies it. `backbone` and `search_folders` as `load_reward` takes them, looked up on the worker.
    """

    source: Source
    sha256: str
    content: bytes | None = None
    backbone: str | None = None
    search_folders: tuple[Path, ...] = ()

    @classmethod
    def of(
        cls, source: Source, backbone: str | None = None, search_folders: tuple[Path, ...] = ()
    ) -> ShippedModel:
        """Raises CheckpointError for a file that is no model."""
        folders = tuple(folder.absolute() for folder in search_folders)
        if not isinstance(source, Path):
            found = source.found(folders)
            return cls(found, found.sha256(), None, backbone, folders)
        if not is_file(source):
            raise CheckpointError(f"There is no model at {shown(source)}. Check the path.")
        source = source.absolute()
        sha256 = cached_file_sha256(source)
        if is_combination(source):
            return cls(source, sha256, None, backbone, folders)
        read_card(source)
        return cls(source, sha256, source.read_bytes(), backbone, (*folders, source.parent))

    def load(self, device: str) -> Reward:
        """The reward, on a worker's device. Raises as `load_reward` does."""
        from ..rewards.combination_file import load_reward

        if self.content is None:
            return load_reward(
                self.source, backbone=self.backbone, search_folders=self.search_folders, device=device
            )
        assert isinstance(self.source, Path)
        with tempfile.TemporaryDirectory(prefix="ganrm-") as room:
            copy = Path(room) / self.source.name
            copy.write_bytes(self.content)
            return load_reward(
                copy, backbone=self.backbone, search_folders=self.search_folders, device=device
            )

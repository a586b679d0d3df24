"""Table of labelled pictures: paths, content hashes, labels, file statistics, near-duplicate signatures and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..leakage.forensics.file_stats import FileStats


@dataclass(frozen=True)
class PictureTable:
    """N pictures; row i of every column describes picture i.

    `hashes`: sha256 of each file's content (hex). `labels` [N]: 1 liked, 0 ordinary. `signatures` [N, K] float32:
    unit vectors for near-duplicate search. `groups` [N]: equal for near-duplicates. `paths` is empty where the files
    are not at hand (a feature archive keeps no file names).
    """

    paths: list[Path]
    hashes: list[str]
    labels: NDArray[np.int64]
    facts: list[FileStats]
    signatures: NDArray[np.float32]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> PictureTable:
        """The rows at `positions`, their groups renumbered from 0."""
        chosen = list(positions)
        return replace(
            self,
            paths=[self.paths[i] for i in chosen] if self.paths else [],
            hashes=[self.hashes[i] for i in chosen],
            labels=self.labels[chosen],
            facts=[self.facts[i] for i in chosen],
            signatures=self.signatures[chosen],
            groups=np.unique(self.groups[chosen], return_inverse=True)[1],
        )

    def hashes_of(self, label: int) -> list[str]:
        """Content hashes of one class."""
        return [content for content, y in zip(self.hashes, self.labels, strict=True) if y == label]

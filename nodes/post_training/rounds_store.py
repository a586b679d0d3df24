"""Disk store of trainings in rounds: each goes on after a stop from its last round, and none is done twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.data.image_io import to_pil
from ...ganrm_core.post_training.config import LoraSettings, RoundsTraining
from ...ganrm_core.post_training.rounds import RoundsTrace
from ...ganrm_core.post_training.rounds_state import trace_of
from ...ganrm_core.post_training.tensor_store import TensorStore, entry_key, tensor_hash
from ...ganrm_core.reports.canvas import enlarged
from ..host import folders
from .rounds_studio import THUMBNAIL

METHOD = 2
"""Raised whenever the same inputs give another LoRA than before."""
_MOST_BYTES = 8 * 10**9
_LORA, _LIKED, _ORDINARY, _SECONDS = "lora/", "liked features", "ordinary features", "seconds"
_BEFORE, _NOW = "pictures before/", "pictures now/"


@dataclass
class KeptRounds:
    """A training in rounds as it is on the disk, perhaps not at its end.

    `lora`: the best so far, in core's format. `liked`, `ordinary`: features that the refreshed reward is fitted to, empty
    without one. `before`, `now`: pictures of the same seeds before training and at the best look, [3, H, W] uint8.
    `state`: see `rounds_state.packed`.
    """

    state: dict[str, Tensor]
    lora: dict[str, Tensor]
    liked: Tensor
    ordinary: Tensor
    before: list[Tensor] = field(default_factory=list)
    now: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def trace(self) -> RoundsTrace:
        return trace_of(self.state)


class RoundsStore:
    """Trainings by key; a key of "" keeps nothing."""

    def __init__(self, key: str, store: TensorStore | None = None) -> None:
        self._key = key
        self._store = store or TensorStore(folders.cache_folder() / "rounds", _MOST_BYTES)

    @property
    def problem(self) -> str:
        """Why nothing is kept, as a sentence; "" if it is."""
        if not self._key:
            return (
                "This model, its prompts, the VAE or the taste cannot be recognised again, so the training cannot go on after "
                "a stop, and is not kept for the next run. Keep the LoRA with Save LoRA."
            )
        found = self._store.problem
        return (
            f"The training is not kept for the next run: {found} Keep the LoRA with Save LoRA."
            if found
            else ""
        )

    def load(self) -> KeptRounds | None:
        tensors = self._store.load(self._key) if self._key else None
        if tensors is None:
            return None
        try:
            kept = KeptRounds(
                tensors,
                _below(_LORA, tensors),
                tensors[_LIKED],
                tensors[_ORDINARY],
                _numbered(_BEFORE, tensors),
                _numbered(_NOW, tensors),
                float(tensors[_SECONDS]),
            )
            _ = kept.trace
        except (LookupError, TypeError, ValueError):  # an entry of another version
            return None
        return kept

    def store(self, kept: KeptRounds) -> None:
        if self._key:
            self._store.replace(
                self._key,
                {
                    **kept.state,
                    **{_LORA + name: tensor for name, tensor in kept.lora.items()},
                    **{f"{_BEFORE}{number}": picture for number, picture in enumerate(kept.before)},
                    **{f"{_NOW}{number}": picture for number, picture in enumerate(kept.now)},
                    _LIKED: kept.liked,
                    _ORDINARY: kept.ordinary,
                    _SECONDS: torch.tensor(kept.seconds, dtype=torch.float64),
                },
            )


def rounds_key(
    recognised: Sequence[str],
    files: Mapping[str, Sequence[str]],
    settings: Mapping[str, Any],
    start: Mapping[str, Tensor] | None,
) -> str:
    """Hash of all that decides the training but the number of its rounds; "" where something cannot be recognised again.

    `recognised`: fingerprints of model, prompts, VAE and rewards. `files`: content hashes of the pictures, in order.
    """
    if not all(recognised):
        return ""
    return entry_key(
        "rounds",
        method=METHOD,
        recognised=list(recognised),
        files={name: list(hashes) for name, hashes in files.items()},
        settings=dict(settings),
        start={name: tensor_hash(tensor) for name, tensor in sorted((start or {}).items())},
    )


def settings_of_key(training: RoundsTraining, lora: LoraSettings) -> dict[str, Any]:
    """More rounds go on from the same state, so their number does not count."""
    counted = asdict(training)
    del counted["rounds"]
    return {"training": counted, "lora": asdict(lora)}


def as_pictures(tensors: Sequence[Tensor]) -> list[Image.Image]:
    """Small ones are enlarged."""
    return [enlarged(to_pil(tensor), THUMBNAIL) for tensor in tensors]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _numbered(prefix: str, tensors: Mapping[str, Tensor]) -> list[Tensor]:
    found = _below(prefix, tensors)
    return [found[str(number)] for number in range(len(found))]

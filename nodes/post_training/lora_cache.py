"""Disk cache of trained LoRAs: the same model, groups and settings are not trained twice, not after a restart either."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...ganrm_core.post_training.config import GroupTraining, LoraSettings
from ...ganrm_core.post_training.groups import Groups
from ...ganrm_core.post_training.rounds_state import look_from_json
from ...ganrm_core.post_training.tensor_store import TensorStore, entry_key, tensor_hash
from ...ganrm_core.post_training.training_trace import TrainingStep, TrainingTrace
from ...ganrm_core.post_training.watch import HeldOut
from ..host import folders
from ..host.training.fingerprints import known_fingerprint
from ..host.training.prompt_set import PromptedGroups

METHOD, WATCH = 3, 1
"""Raised whenever the same inputs give another LoRA than before, without and with the watch."""
_MOST_BYTES = 2 * 10**9
_LORA, _RECORD, _BEFORE, _AFTER = "lora/", "record", "before", "after"
_UNFINISHED, _LAST, _WATCH = "unfinished/", "last/", "watch/"


@dataclass
class TrainedLora:
    """A finished training. `lora`: in core's format. `before`, `after`: latents of the previews, None without.

    `notes`: sentences about settings that could not be followed. `micro_batch`: how many pictures memory allowed at once.
    """

    lora: dict[str, Tensor]
    trace: TrainingTrace
    notes: list[str]
    seconds: float
    micro_batch: int
    before: Tensor | None = None
    after: Tensor | None = None
    reused: bool = field(default=False, compare=False)


@dataclass
class UnfinishedLora:
    """A training without its last look. `trained`: with the LoRA of the best look so far. `last`: the LoRA as it is at its
    end. `watch`: state of the watch.
    """

    trained: TrainedLora
    last: dict[str, Tensor]
    watch: dict[str, Tensor]


class LoraCache:
    """Trained LoRAs by key; a key of "" keeps nothing. `watched`: whether the key is of trainings with looks."""

    def __init__(self, key: str, *, watched: bool = False) -> None:
        self._key, self._watched = key, watched
        self._store: TensorStore | None = None
        if key:
            try:
                self._store = TensorStore(folders.cache_folder() / "loras", _MOST_BYTES)
            except OSError as error:
                self._problem = str(error)

    _problem = ""

    @property
    def problem(self) -> str:
        """Why nothing is kept, as a sentence; "" if it is."""
        if not self._key:
            return (
                "This model, its prompts or what watches the training cannot be recognised again, so the LoRA is not kept for "
                "the next run. Keep it with Save LoRA."
            )
        found = self._problem or (self._store.problem if self._store else "")
        return f"The LoRA is not kept for the next run: {found} Keep it with Save LoRA." if found else ""

    def load(self) -> TrainedLora | None:
        """The training kept under the key; its `after` is None where that was not finished."""
        tensors = self._store.load(self._key) if self._store else None
        if self._store is None or tensors is None:
            return None
        found = _unpacked(tensors)
        if found is not None:
            found.after = (self._store.load(_preview_key(self._key)) or {}).get(_AFTER)
            found.reused = True
        return found

    def load_unfinished(self) -> UnfinishedLora | None:
        tensors = self._store.load(self._key) if self._store and self._watched else None
        trained = _unpacked(_below(_UNFINISHED, tensors)) if tensors else None
        if tensors is None or trained is None:
            return None
        return UnfinishedLora(trained, _below(_LAST, tensors), _below(_WATCH, tensors))

    def store(self, trained: TrainedLora) -> None:
        """In the place of what is unfinished."""
        if self._store and self._watched:
            self._store.replace(self._key, _packed(trained))
        elif self._store:
            self._store.store(self._key, _packed(trained))

    def store_unfinished(self, unfinished: UnfinishedLora) -> None:
        parts = {_UNFINISHED: _packed(unfinished.trained), _LAST: unfinished.last, _WATCH: unfinished.watch}
        if self._store:
            self._store.replace(
                self._key,
                {prefix + name: each for prefix, part in parts.items() for name, each in part.items()},
            )

    def store_preview(self, after: Tensor) -> None:
        if self._store:
            self._store.store(_preview_key(self._key), {_AFTER: after})


def lora_key(
    fingerprint: str,
    groups: PromptedGroups,
    training: GroupTraining,
    lora: LoraSettings,
    start: Mapping[str, Tensor] | None,
    watch: Sequence[str] = (),
) -> str:
    """Hash of all that decides the LoRA; "" where the model, the prompts or the watch cannot be recognised again.

    `fingerprint`: of the model; `watch`: of what looks on, empty where nothing does.
    """
    prompts = groups.prompts
    recognised = [
        fingerprint,
        *(known_fingerprint("conditioning", each) for each in (*prompts.positive, prompts.negative)),
    ]
    if not all([*recognised, *watch]):
        return ""
    return entry_key(
        "lora",
        **({"watch": [WATCH, *watch]} if watch else {}),
        method=METHOD,
        recognised=recognised,
        groups=_content(groups.groups),
        training={**asdict(training), "learning_rate": training.rate},
        lora=asdict(lora),
        start={name: tensor_hash(tensor) for name, tensor in sorted((start or {}).items())},
    )


def _content(groups: Groups) -> Any:
    samples = [
        [group.prompt, list(group.seeds), tensor_hash(group.latents), tensor_hash(group.logits)]
        for group in groups.groups
    ]
    return {"samples": samples, "sampling": asdict(groups.sampling)}


def _preview_key(key: str) -> str:
    return entry_key("lora preview", of=key)


def _packed(trained: TrainedLora) -> dict[str, Tensor]:
    trace = trained.trace
    record = {
        "steps": [
            [step.number, step.loss, *((step.held_out.ratio, step.held_out.low_noise_ratio) if step.held_out else ())]
            for step in trace.steps
        ],
        "stopped": trace.stopped,
        "kept": trace.kept,
        "warned": trace.warned,
        "looks": [asdict(look) for look in trace.looks],
        "best": trace.best,
        "notes": trained.notes,
        "seconds": trained.seconds,
        "micro_batch": trained.micro_batch,
    }  # fmt: skip
    content = bytearray(json.dumps(record).encode())
    tensors = {_RECORD: torch.frombuffer(content, dtype=torch.uint8)}
    tensors |= {_LORA + name: tensor for name, tensor in trained.lora.items()}
    return tensors if trained.before is None else {**tensors, _BEFORE: trained.before}


def _unpacked(tensors: Mapping[str, Tensor]) -> TrainedLora | None:
    """None for an entry of another version."""
    try:
        record = json.loads(bytes(tensors[_RECORD].tolist()))
        steps = [
            TrainingStep(number, loss, HeldOut(*held_out) if held_out else None)
            for number, loss, *held_out in record["steps"]
        ]
        return TrainedLora(
            lora=_below(_LORA, tensors),
            trace=TrainingTrace(
                steps,
                record["stopped"],
                record["kept"],
                record["warned"],
                [look_from_json(look) for look in record.get("looks", [])],
                record.get("best"),
            ),
            notes=list(record["notes"]),
            seconds=float(record["seconds"]),
            micro_batch=int(record["micro_batch"]),
            before=tensors.get(_BEFORE),
        )
    except (LookupError, TypeError, ValueError):
        return None


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}

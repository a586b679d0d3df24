"""Size-bounded LRU cache of training results on disk: unchanged images and settings never train twice.

An entry is one file: a checkpoint whose card also holds the training's report. Its name is the key (a hash of all
inputs) and a hash of its content, which detects damage.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...ganrm_core.backbones.base import Backbone
from ...ganrm_core.data.labelled_files import TrainingFiles
from ...ganrm_core.data.skipped_files import Skipped
from ...ganrm_core.leakage.report import LeakReport
from ...ganrm_core.metrics.summary import SummaryMetrics
from ...ganrm_core.rewards.discriminator.checkpoint import FORMAT_VERSION, Checkpoint, to_bytes
from ...ganrm_core.rewards.discriminator.reward_model import RewardModel
from ...ganrm_core.training.config import TrainingSettings
from ...ganrm_core.training.trainer import METHOD, TrainingResult
from ...ganrm_core.utils.cache_entries import content_name, last_used, remove_entry
from ...ganrm_core.utils.errors import BackboneError, CheckpointError, OutputError
from ...ganrm_core.utils.file_times import set_newest
from ...ganrm_core.utils.files import atomic_file, shown
from ...ganrm_core.utils.progress import History

_FORMAT = 1
_RECORD = "training_result"
_SUFFIX = ".safetensors"
_KEY_LENGTH = 40  # of hex digits: some systems allow no long paths


def training_key(files: TrainingFiles, settings: TrainingSettings, backbone_identity: str) -> str:
    """Cache key: a hash of both sets' contents (not file names), the settings, the backbone and the format versions."""
    inputs = {
        "versions": [_FORMAT, FORMAT_VERSION, METHOD],
        "liked": sorted(files.liked_hashes),
        "ordinary": sorted(files.ordinary_hashes),
        "settings": {**asdict(settings), "backbone": backbone_identity},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:_KEY_LENGTH]


@dataclass(frozen=True)
class TrainingCache:
    """LRU cache in `folder`, which any number of processes may share."""

    folder: Path
    most_bytes: int = 512 * 10**6
    most_entries: int = 50

    def load(
        self, key: str, files: TrainingFiles, *, name: str, load: Callable[[str], Backbone]
    ) -> TrainingResult | None:
        """The training result stored under `key`, or None. `load` returns the backbone by its name.

        A damaged entry counts as absent and is removed.
        """
        for path in self._entries(f"{key}-*{_SUFFIX}"):
            try:
                _check_content(path)
                result = _restored(
                    RewardModel.load_with(path, lambda spec: load(spec.name), name=name), files
                )
            except (CheckpointError, LookupError, TypeError, ValueError) as error:
                logging.warning("GAN-RM: a kept training result is damaged and is left out: %s", error)
                remove_entry(path)
            except (BackboneError, OSError) as error:  # such as other weights under the same name
                logging.warning("GAN-RM: a kept training result cannot be used: %s", error)
            else:
                set_newest(path, self._entries(f"*{_SUFFIX}"))
                return result
        return None

    def store(self, key: str, result: TrainingResult, files: TrainingFiles) -> None:
        """Store `result`. A failure is only logged: the training itself is not lost."""
        whole = result.model.checkpoint()
        content = to_bytes(Checkpoint(whole.tensors, {**whole.card, _RECORD: _record(result, files)}))
        path = self.folder / f"{key}-{content_name(content)}{_SUFFIX}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_file(path, overwrite=True) as temporary:
                temporary.write_bytes(content)
        except (OutputError, OSError) as error:
            logging.warning("GAN-RM: this training result cannot be kept for the next run: %s", error)
        self._trim(path)

    def _trim(self, kept: Path) -> None:
        # Also where the clock was set back, and what was just stored looks like the oldest.
        set_newest(kept, self._entries(f"*{_SUFFIX}"))
        room = self.most_bytes
        for position, path in enumerate(self._entries(f"*{_SUFFIX}")):
            with contextlib.suppress(OSError):  # gone: another process trims too
                room -= path.stat().st_size
                if position >= self.most_entries or room < 0:
                    remove_entry(path)

    def _entries(self, pattern: str) -> list[Path]:
        """Matching entries, most recently used first."""
        visible = [path for path in self.folder.glob(pattern) if not path.name.startswith(".")]
        return sorted(visible, key=last_used, reverse=True)


def _record(result: TrainingResult, files: TrainingFiles) -> dict[str, Any]:
    hashes = dict(
        zip([*files.liked, *files.ordinary], [*files.liked_hashes, *files.ordinary_hashes], strict=True)
    )
    held_out = zip(result.held_out_paths, result.held_out_labels, result.held_out_scores, strict=True)
    return {
        "figures": result.metrics.to_json(),
        "held_out": [[hashes[path], int(label), float(score)] for path, label, score in held_out],
        "history": asdict(result.history),
        "skipped": [[entry.path.name, entry.reason] for entry in result.skipped],
        # Without the warnings about files, which are found anew each time.
        "warnings": result.warnings[len(files.warnings) :],
        "seconds": result.seconds,
        "n_liked": result.n_liked,
        "n_ordinary": result.n_ordinary,
    }


def _restored(model: RewardModel, files: TrainingFiles) -> TrainingResult:
    record = model.card.pop(_RECORD)
    # Files are identified by content: they may have been moved or renamed since.
    paths = dict(
        zip([*files.liked_hashes, *files.ordinary_hashes], [*files.liked, *files.ordinary], strict=True)
    )
    history = record["history"]
    return TrainingResult(
        model=model,
        metrics=SummaryMetrics.from_json(record["figures"]),
        held_out_paths=[paths[content] for content, _, _ in record["held_out"]],
        held_out_labels=np.array([label for _, label, _ in record["held_out"]], dtype=np.int64),
        held_out_scores=np.array([score for _, _, score in record["held_out"]], dtype=np.float64),
        history=History(
            history["step"],
            _with_nan(history["loss"]),
            _with_nan(history["auc"]),
            # Results stored before this field existed are recognised by the name of their step.
            choice=bool(history.get("choice", str(history["step"]).startswith("regularisation"))),
        ),
        skipped=[Skipped(Path(name), reason) for name, reason in record["skipped"]],
        warnings=[*files.warnings, *record["warnings"]],
        seconds=dict(record["seconds"]),
        n_liked=record["n_liked"],
        n_ordinary=record["n_ordinary"],
        leaks=LeakReport.from_json(model.card["leak_audit"]),
    )


def _with_nan(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if value is None else value for value in values)  # JSON has no NaN


def _check_content(path: Path) -> None:
    if content_name(path.read_bytes()) != path.stem.rpartition("-")[2]:
        raise CheckpointError(f"{shown(path)} is not what was written.")

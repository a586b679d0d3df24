"""Feature archive beside a checkpoint: features of its training pictures, for refining without the folders.

`taste.features.safetensors` lies beside `taste.safetensors`. It holds no picture and no file name: features, labels,
the sha256 of every file, near-duplicate signatures and groups, file statistics, and how pictures were neutralised.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..leakage.audit.audit import Audit
from ..leakage.forensics.file_stats import FileStats
from ..leakage.neutralisation import MODES, Mode, Neutraliser, make_neutraliser
from ..rewards.discriminator.checkpoint import COMPANION_SUFFIX, check_model_path, read_card
from ..rewards.discriminator.readout import Readout, SecondLook
from ..rewards.discriminator.reward_model import RewardModel
from ..utils.error_text import damage
from ..utils.errors import CheckpointError
from ..utils.file_names import fitting_name, split_name
from ..utils.files import atomic_file, shown, write_new
from ..utils.safetensors_io import open_safetensors
from ..utils.strict_json import strict_json
from .feature_rows import Rows
from .picture_table import PictureTable

SUFFIX = COMPANION_SUFFIX
_KEY = "ganrm_features"
_FORMAT = 1
_NUISANCE = "nuisance."


@dataclass(frozen=True)
class FeatureArchive:
    """The pictures a model was trained on, in the order of its training.

    `features` [N, V, D] float32 and `nuisances` ([M, D] each) as in `DatasetFeatures`; `audit` is that of the files,
    `mode` how they were neutralised. The table has no paths where the archive was read from disk.
    """

    table: PictureTable
    features: Tensor
    nuisances: list[Tensor]
    audit: Audit
    mode: Mode

    def rows(self) -> Rows:
        return Rows(self.features, torch.from_numpy(self.table.labels).float())

    @property
    def neutraliser(self) -> Neutraliser:
        return make_neutraliser(self.mode, self.audit, self.table.file_stats, self.table.labels)


def archive_path(checkpoint: Path) -> Path:
    """Path of the archive of `checkpoint`, whether it exists or not."""
    return checkpoint.with_name(fitting_name(checkpoint.parent, checkpoint.stem, SUFFIX))


def write_model(path: Path, model: RewardModel, known: FeatureArchive | None = None) -> Path:
    """Save a model, with `known` its archive, too. Returns the path written.

    That is `path`, or the first free `path (2)` … where another program took one of the two names meanwhile: what took
    long to train is not lost.
    Raises OutputError for a name that is refused, or where nothing can be written.
    """
    check_model_path(path)
    content = model.to_bytes()
    features = None if known is None else _to_bytes(model, known)
    stem, suffix = split_name(path.name)

    def files(number: str) -> dict[Path, bytes]:
        place = path.with_name(fitting_name(path.parent, stem, f"{number}{suffix}"))
        return {place: content} if features is None else {place: content, archive_path(place): features}

    return write_new(files)[0]


def write_features(checkpoint: Path, model: RewardModel, known: FeatureArchive) -> Path:
    """Write the archive of `model`, which was or will be saved to `checkpoint`. Returns its path.

    The features must come from the model's own backbone, adapted if it is. Raises
    OutputError where the file exists or cannot be written.
    """
    path = archive_path(checkpoint)
    with atomic_file(path) as temporary:
        temporary.write_bytes(_to_bytes(model, known))
    return path


def _to_bytes(model: RewardModel, known: FeatureArchive) -> bytes:
    from safetensors.torch import save

    mean, spread = known.features.mean(dim=(0, 1)), known.features.std(dim=(0, 1), correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    table = known.table
    about = {
        "format": _FORMAT,
        "belongs_to": features_identity(model),
        "hashes": table.hashes,
        "facts": [asdict(stats) for stats in table.file_stats],
        "audit": known.audit.to_json(),
        "mode": known.mode,
    }
    tensors = {
        # Half precision of the deviation, not of the value: pictures differ by little beside the value itself.
        "deviations": ((known.features - mean) / spread).half(),
        "mean": mean,
        "spread": spread,
        "labels": torch.from_numpy(table.labels),
        "signatures": torch.from_numpy(table.signatures),
        "groups": torch.from_numpy(table.groups),
        **{f"{_NUISANCE}{place}": moved.contiguous() for place, moved in enumerate(known.nuisances)},
    }
    return bytes(save(tensors, metadata={_KEY: json.dumps(strict_json(about), sort_keys=True)}))


def read_features(checkpoint: Path, model: RewardModel) -> FeatureArchive | None:
    """The archive of `checkpoint`; None where there is none.

    Raises CheckpointError where it is damaged or belongs to another model.
    """
    path = archive_path(checkpoint)
    if not path.is_file():
        return None
    _refuse_model(path)
    try:
        with open_safetensors(path) as file:
            about = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
        belongs_to, known = about["belongs_to"], _from_parts(about, tensors)
    except Exception as error:  # safetensors raises an exception of its own, which has no public base
        raise CheckpointError(
            f"{shown(path)} is damaged, or is not what its name says ({damage(error)}). Move it away, and give the liked "
            "and the ordinary pictures instead."
        ) from error
    width = model.reader.readout.width(model.backbone.spec)
    if belongs_to != features_identity(model) or known.features.shape[-1] != width:
        raise CheckpointError(
            f"{shown(path)} holds the features of another model than {shown(checkpoint)}. Move it away, and give "
            "the liked and the ordinary pictures instead."
        )
    return known


def _refuse_model(path: Path) -> None:
    """Raise CheckpointError where a model has the name of an archive, as earlier versions allowed."""
    try:
        read_card(path)
    except CheckpointError:
        return
    raise CheckpointError(
        f"{shown(path)} is a model, though it is named like the features of another one. Rename it, and give the liked "
        "and the ordinary pictures instead."
    )


def features_identity(model: RewardModel) -> str:
    """Hash of what decides the features: backbone, taps, adapter, both sets and the settings; not the head."""
    made = model.card.get("provenance") or {}
    no_adapter = hashlib.sha256().hexdigest()  # as in archives of earlier versions
    decides = {
        "weights": model.backbone.spec.weights_sha256,
        "taps": list(model.reader.readout.taps),
        "response": _response(model.reader.readout),
        **({"histograms": list(histograms)} if (histograms := model.reader.readout.histograms) else {}),
        "adapter": model.adapter.sha256() if model.adapter else no_adapter,
        **{key: made.get(key) for key in ("liked_fingerprint", "ordinary_fingerprint", "settings")},
    }
    return hashlib.sha256(json.dumps(strict_json(decides), sort_keys=True).encode()).hexdigest()


def _response(readout: Readout) -> Any:
    second = readout.second_look
    if second is None or second == SecondLook("blurred", readout.taps):
        return second is not None  # as in archives of earlier versions
    return second.to_json()


def _from_parts(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> FeatureArchive:
    if about["format"] != _FORMAT:
        raise ValueError(f"its format is {about['format']!r}")
    if about["mode"] not in MODES:
        raise ValueError(f"it was neutralised in an unknown way, {about['mode']!r}")
    names = sorted(
        (name for name in tensors if name.startswith(_NUISANCE)), key=lambda n: int(n.split(".")[1])
    )
    table = PictureTable(
        paths=[],
        hashes=[str(entry) for entry in about["hashes"]],
        labels=tensors["labels"].numpy().astype(np.int64),
        file_stats=[FileStats.from_json(entry) for entry in about["facts"]],
        signatures=tensors["signatures"].numpy(),
        groups=tensors["groups"].numpy().astype(np.int64),
    )
    features = tensors["deviations"].float() * tensors["spread"] + tensors["mean"]
    nuisances = [tensors[name] for name in names]
    columns = (table.hashes, table.labels, table.file_stats, table.signatures, table.groups)
    if (
        features.ndim != 3
        or any(len(column) != len(features) for column in columns)
        or any(moved.shape[1:] != features.shape[2:] for moved in nuisances)
    ):
        raise ValueError("its parts do not run parallel")
    if not bool(torch.isfinite(features).all()) or set(table.labels.tolist()) != {0, 1}:
        raise ValueError("it holds values that are no features or labels")
    return FeatureArchive(table, features, nuisances, Audit.from_json(about["audit"]), about["mode"])

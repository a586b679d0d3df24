"""A checkpoint's companion: the features it was trained on, so that it can be refined without the folders.

`taste.features.safetensors` lies beside `taste.safetensors`. It holds no picture and no file name:
features, labels, the sha256 of every file, what tells near-duplicates, and what was evened out.
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
from numpy.typing import NDArray
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
from .feature_extraction import CachedPictures

SUFFIX = COMPANION_SUFFIX
_KEY = "ganrm_features"
_FORMAT = 1
_NUISANCE = "nuisance."


@dataclass(frozen=True)
class FeatureArchive:
    """The pictures a model was trained on, in the order of its training, and what was found out about them.

    Everything as in `CachedPictures`; `mode` is how they were neutralised. `paths` is empty
    where the files themselves are not at hand.
    """

    features: Tensor
    labels: NDArray[np.int64]
    signatures: NDArray[np.float32]
    groups: NDArray[np.int64]
    hashes: list[str]
    nuisances: list[Tensor]
    facts: list[FileStats]
    audit: Audit
    mode: Mode
    paths: list[Path]

    @classmethod
    def of(cls, pictures: CachedPictures, audit: Audit, mode: Mode) -> FeatureArchive:
        return cls(
            features=pictures.features,
            labels=pictures.labels,
            signatures=pictures.signatures,
            groups=pictures.groups,
            hashes=pictures.hashes,
            nuisances=pictures.nuisances,
            facts=pictures.facts,
            audit=audit,
            mode=mode,
            paths=pictures.paths,
        )

    @property
    def neutraliser(self) -> Neutraliser:
        return make_neutraliser(self.mode, self.audit, self.facts, self.labels)


def archive_path(checkpoint: Path) -> Path:
    """Where the companion of `checkpoint` lies, or would lie."""
    return checkpoint.with_name(fitting_name(checkpoint.parent, checkpoint.stem, SUFFIX))


def write_model(path: Path, model: RewardModel, known: FeatureArchive | None = None) -> Path:
    """Save a model that took long to make; with `known` its companion, too. Returns where it is.

    That is `path`, or the first free `path (2)` … where another program took one of the two names meanwhile.
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
    """Write the companion of `model`, which was or will be saved to `checkpoint`. Returns its path.

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
    about = {
        "format": _FORMAT,
        "belongs_to": features_identity(model),
        "hashes": known.hashes,
        "facts": [asdict(fact) for fact in known.facts],
        "audit": known.audit.to_json(),
        "mode": known.mode,
    }
    tensors = {
        # Half precision of the deviation, not of the value: what tells pictures apart is often small beside
        # the value itself.
        "deviations": ((known.features - mean) / spread).half(),
        "mean": mean,
        "spread": spread,
        "labels": torch.from_numpy(known.labels),
        "signatures": torch.from_numpy(known.signatures),
        "groups": torch.from_numpy(known.groups),
        **{f"{_NUISANCE}{place}": moved.contiguous() for place, moved in enumerate(known.nuisances)},
    }
    return bytes(save(tensors, metadata={_KEY: json.dumps(strict_json(about), sort_keys=True)}))


def read_features(checkpoint: Path, model: RewardModel) -> FeatureArchive | None:
    """The companion of `checkpoint`; None where there is none.

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
        belongs_to, known = about["belongs_to"], _known(about, tensors)
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
    """Raise CheckpointError where a model has the name of a companion, as earlier versions allowed."""
    try:
        read_card(path)
    except CheckpointError:
        return
    raise CheckpointError(
        f"{shown(path)} is a model, though it is named like the features of another one. Rename it, and give the liked "
        "and the ordinary pictures instead."
    )


def features_identity(model: RewardModel) -> str:
    """What decides the features: backbone, taps, adapter, both sets and the settings; not the head."""
    made = model.card.get("provenance") or {}
    no_adapter = hashlib.sha256().hexdigest()  # companions of earlier versions say so, too
    decides = {
        "weights": model.backbone.spec.weights_sha256,
        "taps": list(model.reader.readout.taps),
        "response": _response(model.reader.readout),
        "adapter": model.adapter.sha256() if model.adapter else no_adapter,
        **{key: made.get(key) for key in ("liked_fingerprint", "ordinary_fingerprint", "settings")},
    }
    return hashlib.sha256(json.dumps(strict_json(decides), sort_keys=True).encode()).hexdigest()


def _response(readout: Readout) -> Any:
    look = readout.second_look
    if look is None or look == SecondLook("blurred", readout.taps):
        return look is not None  # as companions of earlier versions say it
    return look.to_json()


def _known(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> FeatureArchive:
    if about["format"] != _FORMAT:
        raise ValueError(f"its format is {about['format']!r}")
    if about["mode"] not in MODES:
        raise ValueError(f"it was neutralised in an unknown way, {about['mode']!r}")
    names = sorted(
        (name for name in tensors if name.startswith(_NUISANCE)), key=lambda n: int(n.split(".")[1])
    )
    known = FeatureArchive(
        features=tensors["deviations"].float() * tensors["spread"] + tensors["mean"],
        labels=tensors["labels"].numpy().astype(np.int64),
        signatures=tensors["signatures"].numpy(),
        groups=tensors["groups"].numpy().astype(np.int64),
        hashes=[str(entry) for entry in about["hashes"]],
        nuisances=[tensors[name] for name in names],
        facts=[FileStats.from_json(entry) for entry in about["facts"]],
        audit=Audit.from_json(about["audit"]),
        mode=about["mode"],
        paths=[],
    )
    parts = (known.labels, known.signatures, known.groups, known.hashes, known.facts)
    if known.features.ndim != 3 or any(len(part) != len(known.features) for part in parts):
        raise ValueError("its parts do not run parallel")
    if any(moved.shape[1:] != known.features.shape[2:] for moved in known.nuisances):
        raise ValueError("its parts do not run parallel")
    if not bool(torch.isfinite(known.features).all()) or set(known.labels.tolist()) != {0, 1}:
        raise ValueError("it holds values that are no features or labels")
    return known

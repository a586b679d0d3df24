"""Training pictures of a model that is refined: from its feature archive, or from the two folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from ...data.content_hash import fingerprint
from ...data.labelled_files import Source, TrainingFiles, find_training_files
from ...data.skipped_files import Skipped, describe_skipped
from ...leakage.neutralisation import Mode, make_neutraliser
from ...rewards.discriminator.reward_model import RewardModel
from ...utils.errors import DataError
from ...utils.files import shown
from ...utils.progress import ProgressCallback
from ..dataset_scan import scan_dataset
from ..feature_archive import FeatureArchive, archive_path, read_features
from ..feature_extraction import Views, extract_features
from ..provenance import order_fingerprint


@dataclass(frozen=True)
class Sources:
    """Where the pictures of a refinement are.

    `pool`: unlabelled outputs. The training pictures are needed again: from the feature archive of `checkpoint`, the
    file the model was loaded from, or from `liked` and `ordinary`. `recursive`: folders with their subfolders.
    """

    pool: Source
    liked: Source | None = None
    ordinary: Source | None = None
    checkpoint: Path | None = None
    recursive: bool = False


@dataclass(frozen=True)
class Origin:
    """How a model's training pictures were read, from its card."""

    views: Views
    mode: Mode
    fingerprints: dict[str, str]
    order: str | None


@dataclass(frozen=True)
class KnownPictures:
    """The training pictures.

    `same`: they are the very ones the model was trained on; `in_order`: in the same order, too, so that the folds of
    the training can be assigned again.
    """

    archive: FeatureArchive
    same: bool
    in_order: bool
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def origin_of(model: RewardModel) -> Origin:
    """Raises DataError where the card does not say how the model was trained."""
    made = model.card.get("provenance") or {}
    settings = made.get("settings") or {}
    try:
        views = 1 if settings["preset"] == "paper" else int(settings["views"])
        sets = {kind: str(made[f"{kind}_fingerprint"]) for kind in ("liked", "ordinary")}
        mode = settings.get("neutralise", "off")  # the first models could not neutralise
        if mode not in get_args(Mode):
            raise ValueError(f"a known way to neutralise: {mode!r}")
        return Origin(Views(views, int(settings["seed"])), mode, sets, made.get("order_fingerprint"))
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"The model {shown(model.name)} does not say how it was trained (its card lacks {error}), so it cannot "
            "be refined. Train it anew, then refine that."
        ) from error


def known_pictures(model: RewardModel, sources: Sources, progress: ProgressCallback) -> KnownPictures:
    """The pictures `model` was trained on.

    The archive serves alone, and where both folders are given if they are those of the training; other folders are
    read, with a warning. Raises DataError that names what is missing.
    """
    liked, ordinary, checkpoint = sources.liked, sources.ordinary, sources.checkpoint
    archive = read_features(checkpoint, model) if checkpoint else None
    if liked is None and ordinary is None and archive:
        return KnownPictures(archive, same=True, in_order=True)
    if liked is None or ordinary is None:
        raise DataError(_missing(model, sources))
    origin = origin_of(model)
    files = find_training_files(liked, ordinary, recursive=sources.recursive, progress=progress)
    if archive and _same(origin, files.liked_hashes, files.ordinary_hashes):
        hashes, paths = [*files.liked_hashes, *files.ordinary_hashes], [*files.liked, *files.ordinary]
        path_of = dict(zip(hashes, paths, strict=True))
        table = replace(archive.table, paths=[path_of[content] for content in archive.table.hashes])
        here = replace(archive, table=table)
        return KnownPictures(here, same=True, in_order=True, warnings=files.warnings)
    return _read(model, files, origin, progress)


def _missing(model: RewardModel, sources: Sources) -> str:
    given, checkpoint = (("liked", sources.liked), ("ordinary", sources.ordinary)), sources.checkpoint
    absent = [name for name, source in given if source is None]
    start = f"Refining {shown(model.name)} takes the pictures it was trained on, too."
    if len(absent) == 1:
        return f"{start} The {absent[0]} pictures are missing: give both sets, liked and ordinary."
    file = (
        f"there is no companion file {shown(archive_path(checkpoint))} (`ganrm train --keep-features` writes one)"
        if checkpoint
        else "the model has no companion file with their features"
    )
    return f"{start} Both ways are missing: {file}, and the liked and ordinary pictures were not given. Give one of the two."


def _read(
    model: RewardModel, files: TrainingFiles, origin: Origin, progress: ProgressCallback
) -> KnownPictures:
    """From the files, as training reads them."""
    scan = scan_dataset(files, progress=progress)
    audit = scan.audit(seed=origin.views.seed, progress=progress)
    remedy = make_neutraliser(origin.mode, audit, scan.table.facts, scan.table.labels)
    dataset = extract_features(scan, model.reader, remedy, origin.views, progress=progress)
    table, skipped = dataset.table, dataset.skipped
    same = _same(origin, table.hashes_of(1), table.hashes_of(0))
    warnings = list(files.warnings)
    if skipped:
        warnings.append(describe_skipped(skipped, among=table.paths))
    if not same:
        warnings.append(
            "The liked and ordinary pictures are not those the model was trained on: it is judged and fitted anew on "
            "the ones given."
        )
    in_order = same and origin.order == order_fingerprint(table.hashes)
    archive = FeatureArchive(table, dataset.features, dataset.nuisances, audit, origin.mode)
    return KnownPictures(archive, same, in_order, skipped, warnings)


def _same(origin: Origin, liked: Sequence[str], ordinary: Sequence[str]) -> bool:
    return origin.fingerprints == {"liked": fingerprint(liked), "ordinary": fingerprint(ordinary)}

"""The pictures that bootstrapping takes: those of the training, and the pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.augmentation import views as make_views
from ...data.content_hash import fingerprint
from ...data.image_folder import find_images
from ...data.image_io import read_image, to_float
from ...data.labelled_files import Source, TrainingFiles, find_training_files, unique_files
from ...data.near_duplicates import THRESHOLD, signature
from ...data.skipped_files import Skipped, describe_skipped
from ...data.streaming import stream_files, stream_images
from ...leakage.neutralisation import Mode, make_neutraliser
from ...rewards.discriminator.reward_model import RewardModel
from ...utils.errors import DataError
from ...utils.files import shown
from ...utils.progress import Progress, ProgressCallback
from ..dataset_scan import scan_dataset
from ..feature_archive import FeatureArchive, archive_path, read_features
from ..feature_extraction import read_pictures
from ..provenance import order_fingerprint


@dataclass(frozen=True)
class Origin:
    """How a model's pictures were read, from its card."""

    seed: int
    views: int
    mode: Mode
    fingerprints: dict[str, str]
    order: str | None


@dataclass(frozen=True)
class Known:
    """The pictures to learn from beside the pool.

    `same` says that they are the very ones the model was trained on, `in_order` that they stand in the
    very order too, so that the folds of the training can be told again.
    """

    pictures: FeatureArchive
    same: bool
    in_order: bool
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PoolPictures:
    """Usable pictures of the pool. `features` [P, V, D]; `n_known` were left out as copies of known ones."""

    paths: list[Path]
    hashes: list[str]
    features: Tensor
    n_known: int
    skipped: list[Skipped]
    warnings: list[str] = field(default_factory=list)


def origin_of(model: RewardModel) -> Origin:
    """Raises DataError where the card does not say how the model was trained."""
    made = model.card.get("provenance") or {}
    settings = made.get("settings") or {}
    try:
        views = 1 if settings["preset"] == "paper" else int(settings["views"])
        sets = {kind: str(made[f"{kind}_fingerprint"]) for kind in ("liked", "ordinary")}
        mode = settings.get("neutralise", "off")  # which the first models could not
        if mode not in get_args(Mode):
            raise ValueError(f"a known way to neutralise: {mode!r}")
        return Origin(int(settings["seed"]), views, mode, sets, made.get("order_fingerprint"))
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"The model {shown(model.name)} does not say how it was trained (its card lacks {error}), so it cannot "
            "be refined. Train it anew, then refine that."
        ) from error


def known_pictures(
    model: RewardModel,
    liked: Source | None,
    ordinary: Source | None,
    *,
    checkpoint: Path | None,
    recursive: bool,
    progress: ProgressCallback,
) -> Known:
    """The pictures `model` was trained on: from the companion of `checkpoint`, or from the two sets.

    Where both are there the companion serves if the sets are those of the training; other sets are
    read, with a warning. Raises DataError that names what is missing.
    """
    companion = read_features(checkpoint, model) if checkpoint else None
    if liked is None and ordinary is None and companion:
        return Known(companion, same=True, in_order=True)
    if liked is None or ordinary is None:
        raise DataError(_missing(model, liked, ordinary, checkpoint))
    origin = origin_of(model)
    files = find_training_files(liked, ordinary, recursive=recursive, progress=progress)
    if companion and _same(origin, files.liked_hashes, files.ordinary_hashes):
        places = dict(
            zip([*files.liked_hashes, *files.ordinary_hashes], [*files.liked, *files.ordinary], strict=True)
        )
        here = replace(companion, paths=[places[content] for content in companion.hashes])
        return Known(here, same=True, in_order=True, warnings=files.warnings)
    return _read(model, files, origin, progress)


def read_pool(
    model: RewardModel,
    source: Source,
    known: FeatureArchive,
    *,
    recursive: bool,
    progress: ProgressCallback,
) -> PoolPictures:
    """Read every picture of the pool once, as training would have.

    Exact copies inside the pool count once. What is, or nearly is, one of the `known` pictures is left
    out, or the held-out figures would be too good. Raises DataError where nothing is left.
    """
    skipped: list[Skipped] = []
    warnings: list[str] = []
    paths, hashes = _listed(source, recursive, warnings, progress)
    total, n_known = len(paths), 0
    fresh = [place for place, content in enumerate(hashes) if content not in set(known.hashes)]
    n_known += total - len(fresh)
    reader, origin = model.reader, origin_of(model)
    size, evening = model.backbone.spec.input_size, known.neutraliser
    kept: list[int] = []
    features: list[Tensor] = []

    def read(index: int, image: Tensor) -> Tensor | None:
        """The features of its views [V, width]; None for a picture that is known."""
        if _is_known(signature(image), known.signatures):
            return None
        # Seeded by content, as in training.
        seed = origin.seed ^ int(hashes[fresh[index]][:12], 16)
        # Evened out as an ordinary picture, which it is most like: made by the same generator.
        evened = model.border_trim(to_float(evening.neutralise(image, 0, seed)))
        return reader(make_views(evened, known.features.shape[1], size, seed=seed)).cpu().clone()

    def each_read() -> Iterator[tuple[int, Tensor | None]]:
        files = [paths[place] for place in fresh]
        if reader.threads:
            yield from stream_files(
                files,
                lambda index, path: read(index, read_image(path)),
                workers=reader.threads,
                share=True,
                skipped=skipped,
            )
            return
        for index, image in stream_images(files, skipped=skipped):
            yield index, read(index, image)

    progress(Progress("reading the pool", 0, len(fresh)))
    for index, found in each_read():
        if found is None:
            n_known += 1
        else:
            features.append(found)
            kept.append(fresh[index])
        progress(Progress("reading the pool", index + 1, len(fresh)))
    if not kept:
        gone = f"{n_known} of them are pictures the model was trained on. " if n_known else ""
        raise DataError(
            f"None of the {total} pictures of the pool can be used. {gone}{describe_skipped(skipped, among=paths)} Give pictures "
            "that your generator made and that are in neither of the two training sets."
        )
    return PoolPictures(
        [paths[place] for place in kept],
        [hashes[place] for place in kept],
        torch.stack(features),
        n_known,
        skipped,
        warnings,
    )


def _missing(
    model: RewardModel, liked: Source | None, ordinary: Source | None, checkpoint: Path | None
) -> str:
    absent = [name for name, source in (("liked", liked), ("ordinary", ordinary)) if source is None]
    start = f"Refining {shown(model.name)} takes the pictures it was trained on, too."
    if len(absent) == 1:
        return f"{start} The {absent[0]} pictures are missing: give both sets, liked and ordinary."
    file = (
        f"there is no companion file {shown(archive_path(checkpoint))} (`ganrm train --keep-features` writes one)"
        if checkpoint
        else "the model has no companion file with their features"
    )
    return f"{start} Both ways are missing: {file}, and the liked and ordinary pictures were not given. Give one of the two."


def _read(model: RewardModel, files: TrainingFiles, origin: Origin, progress: ProgressCallback) -> Known:
    scan = scan_dataset(files, progress=progress)
    audit = scan.audit(seed=origin.seed, progress=progress)
    evening = make_neutraliser(origin.mode, audit, scan.facts, scan.labels)
    pictures = read_pictures(
        scan,
        model.reader,
        evening,
        views=origin.views,
        seed=origin.seed,
        progress=progress,
    )
    by_label = [
        [h for h, y in zip(pictures.hashes, pictures.labels, strict=True) if y == label] for label in (1, 0)
    ]
    same = _same(origin, *by_label)
    warnings = list(files.warnings)
    if pictures.skipped:
        warnings.append(describe_skipped(pictures.skipped, among=pictures.paths))
    if not same:
        warnings.append(
            "The liked and ordinary pictures are not those the model was trained on: it is judged and fitted anew on "
            "the ones given."
        )
    in_order = same and origin.order == order_fingerprint(pictures.hashes)
    known = FeatureArchive.of(pictures, audit, origin.mode)
    return Known(known, same, in_order, pictures.skipped, warnings)


def _same(origin: Origin, liked: Sequence[str], ordinary: Sequence[str]) -> bool:
    return origin.fingerprints == {"liked": fingerprint(liked), "ordinary": fingerprint(ordinary)}


def _listed(
    source: Source, recursive: bool, warnings: list[str], progress: ProgressCallback
) -> tuple[list[Path], list[str]]:
    """Files and their content hashes, exact copies once; unreadable ones are named when they are read."""
    if _is_folder(source):
        paths = find_images(source, recursive=recursive, say=warnings.append)  # type: ignore[arg-type]
    else:
        paths = [Path(path) for path in source]  # type: ignore[union-attr]
    first = unique_files(paths, "looking at the pool", progress)
    return list(first.values()), list(first)


def _is_folder(source: Source) -> bool:
    return not isinstance(source, Sequence) or isinstance(source, str)


def _is_known(vector: NDArray[Any], known: NDArray[Any]) -> bool:
    return bool((known @ vector >= THRESHOLD).any())


__all__ = [
    "Known",
    "Origin",
    "PoolPictures",
    "known_pictures",
    "origin_of",
    "read_pool",
]

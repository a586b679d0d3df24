"""Features of an unlabelled pool, without pictures that are (nearly) in the training set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ...data.augmentation import views as make_views
from ...data.image_folder import find_images
from ...data.image_io import read_image, to_float
from ...data.labelled_files import Source, unique_files
from ...data.near_duplicates import THRESHOLD, signature
from ...data.skipped_files import Skipped, describe_skipped
from ...data.streaming import stream_files, stream_images
from ...rewards.discriminator.reward_model import RewardModel
from ...utils.errors import DataError
from ...utils.progress import Progress, ProgressCallback
from ..feature_archive import FeatureArchive
from ..feature_extraction import Views
from .known_pictures import origin_of


@dataclass(frozen=True)
class PoolPictures:
    """Usable pictures of the pool, with features [P, V, D]; `n_known` were left out as training pictures."""

    paths: list[Path]
    hashes: list[str]
    features: Tensor
    n_known: int
    skipped: list[Skipped]
    warnings: list[str] = field(default_factory=list)


def read_pool(
    model: RewardModel, source: Source, recursive: bool, known: FeatureArchive, progress: ProgressCallback
) -> PoolPictures:
    """Decode every picture of the pool once and extract its features as in training.

    Exact copies inside the pool count once. Exact and near-duplicates of `known` pictures are left out, since they
    would flatter the held-out metrics. Raises DataError where nothing is left.
    """
    skipped: list[Skipped] = []
    listed, warnings = _listed(source, recursive, progress)
    trained_on = set(known.table.hashes)
    hashes = [content for content in listed if content not in trained_on]
    paths = [listed[content] for content in hashes]
    kept: list[int] = []
    features: list[Tensor] = []
    progress(Progress("reading the pool", 0, len(paths)))
    for index, found in _PoolReader(model, known).stream(paths, hashes, skipped):
        if found is not None:
            features.append(found)
            kept.append(index)
        progress(Progress("reading the pool", index + 1, len(paths)))
    n_known = len(listed) - len(kept) - len(skipped)
    if not kept:
        gone = f"{n_known} of them are pictures the model was trained on. " if n_known else ""
        raise DataError(
            f"None of the {len(listed)} pictures of the pool can be used. {gone}"
            f"{describe_skipped(skipped, among=list(listed.values()))} Give pictures "
            "that your generator made and that are in neither of the two training sets."
        )
    return PoolPictures(
        [paths[index] for index in kept],
        [hashes[index] for index in kept],
        torch.stack(features),
        n_known,
        skipped,
        warnings,
    )


class _PoolReader:
    """Extracts features of pool pictures as training would of ordinary ones, which they are most like."""

    def __init__(self, model: RewardModel, known: FeatureArchive) -> None:
        self.model, self.known, self.remedy = model, known, known.neutraliser
        self.views = Views(known.features.shape[1], origin_of(model).views.seed)

    def stream(
        self, paths: Sequence[Path], hashes: Sequence[str], skipped: list[Skipped]
    ) -> Iterator[tuple[int, Tensor | None]]:
        """(index, features [V, D]) in order; None for a near-duplicate of a known picture."""
        threads = self.model.reader.threads
        if threads:
            yield from stream_files(
                paths,
                lambda index, path: self._features(hashes[index], read_image(path)),
                workers=threads,
                share=True,
                skipped=skipped,
            )
            return
        for index, image in stream_images(paths, skipped=skipped):
            yield index, self._features(hashes[index], image)

    def _features(self, content: str, image: Tensor) -> Tensor | None:
        if (self.known.table.signatures @ signature(image) >= THRESHOLD).any():
            return None
        model, seed = self.model, self.views.seed_of(content)
        prepared = model.border_trim(to_float(self.remedy.neutralise(image, 0, seed)))
        views = make_views(prepared, self.views.count, model.backbone.spec.input_size, seed=seed)
        return model.reader(views).cpu().clone()


def _listed(source: Source, recursive: bool, progress: ProgressCallback) -> tuple[dict[str, Path], list[str]]:
    """Files by content hash, exact copies once, and warnings; unreadable files are named when they are decoded."""
    warnings: list[str] = []
    if _is_folder(source):
        paths = find_images(source, recursive=recursive, say=warnings.append)  # type: ignore[arg-type]
    else:
        paths = [Path(path) for path in source]  # type: ignore[union-attr]
    return unique_files(paths, "looking at the pool", progress), warnings


def _is_folder(source: Source) -> bool:
    return not isinstance(source, Sequence) or isinstance(source, str)

"""The one pass over the pictures: decoded, viewed, and turned into features once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .augmentation import views as make_views
from .features import FeatureReader
from .images import to_float
from .imagesets import Skipped, stream_images
from .near_duplicates import signature
from .progress import Progress, ProgressCallback
from .training_sets import TrainingFiles, refuse_shared, refuse_too_few


@dataclass
class CachedPictures:
    """What is kept of every usable picture, liked ones first.

    `features` [N, V, D] float32; `labels` [N]; `signatures` [N, K] for finding near-duplicates;
    `pixels` [N, V, 3, S, S] uint8 where the views themselves are needed again, else None.
    """

    paths: list[Path]
    hashes: list[str]
    labels: NDArray[np.int64]
    features: Tensor
    signatures: NDArray[np.float32]
    pixels: Tensor | None
    skipped: list[Skipped] = field(default_factory=list)


def read_pictures(
    files: TrainingFiles,
    reader: FeatureReader,
    *,
    views: int,
    seed: int,
    keep_views: bool,
    progress: ProgressCallback,
) -> CachedPictures:
    """Read every file once. Unreadable ones are skipped and named; too few left raises DataError."""
    paths, hashes = [*files.liked, *files.ordinary], [*files.liked_hashes, *files.ordinary_hashes]
    size = reader.backbone.spec.input_size
    skipped: list[Skipped] = []
    kept: list[int] = []
    features, signatures, pixels, contents = [], [], [], []
    progress(Progress("reading pictures", 0, len(paths)))
    for index, image in stream_images(paths, skipped=skipped):
        # Seeded by content, so that adding a picture changes no other picture's views.
        pixel_views = make_views(to_float(image), views, size, seed=seed ^ int(hashes[index][:12], 16))
        # Out of inference mode's reach: training differentiates through heads fed with these.
        features.append(reader(pixel_views).cpu().clone())
        signatures.append(signature(image))
        contents.append(_content(image))
        if keep_views:
            pixels.append((pixel_views * 255).round().to(torch.uint8))
        kept.append(index)
        progress(Progress("reading pictures", index + 1, len(paths)))
    labels = np.array([1 if index < len(files.liked) else 0 for index in kept], dtype=np.int64)
    for label, name in ((1, "liked"), (0, "ordinary")):
        refuse_too_few(int((labels == label).sum()), name, skipped=skipped)
    kept_paths = [paths[index] for index in kept]
    _refuse_same_pixels(contents, labels, kept_paths)
    return CachedPictures(
        paths=kept_paths,
        hashes=[hashes[index] for index in kept],
        labels=labels,
        features=torch.stack(features),
        signatures=np.stack(signatures),
        pixels=torch.stack(pixels) if keep_views else None,
        skipped=skipped,
    )


def _content(image: Tensor) -> bytes:
    return hashlib.sha256(repr(tuple(image.shape)).encode() + image.contiguous().numpy().tobytes()).digest()


def _refuse_same_pixels(contents: list[bytes], labels: NDArray[np.int64], paths: list[Path]) -> None:
    """The same picture in another container has other bytes, so it passes the check of the files."""
    liked = {
        content: path for content, label, path in zip(contents, labels, paths, strict=True) if label == 1
    }
    shared = [
        (liked[content], path)
        for content, label, path in zip(contents, labels, paths, strict=True)
        if label == 0 and content in liked
    ]
    if shared:
        refuse_shared(shared)

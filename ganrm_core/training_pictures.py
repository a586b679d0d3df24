"""The one pass of the backbone over the pictures: evened out, viewed, and turned into features."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .augmentation import views as make_views
from .errors import DataError
from .features import FeatureReader
from .images import to_float
from .imagesets import Skipped, describe_skipped, stream_images
from .neutralising import Neutraliser
from .progress import Progress, ProgressCallback
from .survey import Survey


@dataclass
class CachedPictures:
    """What is kept of every usable picture, liked ones first.

    `features` [N, V, D] float32; `labels` [N]; `signatures` [N, K] for finding near-duplicates,
    `groups` [N]: equal for those found; `nuisances`: for each thing evened out, how features move
    under it, [M, D]; `pixels` [N, V, 3, S, S] uint8 where the views themselves are needed again,
    else None.
    """

    paths: list[Path]
    hashes: list[str]
    labels: NDArray[np.int64]
    signatures: NDArray[np.float32]
    groups: NDArray[np.int64]
    features: Tensor
    nuisances: list[Tensor]
    pixels: Tensor | None
    skipped: list[Skipped] = field(default_factory=list)


def read_pictures(
    survey: Survey,
    reader: FeatureReader,
    neutraliser: Neutraliser,
    *,
    views: int,
    seed: int,
    keep_views: bool,
    progress: ProgressCallback,
) -> CachedPictures:
    """Run the backbone over the surveyed files. Raises DataError where one has become unreadable."""
    size = reader.backbone.spec.input_size
    skipped: list[Skipped] = []
    features, pixels = [], []
    moved: dict[str, list[Tensor]] = {}
    paired = neutraliser.paired(survey.labels, seed)
    progress(Progress("reading pictures", 0, len(survey.paths)))
    for index, image in stream_images(survey.paths, skipped=skipped):
        # Seeded by content, so that adding a picture changes no other picture's views.
        own_seed = seed ^ int(survey.hashes[index][:12], 16)
        label = int(survey.labels[index])
        evened = neutraliser.path(to_float(neutraliser.evened(image, label, own_seed)))
        pixel_views = make_views(evened, views, size, seed=own_seed)
        # Out of inference mode's reach: training differentiates through heads fed with these.
        features.append(reader(pixel_views).cpu().clone())
        if keep_views:
            pixels.append((pixel_views * 255).round().to(torch.uint8))
        if paired[index]:
            twins = neutraliser.twins(image, label, own_seed)
            for name, difference in _differences(image, twins, reader, neutraliser, own_seed).items():
                moved.setdefault(name, []).append(difference)
        progress(Progress("reading pictures", index + 1, len(survey.paths)))
    if skipped:
        raise DataError(
            f"Pictures changed while they were being read. {describe_skipped(skipped)} Train again."
        )
    return CachedPictures(
        paths=survey.paths,
        hashes=survey.hashes,
        labels=survey.labels,
        signatures=survey.signatures,
        groups=survey.groups,
        features=torch.stack(features),
        nuisances=[torch.stack(differences) for differences in moved.values()],
        pixels=torch.stack(pixels) if keep_views else None,
        skipped=survey.skipped,
    )


def _differences(
    image: Tensor, twins: dict[str, Tensor], reader: FeatureReader, neutraliser: Neutraliser, seed: int
) -> dict[str, Tensor]:
    """How the picture's features [D] move from itself to each twin.

    As scoring sees both, and in a random view, the same for both: a cropped picture is another size.
    """
    if not twins:
        return {}
    size = reader.backbone.spec.input_size
    pairs = [make_views(neutraliser.path(to_float(each)), 2, size, seed) for each in (image, *twins.values())]
    features = reader(torch.cat(pairs)).cpu().clone().unflatten(0, (len(pairs), 2))
    moved = features[1:] - features[0]
    return {
        f"{name}, {view}": moved[place, number]
        for place, name in enumerate(twins)
        for number, view in enumerate(("plain", "random view"))
    }

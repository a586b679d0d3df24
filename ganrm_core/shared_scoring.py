"""Several reward models on one backbone, which reads each picture once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .feature_store import FeatureStore
from .features import FeatureReader
from .file_features import stream_features
from .images import read_image, to_float
from .imagesets import Skipped
from .progress import Progress, ProgressCallback, no_progress
from .readout import SeveralReadouts
from .reward import Images, Scores, is_paths
from .reward_model import RewardModel
from .tensors import as_images


def share_a_backbone(first: RewardModel, second: RewardModel) -> bool:
    """Whether both see the same numbers: equal weights, no adapter, and the same way from pixels to input."""
    return (
        first.adapter is None
        and second.adapter is None
        and first.backbone.spec == second.backbone.spec
        and first.pixel_path == second.pixel_path
    )


class SharedScoring:
    """Scores pictures by several models of which all `share_a_backbone`, through the first one's backbone."""

    def __init__(self, models: Sequence[RewardModel]) -> None:
        self.models = list(models)
        # Equal readouts are computed once, too.
        self._readouts = list(dict.fromkeys(model.reader.readout for model in self.models))
        self._reader = FeatureReader(self.models[0].backbone, SeveralReadouts(self._readouts))

    def score(self, images: Images, progress: ProgressCallback = no_progress) -> list[Scores]:
        """One `Scores` per model; `images` and `progress` as `Reward.score` takes them."""
        pictures: Iterable[Tensor]
        if is_paths(images):
            paths = [images] if isinstance(images, (str, os.PathLike)) else images
            total, pictures = len(paths), (to_float(read_image(path)) for path in paths)
        else:
            pictures = as_images(images)
            total = len(pictures)
        progress(Progress("scoring", 0, total))
        parts: list[list[Scores]] = [[] for _ in self.models]
        done = 0
        for batch in self._batches(pictures):
            for part, scores in zip(parts, batch, strict=True):
                part.append(scores)
            done += len(batch[0])
            progress(Progress("scoring", done, total))
        return [joined(part) for part in parts]

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped]
    ) -> Iterator[tuple[Path, list[Scores]]]:
        """As `Reward.score_files`, with one `Scores` per model for each file."""
        first = self.models[0]
        store = FeatureStore(self._reader, first.pixel_path)
        for found, features in stream_features(paths, self._reader, first.prepare, store, skipped):
            each = self._scores(features)
            for position, path in enumerate(found):
                yield path, [scores.of(position) for scores in each]

    def _batches(self, pictures: Iterable[Tensor]) -> Iterator[list[Scores]]:
        waiting: list[Tensor] = []
        for picture in pictures:
            waiting.append(self.models[0].prepare(picture))
            if len(waiting) == self._reader.group_size:
                yield self._scores(self._reader(torch.stack(waiting)).cpu())
                waiting = []
        if waiting:
            yield self._scores(self._reader(torch.stack(waiting)).cpu())

    def _scores(self, features: Tensor) -> list[Scores]:
        spec = self._reader.backbone.spec
        parts = features.split([readout.width(spec) for readout in self._readouts], dim=1)
        columns = dict(zip(self._readouts, parts, strict=True))
        return [model.score_features(columns[model.reader.readout]) for model in self.models]


def joined(parts: Sequence[Scores]) -> Scores:
    """Scores one after the other as one."""
    if not parts:
        return Scores(torch.empty(0), torch.empty(0), torch.empty(0))
    return Scores(
        torch.cat([part.logit for part in parts]),
        torch.cat([part.score for part in parts]),
        torch.cat([part.uncertainty for part in parts]),
    )

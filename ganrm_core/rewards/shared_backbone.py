"""Scores pictures by several reward models that share a backbone, which runs once per picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..data.skipped_files import Skipped
from ..utils.progress import Progress, ProgressCallback, no_progress
from .base import Images, Picture, Scores, all_unreadable_named, each_of, joined, opened
from .discriminator.feature_cache import FeatureCache
from .discriminator.feature_extractor import FeatureExtractor
from .discriminator.file_features import stream_features
from .discriminator.readout import SeveralReadouts
from .discriminator.reward_model import RewardModel


def share_a_backbone(first: RewardModel, second: RewardModel) -> bool:
    """Whether both models get equal features: same weights, no adapter, same border trim."""
    return (
        first.adapter is None
        and second.adapter is None
        and first.backbone.spec == second.backbone.spec
        and first.border_trim == second.border_trim
    )


class SharedScoring:
    """Scores by models that pairwise `share_a_backbone`, using the first one's backbone."""

    def __init__(self, models: Sequence[RewardModel]) -> None:
        self.models = list(models)
        # Equal readouts are computed once too.
        self._readouts = list(dict.fromkeys(model.reader.readout for model in self.models))
        self._reader = FeatureExtractor(self.models[0].backbone, SeveralReadouts(self._readouts))

    def score(self, images: Images, progress: ProgressCallback = no_progress) -> list[Scores]:
        """One `Scores` per model; `images` and `progress` as `Reward.score` takes them."""
        first = self.models[0]

        def scored(some: Sequence[Picture]) -> list[Scores]:
            prepared = torch.stack([first.prepare(opened(each)) for each in some])
            return self._scores(self._reader(prepared).cpu())

        pictures = each_of(images)
        progress(Progress("scoring", 0, len(pictures)))
        parts: list[list[Scores]] = []
        with all_unreadable_named(pictures):
            for part in self._reader.in_groups(pictures, scored):
                parts.append(part)
                progress(Progress("scoring", sum(len(each[0]) for each in parts), len(pictures)))
        return [joined(of_model) for of_model in zip(*parts, strict=True)]

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped]
    ) -> Iterator[tuple[Path, list[Scores]]]:
        """As `Reward.score_files`; each file gets one `Scores` per model."""
        first = self.models[0]
        store = FeatureCache(self._reader, first.border_trim)
        for found, features in stream_features(paths, self._reader, first.prepare, store, skipped):
            each = self._scores(features)
            for position, path in enumerate(found):
                yield path, [scores.of(position) for scores in each]

    def _scores(self, features: Tensor) -> list[Scores]:
        spec = self._reader.backbone.spec
        parts = features.split([readout.width(spec) for readout in self._readouts], dim=1)
        columns = dict(zip(self._readouts, parts, strict=True))
        return [model.score_features(columns[model.reader.readout]) for model in self.models]

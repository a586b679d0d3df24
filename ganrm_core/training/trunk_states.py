"""Cached hidden states below the LoRA blocks, so that only the blocks above run again each epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..backbones.vit_trunk import Trunk
from ..rewards.discriminator.feature_extractor import FeatureExtractor
from ..rewards.discriminator.pixel_histograms import BINS, STATISTIC, pixel_histograms
from ..rewards.discriminator.preprocessing import normalise
from ..rewards.discriminator.readout import is_histogram
from ..rewards.discriminator.tap_statistics import tap_statistics
from ..utils.spooled_tensors import SpooledTensors


class TrunkStates:
    """Extracts features as `reader` does, and caches each view's hidden state at the top of the frozen trunk.

    All pictures must have the same number of views. States are kept in half precision.
    """

    def __init__(self, reader: FeatureExtractor, trunk: Trunk) -> None:
        self._reader, self._trunk = reader, trunk
        spec = reader.backbone.spec
        blocks = reader.readout.blocks(spec)
        self._above_trunk = torch.tensor(
            [block.tap not in trunk.frozen_taps and not is_histogram(block) for block in blocks]
        ).repeat_interleave(torch.tensor([block.stop - block.start for block in blocks]))
        self._states = SpooledTensors()
        self._views = 0

    def read(self, views: Tensor) -> Tensor:
        """Views [V, 3, S, S] in 0–1 of the next picture → their features [V, D]; caches the states."""
        self._views = len(views)
        done = self._reader.in_batches(views, self._begin)
        for _, states in done:
            for state in states:
                self._states.append(state)
        return torch.cat([columns for columns, _ in done])

    def features(self, features: Tensor, pictures: Tensor, views: Tensor) -> Tensor:
        """Features [B, D] of the views [B] of the pictures [B] under the blocks above the trunk as they are now.

        `features` [N, V, D] are those of the frozen backbone. Gradients reach the blocks.
        """
        state = self._states.take((pictures * self._views + views).tolist()).to(self._reader.device)
        # Histograms need the picture, which is not kept: they are among the columns that `features` knows.
        absent = dict.fromkeys(self._reader.readout.histograms, state.new_zeros(len(state), BINS))
        columns = self._columns(self._trunk.go_on(state), absent)
        known = features[pictures, views].to(columns)
        return torch.where(self._above_trunk.to(columns.device), columns, known)

    def all_features(self, features: Tensor) -> Tensor:
        """Features [N, V, D] of every view, without gradients."""
        count, views, width = features.shape
        picture, view = torch.meshgrid(torch.arange(count), torch.arange(views), indexing="ij")
        return self.some_features(features, picture.flatten(), view.flatten()).view(count, views, width)

    def some_features(self, features: Tensor, pictures: Tensor, views: Tensor) -> Tensor:
        """As `features`, in batches, without gradients, on the CPU."""
        size = self._reader.batch_size  # once: it follows free memory
        with torch.no_grad():
            return torch.cat([
                self.features(features, *batch).cpu()
                for batch in zip(pictures.split(size), views.split(size), strict=True)
            ])  # fmt: skip

    def _begin(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        taps, state = self._trunk.read(normalise(pixels, self._reader.backbone.spec))
        return self._columns(taps, pixel_histograms(pixels, self._reader.readout.histograms)), state

    def _columns(self, taps: list[Tensor], histograms: dict[str, Tensor]) -> Tensor:
        readout, spec = self._reader.readout, self._reader.backbone.spec
        found = tap_statistics(taps, readout.taps, spec)
        counted = {(name, STATISTIC): values for name, values in histograms.items()}
        return readout.columns({None: found | counted}, spec)

"""First version of preset `default`, as a baseline: a linear head on means and standard deviations of stage outputs.

Every block counts the same, whitening and penalty are chosen by cross-validation, and the head is fitted to all
pictures again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ganrm_core.data.splits import FIFTHS, assign_folds
from ganrm_core.rewards.discriminator.heads import LinearHead
from ganrm_core.rewards.discriminator.readout import Block
from ganrm_core.training.feature_rows import Rows
from ganrm_core.training.head_fitting import fit_linear_path
from ganrm_core.training.model_selection import calibrated_losses
from ganrm_core.training.whitening import fit_projection

_WHITENINGS = (0.0, 0.25, 0.5, 0.75)
_PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)


def fit_first_default(rows: Rows, blocks: Sequence[Block], seed: int) -> LinearHead:
    """Fit the baseline head to `rows` without near-duplicates."""
    labels = rows.labels.numpy().astype(np.int64)
    folds = assign_folds(labels, np.arange(len(rows)), FIFTHS, seed)
    held_out = np.zeros((len(_WHITENINGS) * len(_PENALTIES), len(rows)))
    for fold in range(FIFTHS):
        inside = torch.from_numpy(folds == fold)
        for logits, head in zip(held_out, _candidates(rows.take(~inside), blocks), strict=True):
            logits[inside] = head(rows.features[inside, 0]).numpy()
    best = int(np.argmin([calibrated_losses(logits, labels).mean() for logits in held_out]))
    return _candidates(rows, blocks)[best]


def _candidates(rows: Rows, blocks: Sequence[Block]) -> list[LinearHead]:
    projection = fit_projection(rows.flat()[0], blocks)
    return [
        head for whitening in _WHITENINGS for head in fit_linear_path(rows, projection, whitening, _PENALTIES)
    ]

"""The reward of Adv-GRPO's DINO variant (Mao et al. 2025, arXiv 2511.20256), for comparison.

One MLP reads the picture's embedding and 64 places drawn at random, another draw at every scoring; the reward is .7 and .3
of their logits. It learns by the hinge loss from the round's pictures against as many references, nine steps of Adam
between two updates of the generator, on features as they are, and scores features of unit length. As in the authors' code
(showlab/Adv-GRPO), flaws included: a shared head, other features in scoring than in training, luck in the ranking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

_HIDDEN, _PLACES, _STEPS = 512, 64, 9
_WHOLE, _PATCH_LOSS = 0.7, 0.3
_ADAM: Mapping[str, Any] = {"lr": 1e-4, "betas": (0.5, 0.999)}


class PaperReward:
    """`RefreshedReward`. The embedding is the mean over places, since a convolutional network has no class token."""

    def __init__(self, references: Tensor, seed: int) -> None:
        """`references`: features [N, P, C] of their places."""
        self._references = references
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._head = nn.Sequential(
                nn.Linear(references.shape[-1], _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1)
            )
        self._adam = torch.optim.Adam(self._head.parameters(), **_ADAM)

    def add(self, judged: Any) -> None:
        made = judged.patches
        for _ in range(_STEPS):
            rows = torch.randint(len(self._references), (len(made),), generator=self._generator)
            real = self._references[rows]
            loss = _hinge(self._head(real.mean(dim=1)), self._head(made.mean(dim=1)))
            places = _hinge(self._head(self._drawn(real)), self._head(self._drawn(made)))
            self._adam.zero_grad()
            (loss + _PATCH_LOSS * places).backward()
            self._adam.step()

    @torch.no_grad()
    def logits(self, judged: Any) -> Tensor:
        patches: Tensor = judged.patches
        whole = self._head(normalize(patches.mean(dim=1), dim=-1)).squeeze(-1)
        places = self._head(normalize(self._drawn(patches), dim=-1)).squeeze(-1)
        scores: Tensor = _WHOLE * whole + (1 - _WHOLE) * places.mean(dim=1)
        return scores

    newest = logits

    def _drawn(self, patches: Tensor) -> Tensor:
        """[N, P, C] → other random places of each picture, [N, 64, C]."""
        chosen = torch.randint(patches.shape[1], (len(patches), _PLACES), generator=self._generator)
        return patches[torch.arange(len(patches))[:, None], chosen]


def _hinge(real: Tensor, made: Tensor) -> Tensor:
    return (relu(1 - real).mean() + relu(1 + made).mean()) / 2

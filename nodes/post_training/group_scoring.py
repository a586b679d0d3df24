"""Decoding and scoring of many latents: spoilt pictures and failures of the reward cost only their own score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...ganrm_core.rewards.base import Reward, Scores, joined
from ...ganrm_core.selection.non_finite import find_invalid, mark_invalid, replace_invalid
from ...ganrm_core.utils.device_memory import is_out_of_memory
from ...ganrm_core.utils.errors import GanRMError
from ..display.ranked_sheets import thumbnail
from ..host.training.rollouts import decoded

_THUMBNAIL = 256
_FAILURES = (GanRMError, ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What a reward may raise over a picture. Cancel is none of these."""
_NAMES = ("logits", "scores", "uncertainty", "thumbnails")


@dataclass(frozen=True)
class Scored:
    """Scores as in `Group`. `lost`: why a picture has none, "" where its pixels are not finite."""

    logits: Tensor
    scores: Tensor
    uncertainty: Tensor
    thumbnails: Tensor
    lost: dict[int, str] = field(default_factory=dict)

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], count: int) -> Scored | None:
        """None where they are not those of `count` pictures."""
        if set(tensors) != set(_NAMES) or any(len(tensor) != count for tensor in tensors.values()):
            return None
        return cls(tensors["logits"], tensors["scores"], tensors["uncertainty"], tensors["thumbnails"])

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in _NAMES}

    def part(self, start: int, end: int) -> Scored:
        place = slice(start, end)
        with torch.inference_mode(False):  # such tensors may be trained with
            return Scored(
                self.logits[place].clone(),
                self.scores[place].clone(),
                self.uncertainty[place].clone(),
                self.thumbnails[place].clone(),
                {i - start: reason for i, reason in self.lost.items() if start <= i < end},
            )

    def is_finite(self) -> bool:
        return not self.lost and bool(torch.isfinite(self.logits).all())


class GroupScorer:
    """Decodes and scores latents, `together` at a time."""

    def __init__(self, vae: Any, reward: Reward, together: int) -> None:
        self._vae, self._reward, self.together = vae, reward, together

    def score(self, latents: Tensor, texts: Sequence[str], report: Callable[[], None]) -> Scored:
        """`texts`: the prompt of each picture. `report` is called often and may raise to cancel."""
        scores, thumbnails = [], []
        lost: dict[int, str] = {}
        for start in range(0, len(latents), self.together):
            part = slice(start, start + self.together)
            pictures = decoded(self._vae, latents[part], lambda _: report())
            thumbnails += [thumbnail(picture, _THUMBNAIL).movedim(0, -1) for picture in pictures]
            found, failures = self._scores(pictures, texts[part], report)
            scores.append(found)
            lost.update({start + i: reason for i, reason in failures.items()})
        whole = joined(scores)
        return Scored(whole.logit, whole.score, whole.uncertainty, torch.stack(thumbnails), lost)

    def _scores(
        self, pictures: Tensor, texts: Sequence[str], report: Callable[[], None]
    ) -> tuple[Scores, dict[int, str]]:
        spoilt = find_invalid(pictures)
        valid = replace_invalid(pictures, spoilt)
        try:
            scores = self._reward.score(valid, texts, lambda _: report())
            failures: dict[int, str] = {}
        except _FAILURES as error:
            if is_out_of_memory(error):
                raise
            scores, failures = self._one_by_one(valid, texts, report)
        marked = mark_invalid(scores, spoilt | set(failures))
        lost = dict.fromkeys(torch.nonzero(~torch.isfinite(marked.logit)).flatten().tolist(), "")
        return marked, lost | {i: reason for i, reason in failures.items() if i not in spoilt}

    def _one_by_one(
        self, pictures: Sequence[Tensor], texts: Sequence[str], report: Callable[[], None]
    ) -> tuple[Scores, dict[int, str]]:
        """Where the reward fails on some picture, the others still get their scores."""
        found, failures = [], {}
        for i, picture in enumerate(pictures):
            try:
                found.append(self._reward.score([picture], [texts[i]], lambda _: report()))
            except _FAILURES as error:
                if is_out_of_memory(error):
                    raise
                failures[i] = str(error) or type(error).__name__
                found.append(Scores(torch.zeros(1), torch.zeros(1), torch.zeros(1)))
        return joined(found), failures

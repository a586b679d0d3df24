"""Answers to a candidate's model calls that need no call: a draft's guesses, and a draft's calls when it is made in full."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ....ganrm_core.selection.step_cache import StepCache
from .rng_state import RngState


@dataclass(frozen=True)
class ModelAnswer:
    """A model call [1, C, H, W] at `sigma` [1] made alone, its answer, and the random state after it; in main memory."""

    x: Tensor
    sigma: Tensor
    answer: Tensor
    random: RngState


class Shortcut(Protocol):
    """One candidate's, with the state of its sampling."""

    def answer(self, x: Tensor, sigma: Tensor, random: RngState) -> Tensor | None:
        """The answer, None where the model must be called; `random` is left as the call would leave it."""

    def learn(self, x: Tensor, sigma: Tensor, answer: Tensor, random: RngState | None) -> None:
        """Take the model's answer; `random`: the state after a call that would be the same in full, else None."""


class DraftShortcut:
    """Guesses by a step cache. `exact`: the calls before the first guess, which a sampling in full begins with too."""

    def __init__(self, threshold: float) -> None:
        self._cache = StepCache(threshold)
        self._is_exact = True
        self.exact: list[ModelAnswer] = []

    def answer(self, x: Tensor, sigma: Tensor, random: RngState) -> Tensor | None:  # noqa: ARG002
        guess = self._cache.guess(x)
        self._is_exact = self._is_exact and guess is None
        return guess

    def learn(self, x: Tensor, sigma: Tensor, answer: Tensor, random: RngState | None) -> None:
        self._cache.learn(x, answer)
        self._is_exact = self._is_exact and random is not None
        if self._is_exact and random is not None:
            self.exact.append(ModelAnswer(_kept(x), _kept(sigma), _kept(answer), random.copy()))


class Replay:
    """Answers with known calls, in their order, as long as the candidate makes the very same ones."""

    def __init__(self, known: Iterable[ModelAnswer]) -> None:
        self._known = deque(known)

    def answer(self, x: Tensor, sigma: Tensor, random: RngState) -> Tensor | None:
        if not self._known:
            return None
        first = self._known.popleft()
        if not (torch.equal(x.cpu(), first.x) and torch.equal(sigma.cpu(), first.sigma)):
            self._known.clear()
            return None
        random.become(first.random)
        return first.answer.to(x.device)

    def learn(self, x: Tensor, sigma: Tensor, answer: Tensor, random: RngState | None) -> None:
        """A sampling in full has nothing to learn."""


def _kept(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", copy=True)  # samplers write into theirs

"""Candidates' calls of the model: answered without one where a shortcut is known, else made, together where they may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .candidate import Candidate
from .seed_conditioning import Conditioning


@dataclass(frozen=True)
class ModelCall:
    """The arguments of ComfyUI's guider for one candidate: a latent [1, C, H, W], its sigma [1], and named ones."""

    x: Tensor
    sigma: Tensor
    named: dict[str, Any]


class ModelCalls:
    """Answers calls with predicted latents.

    `conditioning`: by candidate number, where it depends on the seed. `options`: the model options that samplers pass on;
    one that passes others listens in on its calls (such as euler_cfg_pp), so these are never known beforehand.
    """

    def __init__(self, guider: Any, conditioning: dict[int, Conditioning], options: Any) -> None:
        self._guider, self._conditioning, self._options = guider, conditioning, options

    def add(self, fork: Candidate, parent: Candidate) -> None:
        """A fork sees the conditioning of its parent."""
        if parent.number in self._conditioning:
            self._conditioning[fork.number] = self._conditioning[parent.number]

    def answered(self, calls: Mapping[Candidate, ModelCall]) -> dict[int, Tensor]:
        """The answers by candidate number; calls with the same batching key share one model call."""
        answers: dict[int, Tensor] = {}
        groups: dict[Any, list[Candidate]] = {}
        for candidate, call in calls.items():
            candidate.asked += 1
            known = _shortcut(candidate, call)
            if known is not None:
                answers[candidate.number] = known
                continue
            conditioning = self._conditioning.get(candidate.number)
            groups.setdefault((*_batching_key(call), id(conditioning)), []).append(candidate)
        for candidates in groups.values():
            answers.update(self._called(candidates, calls))
        return answers

    def _called(self, candidates: list[Candidate], calls: Mapping[Candidate, ModelCall]) -> dict[int, Tensor]:
        first, some = candidates[0], [calls[each] for each in candidates]
        if first.number in self._conditioning:
            self._guider.conds = self._conditioning[first.number]
        x, sigma = torch.cat([call.x for call in some]), torch.cat([call.sigma for call in some])
        # Some model patches draw random numbers.
        with first.random.running():
            parts = self._guider(x, sigma, **some[0].named).split(1)
        alone = len(candidates) == 1 and some[0].named.get("model_options") is self._options
        for each, call, part in zip(candidates, some, parts, strict=True):
            each.calls += 1
            if each.shortcut:
                each.shortcut.learn(call.x, call.sigma, part, each.random if alone else None)
        return {each.number: part for each, part in zip(candidates, parts, strict=True)}


def _shortcut(candidate: Candidate, call: ModelCall) -> Tensor | None:
    if candidate.shortcut is None:
        return None
    return candidate.shortcut.answer(call.x, call.sigma, candidate.random)


def _batching_key(call: ModelCall) -> tuple[Any, ...]:
    """Equal for calls that may be batched. Options are compared by identity, so a sampler's own functions prevent it."""
    others = tuple((name, id(value)) for name, value in call.named.items() if name != "seed")
    return (tuple(call.x.shape[1:]), tuple(call.sigma.tolist()), others)

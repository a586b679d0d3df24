"""ComfyUI sampler that runs several candidates (seeds) inside one sampling, each exactly as if sampled alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from ....ganrm_core.selection.successive_halving import HalvingRung
from ....ganrm_core.utils.errors import DataError
from .candidate import Candidate
from .forking import start_noise
from .model_calls import ModelCall, ModelCalls
from .pausable_call import Finished, PausableCall
from .seed_conditioning import conditioning_per_candidate
from .vram import fitting_batch, reload_models


@dataclass(frozen=True)
class _StepDone:
    clean: Tensor


_ROUNDING = 1e-4  # relative tolerance when sigmas are compared

_Sampling = PausableCall[ModelCall | _StepDone, Tensor]


@dataclass
class Watcher:
    """Callbacks during sampling, all called in ComfyUI's own thread."""

    stepped: Callable[[Candidate], None]
    """Called after every step of a candidate. May raise to cancel."""
    choose: Callable[[HalvingRung, Sequence[Candidate]], Sequence[Candidate]]
    """Called at each look of the schedule: returns the candidates that continue, and new forks of candidates there."""


class MultiSeedSampler(comfy.samplers.Sampler):  # type: ignore[misc]
    """Runs the sampler `inner` once per candidate, with batch size 1 and the candidate's own noise, seed and RNG state.

    The samplers run in threads that take turns; the model is called in the calling thread. With `together` 1 every
    call is the one ComfyUI's sampler makes for that candidate alone, so its latent is bit-identical. With more, up to
    `together` candidates at the same sigma share one model call, as far as memory allows: faster on a GPU, but the
    last digits change.
    """

    def __init__(
        self,
        inner: Any,
        candidates: Sequence[Candidate],
        looks: Sequence[HalvingRung],
        watcher: Watcher,
        together: int = 1,
    ) -> None:
        self._inner, self._candidates, self._looks = inner, candidates, looks
        self._watcher, self._together = watcher, together
        self.begun: list[Candidate] = list(candidates)
        """All candidates, forks included, in the order in which they began."""
        self.survivors: list[Candidate] = []
        """The finished candidates, after sampling."""
        self.shared = together
        """The smallest number of candidates per model call that memory allowed."""

    def max_denoise(self, model_wrap: Any, sigmas: Tensor) -> bool:
        return bool(self._inner.max_denoise(model_wrap, sigmas))

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any,  # noqa: ARG002
        noise: Tensor,
        latent_image: Tensor | None = None,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,  # noqa: ARG002
    ) -> Tensor:
        """The final latents of the surviving candidates, as one batch in their order."""

        def alone(candidate: Candidate) -> _Sampling:
            def work(ask: Callable[[ModelCall | _StepDone], Any]) -> Tensor:
                return self._inner.sample(  # type: ignore[no-any-return]
                    _GuiderProxy(model_wrap, ask),
                    sigmas[candidate.start :],
                    {**extra_args, "seed": candidate.seed},
                    lambda _step, clean, _x, _total: ask(_StepDone(clean)),
                    own_noise,
                    latent_image,
                    denoise_mask,
                    disable_pbar=True,
                )

            own_noise = start_noise(candidate, model_wrap, sigmas, latent_image, denoise_mask).to(noise)
            candidate.origin = None  # its parent's tensors are no longer needed
            return PausableCall(work, candidate.random)

        def advance(until: int | None) -> None:
            together = fitting_batch(model_wrap, noise.shape, self._together)
            self.shared = min(self.shared, together)
            runs.advance(alive, until, together)

        self._check_noise(noise)
        runs = _CandidateRuns(
            ModelCalls(
                model_wrap,
                conditioning_per_candidate(self._candidates, model_wrap, noise, latent_image, denoise_mask),
                extra_args.get("model_options"),
            ),
            {each.number: alone(each) for each in self._candidates},
            sigmas.tolist(),
            self._watcher,
        )
        alive = list(self._candidates)
        try:
            for look in self._looks:
                advance(look.step)
                chosen = self._watcher.choose(look, alive)
                for each in chosen:
                    if each.origin:
                        runs.add(each, each.origin, alone(each))
                        self.begun.append(each)
                runs.give_up([each for each in alive if each not in chosen])
                alive = [each for each in self.begun if each in chosen]
                reload_models(model_wrap, noise.shape, self._together, len(alive))
            advance(None)
        finally:
            runs.give_up(self.begun)
        self.survivors = alive
        return torch.cat([each.result for each in alive if each.result is not None])

    def _check_noise(self, noise: Tensor) -> None:
        """Raise DataError if something changed the noise on the way: candidates use their own, unchanged."""
        if not torch.equal(noise, self._candidates[0].noise.to(noise)):
            raise DataError(
                "Something between this node and the sampler changes the noise, which the candidates would not see. "
                "Take it out, or sample with KSampler and choose with Best of N."
            )


class _CandidateRuns:
    """The candidates' paused samplers, advanced step by step."""

    def __init__(
        self, model: ModelCalls, samplings: dict[int, _Sampling], sigmas: list[float], watcher: Watcher
    ) -> None:
        self._model, self._samplings, self._watcher = model, samplings, watcher
        self._schedule = sigmas[:-1]

    def add(self, fork: Candidate, parent: Candidate, sampling: _Sampling) -> None:
        self._samplings[fork.number] = sampling
        self._model.add(fork, parent)

    def advance(self, candidates: Sequence[Candidate], until: int | None, together: int) -> None:
        """Advance each candidate to step `until` of the schedule, or to its end."""
        for first in range(0, len(candidates), together):
            self._advance_group(candidates[first : first + together], until)

    def give_up(self, candidates: Sequence[Candidate]) -> None:
        for each in candidates:
            self._samplings[each.number].give_up()

    def _advance_group(self, candidates: Sequence[Candidate], until: int | None) -> None:
        moving = [
            each for each in candidates if each.result is None and (until is None or each.steps < until)
        ]
        answers: dict[int, Any] = {}
        while moving:
            calls: dict[Candidate, ModelCall] = {}
            for each in moving:
                call = self._to_next_call(each, answers.get(each.number), until)
                if call is not None:
                    calls[each] = call
            moving = list(calls)
            answers = self._model.answered(calls)
            for each in moving:
                each.predicted = answers[each.number]

    def _to_next_call(self, candidate: Candidate, answer: Any, until: int | None) -> ModelCall | None:
        """Its next model call; None once it has reached step `until` or finished."""
        sampling = self._samplings[candidate.number]
        while True:
            asked = sampling.resume(answer)
            answer = None
            if isinstance(asked, ModelCall):
                candidate.seen = asked.x, float(asked.sigma.max())
                candidate.steps = max(candidate.steps, self._steps_at(float(asked.sigma.max())))
                return asked
            if isinstance(asked, Finished):
                candidate.result = candidate.clean = asked.result
                candidate.steps = len(self._schedule)
                self._watcher.stepped(candidate)
                return None
            candidate.clean = asked.clean
            self._watcher.stepped(candidate)
            if until is not None and candidate.steps >= until:
                return None

    def _steps_at(self, sigma: float) -> int:
        """Completed steps of the schedule at `sigma`, which also holds for samplers that take steps of their own."""
        return sum(sigma <= each * (1 + _ROUNDING) for each in self._schedule)


class _GuiderProxy:
    """Replaces ComfyUI's guider inside a sampler: model calls become questions, other attributes are delegated."""

    def __init__(self, guider: Any, ask: Callable[[ModelCall | _StepDone], Any]) -> None:
        self._guider, self._ask = guider, ask

    def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
        return self._ask(ModelCall(x, sigma, named))  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guider, name)

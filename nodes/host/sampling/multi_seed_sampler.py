"""Several candidates inside one call of ComfyUI's sampling, each as if it were alone."""

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
from .pausable_call import Finished, PausableCall
from .seed_conditioning import Conditioning, of_each
from .vram import bring_back, fitting


@dataclass(frozen=True)
class _ModelCall:
    x: Tensor
    sigma: Tensor
    named: dict[str, Any]


@dataclass(frozen=True)
class _StepDone:
    clean: Tensor


_ROUNDING = 1e-4

_Sampling = PausableCall[_ModelCall | _StepDone, Tensor]


@dataclass
class Watcher:
    """What happens to candidates on the way; all of it in ComfyUI's own thread."""

    stepped: Callable[[Candidate], None]
    """After every step of a candidate. May raise, and so cancel."""
    choose: Callable[[HalvingRung, Sequence[Candidate]], Sequence[Candidate]]
    """At a look: those that go on."""


class MultiSeedSampler(comfy.samplers.Sampler):  # type: ignore[misc]
    """Runs `inner` once for each candidate with batch size 1, with noise, seed and random numbers of its own.

    The samplers' arithmetic runs in threads that take turns; the model itself is called here, in the thread that
    called us. With `together` 1 every call is what ComfyUI's own sampler would make for that candidate alone, so its
    latent is the same to the last bit, whatever happens to the others. With more, candidates at the same
    sigma share calls of the model, as far as memory allows: faster on a GPU, and the last digits change.
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
        self.survivors: list[Candidate] = []
        """Those that were finished, once it has sampled."""
        self.shared = together
        """How many shared a call where memory was shortest."""

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
        """The latents of the candidates that went through to the end, as one batch, in their order."""

        def alone(candidate: Candidate) -> _Sampling:
            def work(ask: Callable[[_ModelCall | _StepDone], Any]) -> Tensor:
                return self._inner.sample(  # type: ignore[no-any-return]
                    _Asking(model_wrap, ask),
                    sigmas,
                    {**extra_args, "seed": candidate.seed},
                    lambda _step, clean, _x, _total: ask(_StepDone(clean)),
                    candidate.noise.to(noise),
                    latent_image,
                    denoise_mask,
                    disable_pbar=True,
                )

            return PausableCall(work, candidate.random)

        def advance(until: int | None) -> None:
            together = fitting(model_wrap, noise.shape, self._together)
            self.shared = min(self.shared, together)
            field.advance(alive, until, together)

        self._check_noise(noise)
        field = _Field(
            model_wrap,
            {each.number: alone(each) for each in self._candidates},
            of_each(self._candidates, model_wrap, noise, latent_image, denoise_mask),
            sigmas.tolist(),
            self._watcher,
        )
        alive = list(self._candidates)
        try:
            for look in self._looks:
                advance(look.step)
                chosen = self._watcher.choose(look, alive)
                field.give_up([each for each in alive if each not in chosen])
                alive = [each for each in alive if each in chosen]
                bring_back(model_wrap, noise.shape, self._together, len(alive))
            advance(None)
        finally:
            field.give_up(self._candidates)
        self.survivors = alive
        return torch.cat([each.result for each in alive if each.result is not None])

    def _check_noise(self, noise: Tensor) -> None:
        """Candidates bring their own: what was done to the first one's on the way would be lost on them."""
        if not torch.equal(noise, self._candidates[0].noise.to(noise)):
            raise DataError(
                "Something between this node and the sampler changes the noise, which the candidates would not see. "
                "Take it out, or sample with KSampler and choose with Best of N."
            )


class _Field:
    """The candidates' samplings, moved on step by step."""

    def __init__(
        self,
        guider: Any,
        samplings: dict[int, _Sampling],
        conditioning: dict[int, Conditioning],
        sigmas: list[float],
        watcher: Watcher,
    ) -> None:
        self._guider, self._samplings, self._watcher = guider, samplings, watcher
        self._conditioning = conditioning
        self._schedule = sigmas[:-1]

    def advance(self, candidates: Sequence[Candidate], until: int | None, together: int) -> None:
        """Take each past step `until` of the schedule, or to its end."""
        for first in range(0, len(candidates), together):
            self._advance_group(candidates[first : first + together], until)

    def give_up(self, candidates: Sequence[Candidate]) -> None:
        for each in candidates:
            self._samplings[each.number].give_up()

    def _advance_group(self, candidates: Sequence[Candidate], until: int | None) -> None:
        moving = [each for each in candidates if each.result is None]
        answers: dict[int, Any] = {}
        while moving:
            calls: dict[int, _ModelCall] = {}
            for each in moving:
                call = self._to_next_call(each, answers.get(each.number), until)
                if call is not None:
                    calls[each.number] = call
            moving = [each for each in moving if each.number in calls]
            answers = self._answered(calls)

    def _to_next_call(self, candidate: Candidate, answer: Any, until: int | None) -> _ModelCall | None:
        """What it asks the model next; None once it is where it should be."""
        sampling = self._samplings[candidate.number]
        while True:
            asked = sampling.resume(answer)
            answer = None
            if isinstance(asked, _ModelCall):
                candidate.calls += 1
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
        """How far a call at `sigma` is: samplers with steps of their own are met by what they have reached."""
        return sum(sigma <= each * (1 + _ROUNDING) for each in self._schedule)

    def _answered(self, calls: dict[int, _ModelCall]) -> dict[int, Tensor]:
        """By number; calls that ask the same of the model share one."""
        answers: dict[int, Tensor] = {}
        groups: dict[Any, list[int]] = {}
        for number, call in calls.items():
            told = self._conditioning.get(number)
            groups.setdefault((*_asks_for(call), id(told)), []).append(number)
        for numbers in groups.values():
            if numbers[0] in self._conditioning:
                self._guider.conds = self._conditioning[numbers[0]]
            x = torch.cat([calls[number].x for number in numbers])
            sigma = torch.cat([calls[number].sigma for number in numbers])
            # Some patches draw random numbers inside the model.
            with self._samplings[numbers[0]].random.running():
                parts = self._guider(x, sigma, **calls[numbers[0]].named).split(1)
            answers.update(zip(numbers, parts, strict=True))
        return answers


class _Asking:
    """Stands for ComfyUI's guider inside a sampler: hands calls of the model over, and knows all else it knows."""

    def __init__(self, guider: Any, ask: Callable[[_ModelCall | _StepDone], Any]) -> None:
        self._guider, self._ask = guider, ask

    def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
        return self._ask(_ModelCall(x, sigma, named))  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guider, name)


def _asks_for(call: _ModelCall) -> tuple[Any, ...]:
    """Equal for calls that may share one. Samplers that add a function of their own to the options share with none."""
    others = tuple((name, id(value)) for name, value in call.named.items() if name != "seed")
    return (tuple(call.x.shape[1:]), tuple(call.sigma.tolist()), others)

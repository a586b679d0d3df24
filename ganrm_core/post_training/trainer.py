"""Training loop of a LoRA on groups of scored samples: SFT on the best, or safeguarded Diffusion-DPO on pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..utils.device_memory import is_out_of_memory
from ..utils.errors import DataError
from .choices import Choice, Example
from .config import GroupTraining
from .denoiser import Denoiser
from .group_watch import Watcher, look_steps
from .losses import denoising_errors, dpo_losses, safeguard_factors, with_gradient_scaled
from .micro_batch import MicroBatch
from .round_signs import Look
from .scalings import Scalings, scalings
from .sigmas import NoiseLevels
from .training_trace import TrainingStep, TrainingTrace
from .watch import FORGETTING, NO_MEMORY, NOT_A_NUMBER, HeldOut, HeldOutError, Limits

_BETAS, _CLIP, _WEIGHT_DECAY = (0.9, 0.99), 1.0, 0.01
_WARM_UP, _LAST_RATE = 0.05, 0.1
_WATCHES, _LEAST_APART = 20, 5
"""How often the held-out error is measured in one training, and after how many steps at least: it costs about two."""


Latents = Callable[[Sequence[tuple[int, int]]], Tensor]
"""(group, sample) of each → clean latents in the model's own scale, on its device."""


@dataclass(frozen=True)
class _Batch:
    """Examples of one prompt, each with a noise level [B] and noise [B, …]."""

    examples: Sequence[Example]
    sigma: Tensor
    noise: Tensor

    def split(self, size: int) -> list[_Batch]:
        """Parts of at most `size` examples."""
        return [
            _Batch(self.examples[start : start + size], sigma, noise)
            for start, sigma, noise in zip(
                range(0, len(self.examples), size),
                self.sigma.split(size),
                self.noise.split(size),
                strict=True,
            )
        ]


class GroupTrainer:
    """Trains a denoiser's LoRA on `choice`. `trace` is what is known so far.

    `micro_batch`: examples that go through the model at once; halved, down to 1, when memory runs out. The gradient stays
    that of the whole batch, up to rounding.

    `cfg`: guidance the samples were made with. Fine-tuning on them would teach the conditional branch what guidance adds,
    which guidance would then add again; so SFT trains the guided prediction where cfg > 1. Pairs share what guidance adds, so
    DPO trains the conditional branch.
    """

    def __init__(
        self, denoiser: Denoiser, choice: Choice, latents: Latents, levels: NoiseLevels, settings: GroupTraining,
        cfg: float = 1.0,
    ) -> None:  # fmt: skip
        if not choice.train:
            raise DataError("There are no groups left to train on. Make more groups.")
        self._denoiser, self._levels, self._settings, self._cfg = denoiser, levels, settings, cfg
        self._choice, self._latents = choice, latents
        self._together = MicroBatch(settings.micro_batch, denoiser.parameters[0].device)
        self._generator = torch.Generator().manual_seed(settings.seed % 2**63)
        self._by_prompt: dict[int, list[Example]] = {}
        for example in choice.train:
            self._by_prompt.setdefault(example.prompt, []).append(example)
        first = choice.train[0]
        self._shape = latents([(first.group, first.sample)]).shape[1:]
        self._watch = self._new_watch()
        self.trace = TrainingTrace()

    @property
    def micro_batch(self) -> int:
        """How many examples memory lets through the model at once."""
        return self._together.size

    def run(
        self,
        observe: Callable[[TrainingTrace], None],
        limits: Limits | None = None,
        watcher: Watcher | None = None,
    ) -> TrainingTrace:
        """Train; `observe` is called after every step, and what it raises passes through.

        A loss that is no number, a held-out error beyond `limits`, or memory that runs out even for one sample, ends
        training: the last good weights are put back. Where there are none, running out of memory is raised. `watcher` looks
        before training and at some steps, and may end training too; the weights are then those of its best look. If none was
        better than before training, they are the last ones, or, where a sign ended training, those before it.
        """
        limits, settings = limits or Limits(), self._settings
        parameters = list(self._denoiser.parameters)
        optimiser = torch.optim.AdamW(parameters, lr=settings.rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY)
        trace, weights = TrainingTrace(), _Weights(parameters)
        self.trace = trace
        every = max(_LEAST_APART, settings.steps // _WATCHES)
        looks = look_steps(settings.steps) if watcher else ()
        held_out = self._held_out_error()
        if watcher:
            trace.see(watcher.look(0, held_out))
        for number in range(1, settings.steps + 1):
            for group in optimiser.param_groups:
                group["lr"] = settings.rate * _rate(number, settings.steps)
            try:
                loss = self._gradients(optimiser)
            except Exception as error:
                if not trace.kept or not is_out_of_memory(error):
                    raise
                trace.stopped = NO_MEMORY
                break
            if not math.isfinite(loss) or not _clipped(parameters):
                trace.stopped = NOT_A_NUMBER
                break
            measured = number % every == 0 or number == settings.steps or number in looks
            if (
                measured and self._watch is None
            ):  # all that is known to work are the weights of this finite loss
                weights.mark_good(number - 1, trace)
            optimiser.step()
            held_out = self._held_out_error() if measured else None
            trace.steps.append(TrainingStep(number, loss, held_out))
            if held_out is not None:
                trace.warned = trace.warned or limits.warns(held_out)
                if limits.stops(held_out):
                    trace.stopped = FORGETTING if math.isfinite(held_out.ratio) else NOT_A_NUMBER
                    break
                weights.mark_good(number, trace)
            if watcher and number in looks:
                weights.take_look(watcher.look(number, held_out), trace)
                if trace.stopped:
                    break
            observe(trace)
        weights.put_back(settings.steps, trace)
        return trace

    def _gradients(self, optimiser: torch.optim.Optimizer) -> float:
        """Puts the gradients of a random batch into the parameters; returns its mean loss, NaN if that is not finite."""
        batches = self._draw_batches()

        def accumulate() -> float:
            optimiser.zero_grad(set_to_none=True)
            total = 0.0
            for batch in batches:
                for part in batch.split(self.micro_batch):
                    loss = self._losses(part).sum() / self._settings.batch
                    if not bool(torch.isfinite(loss)):
                        return math.nan
                    loss.backward()  # type: ignore[no-untyped-call]
                    total += float(loss.detach())
            return total

        return self._together.run(accumulate)

    def _held_out_error(self) -> HeldOut | None:
        """None without held-out groups."""
        watch = self._watch
        if watch is None:
            return None
        return self._together.run(lambda: watch.measure(self._denoiser, self.micro_batch))

    def _draw_batches(self) -> list[_Batch]:
        """`batch` random examples, each micro-batch of one prompt."""
        left, batches = self._settings.batch, []
        prompts = list(self._by_prompt)
        while left > 0:
            count = min(left, self._settings.micro_batch)
            known = self._by_prompt[prompts[self._random(len(prompts))]]
            examples = [known[self._random(len(known))] for _ in range(count)]
            sigma = self._levels.draw(count, self._generator)
            noise = torch.randn((count, *self._shape), generator=self._generator)
            batches.append(_Batch(examples, sigma, noise))
            left -= count
        return batches

    def _losses(self, batch: _Batch) -> Tensor:
        """[B], with gradients."""
        clean = self._latents([(each.group, each.sample) for each in batch.examples])
        sigma, noise = batch.sigma.to(clean.device), batch.noise.to(clean.device)
        scale, prompt = scalings(self._denoiser.sampling, sigma), batch.examples[0].prompt
        if self._settings.method == "best":
            return denoising_errors(self._predicted(clean, noise, sigma, prompt), clean, scale)
        worse = self._latents([(each.group, _worse(each)) for each in batch.examples])
        return self._pair_losses((clean, worse), noise, sigma, scale, prompt)

    def _predicted(self, clean: Tensor, noise: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        noisy = self._denoiser.sampling.noise_scaling(sigma, noise.clone(), clean)
        denoised = self._denoiser.denoise(noisy, sigma, prompt)
        if self._cfg == 1.0:
            return denoised
        without = self._denoiser.unconditional(noisy, sigma)
        return without + self._cfg * (denoised - without)

    def _pair_losses(
        self, pair: tuple[Tensor, Tensor], noise: Tensor, sigma: Tensor, scale: Scalings, prompt: int
    ) -> Tensor:
        errors, margins, residuals = [], [], []
        for clean in pair:
            noisy = self._denoiser.sampling.noise_scaling(sigma, noise.clone(), clean)
            reference = self._denoiser.reference(noisy, sigma, prompt)
            denoised = self._denoiser.denoise(noisy, sigma, prompt)
            errors.append(denoising_errors(denoised, clean, scale))
            margins.append(denoising_errors(reference, clean, scale))
            residuals.append((denoised - clean).detach())
        chosen, rejected = errors
        if self._settings.mu >= 0:
            factors = safeguard_factors(residuals[0], residuals[1], self._settings.mu)
            rejected = with_gradient_scaled(rejected, factors)
        beta = self._settings.dpo_beta(pair[0][0].numel())
        return dpo_losses(chosen, rejected, margins[0] - margins[1], beta)

    def _new_watch(self) -> HeldOutError | None:
        """None without held-out groups."""
        held_out = self._choice.held_out
        if not held_out:
            return None
        latents = self._latents([(each.group, each.sample) for each in held_out])
        return HeldOutError(
            latents, [each.prompt for each in held_out], self._levels, self._settings.seed % 2**63
        )

    def _random(self, count: int) -> int:
        return int(torch.randint(count, (1,), generator=self._generator))


def _clipped(parameters: Sequence[Tensor]) -> bool:
    """Clips the gradients' norm; False if it is no number."""
    return bool(torch.isfinite(torch.nn.utils.clip_grad_norm_(parameters, _CLIP)))


def _rate(number: int, steps: int) -> float:
    """Share of the learning rate at a step: linear warm-up, then a cosine down to a tenth."""
    warm = min(1.0, number / max(1.0, _WARM_UP * steps))
    return warm * (_LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * (number - 1) / steps)) / 2)


def _worse(example: Example) -> int:
    if example.worse is None:
        raise DataError("Pairs are needed to train on pairs.")
    return example.worse


class _Weights:
    """Copies of weights to go back to: the last good ones, and, in main memory, those before training and of the best look."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = parameters
        self._first = self._good = self._best = self._stored()
        self._good_step = 0

    def mark_good(self, step: int, trace: TrainingTrace) -> None:
        self._good = [parameter.detach().clone() for parameter in self._parameters]
        self._good_step = step
        trace.keep(step)

    def take_look(self, look: Look | None, trace: TrainingTrace) -> None:
        if trace.see(look):
            self._best = self._stored()
        trace.keep(self._good_step)

    def put_back(self, steps: int, trace: TrainingTrace) -> None:
        """Restore what is kept of a training of `steps` steps that has ended."""
        trace.keep(self._good_step if trace.stopped else steps)
        if trace.best:
            self._restore(self._best)
        elif trace.stopped:
            self._restore(self._first if trace.stopped_by else self._good)

    def _stored(self) -> list[Tensor]:
        return [parameter.detach().to("cpu", copy=True) for parameter in self._parameters]

    @torch.no_grad()
    def _restore(self, copies: Sequence[Tensor]) -> None:
        for parameter, copy in zip(self._parameters, copies, strict=True):
            parameter.copy_(copy)

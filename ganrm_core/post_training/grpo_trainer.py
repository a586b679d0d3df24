"""Flow-GRPO with coefficients-preserving steps: a LoRA learns from the likelihood of its own sampling steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .advantages import advantages
from .anchor import Anchor
from .denoiser import Denoiser
from .lagged_copy import LaggedCopy
from .learner import RoundGroup, RoundLosses
from .lora_optimiser import LoraOptimiser
from .losses import clipped_policy_losses, denoising_errors
from .micro_batch import MicroBatch
from .scalings import scalings
from .sigmas import NoiseLevels
from .stochastic_steps import guarded_log_ratio, step_distribution

_KL_SHARE = 0.2
"""Of DiffusionNFT's weight of the distance, what holds this method as strongly: its gradients are smaller."""


@dataclass(frozen=True)
class GrpoSettings:
    """`cfg`: guidance of the samples; the policy is the guided model. `noise`: share of fresh noise in a stochastic step,
    0–1. `window`: how many steps of a sample are stochastic. `clip`: by how much a ratio may differ from 1 and still
    count. `kl`, `updates`, `micro_batch`: as in `NftSettings`, and as strong.
    """

    cfg: float = 1.0
    learning_rate: float = 1e-4
    noise: float = 0.8
    window: int = 2
    clip: float = 1e-4
    kl: float = 1e-4
    updates: int = 2
    micro_batch: int = 4
    seed: int = 0


@dataclass(frozen=True)
class _Step:
    """A stochastic step of samples of one prompt: from `noisy` at `sigma` to `then_noisy` at `then`, scalars; rows [N]."""

    prompt: int
    sigma: Tensor
    then: Tensor
    noisy: Tensor
    then_noisy: Tensor

    def rows(self, rows: Tensor) -> _Step:
        return _Step(self.prompt, self.sigma, self.then, self.noisy[rows], self.then_noisy[rows])


class GrpoTrainer:
    """`Learner` by group-relative policy optimisation (Liu et al. 2025, arXiv 2505.05470).

    A few steps in a row, at random places of the schedule, are stochastic, as in MixGRPO (arXiv 2507.21802); the others
    are Euler's. The ratio of likelihoods is the guarded one (`guarded_log_ratio`).
    """

    def __init__(
        self,
        denoiser: Denoiser,
        levels: NoiseLevels,
        settings: GrpoSettings,
        shape: Sequence[int],
        anchor: Anchor | None = None,
    ) -> None:
        """`shape`: of one sample's latents, without the batch."""
        self._denoiser, self._settings, self._shape = denoiser, settings, tuple(shape)
        self._anchor = anchor
        self._schedule = torch.cat([levels.sigmas, torch.zeros(1)])
        self._generator = torch.Generator().manual_seed(settings.seed % 2**63)
        parameters = denoiser.parameters
        self._device = parameters[0].device
        self._optimiser = LoraOptimiser(parameters, settings.learning_rate)
        self._together = MicroBatch(settings.micro_batch, self._device)
        self._before = LaggedCopy(parameters)
        self._taken: list[list[_Step]] = []

    def sample(self, prompt: int, seeds: Sequence[int]) -> Tensor:
        # The last step ends without noise, so that it has no density.
        places = len(self._schedule) - 2
        window = min(self._settings.window, places)
        first = int(torch.randint(places - window + 1, (1,), generator=self._generator))
        start = self._generator.get_state()
        steps, latents = self._together.run(
            lambda: self._sampled(prompt, seeds, range(first, first + window), start)
        )
        self._taken.append(steps)
        return latents

    def learn(self, groups: Sequence[RoundGroup]) -> RoundLosses:
        self._before.follow(0.0)
        taken, self._taken = self._taken, []
        found = advantages([group.logits for group in groups])
        seen = []
        for parts in self._updates(taken, found):
            losses = self._together.run(self._gradients(parts))
            self._optimiser.step(losses)
            seen.append(losses)
        return RoundLosses(*(sum(values) / len(seen) for values in zip(*seen, strict=True)))

    def state(self) -> dict[str, Tensor]:
        return {**self._optimiser.state(), "generator": self._generator.get_state()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._optimiser.load_state(state)
        self._generator.set_state(state["generator"])

    @torch.no_grad()
    def _sampled(
        self, prompt: int, seeds: Sequence[int], window: range, start: Tensor
    ) -> tuple[list[_Step], Tensor]:
        """The stochastic steps of all seeds, and their latents; sampled `micro_batch` at a time."""
        self._generator.set_state(start)
        parts = [
            self._sampled_together(prompt, seeds[place : place + self._together.size], window)
            for place in range(0, len(seeds), self._together.size)
        ]
        steps = [
            _Step(
                prompt,
                of_all[0].sigma,
                of_all[0].then,
                torch.cat([step.noisy for step in of_all]),
                torch.cat([step.then_noisy for step in of_all]),
            )
            for of_all in zip(*(part[0] for part in parts), strict=True)
        ]
        return steps, torch.cat([part[1] for part in parts])

    def _sampled_together(
        self, prompt: int, seeds: Sequence[int], window: range
    ) -> tuple[list[_Step], Tensor]:
        noise = torch.stack(
            [torch.randn(self._shape, generator=torch.Generator().manual_seed(s % 2**63)) for s in seeds]
        ).to(self._device)
        steps: list[_Step] = []
        first = self._schedule[:1].expand(len(seeds)).to(self._device)
        x = self._denoiser.sampling.noise_scaling(first, noise, torch.zeros_like(noise))
        for place, (sigma, then) in enumerate(pairwise(self._schedule)):
            mean, deviation = self._distribution(x, sigma, then, prompt, place in window)
            drawn = mean
            if place in window:
                fresh = torch.randn(x.shape, generator=self._generator).to(x)
                drawn = mean + deviation.reshape(-1, *[1] * len(self._shape)) * fresh
                steps.append(_Step(prompt, sigma, then, x.cpu(), drawn.cpu()))
            x = drawn
        return steps, x.cpu()

    def _distribution(
        self, x: Tensor, sigma: Tensor, then: Tensor, prompt: int, stochastic: bool
    ) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the step from `x` at `sigma` to `then`, scalars; see `step_distribution`."""
        denoised = self._guided(x, sigma, prompt)
        return self._around(x, denoised, sigma, then, stochastic)

    def _around(
        self, x: Tensor, denoised: Tensor, sigma: Tensor, then: Tensor, stochastic: bool = True
    ) -> tuple[Tensor, Tensor]:
        if float(then) == 0:
            return denoised, torch.zeros(len(x), device=x.device)
        sampling = self._denoiser.sampling
        now, later = (scalings(sampling, level.expand(len(x)).to(x.device)) for level in (sigma, then))
        return step_distribution(x, denoised, now, later, self._settings.noise if stochastic else 0.0)

    def _guided(self, x: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        of_each = sigma.expand(len(x)).to(x.device)
        denoised = self._denoiser.denoise(x, of_each, prompt)
        if self._settings.cfg == 1.0:
            return denoised
        without = self._denoiser.unconditional(x, of_each)
        return without + self._settings.cfg * (denoised - without)

    def _updates(
        self, taken: Sequence[Sequence[_Step]], found: Sequence[Tensor]
    ) -> Iterator[list[tuple[_Step, Tensor]]]:
        """The round's samples, shuffled and split into updates: steps and the advantage of each row."""
        orders = [torch.randperm(len(each), generator=self._generator) for each in found]
        for number in range(self._settings.updates):
            parts = []
            for steps, advantage, order in zip(taken, found, orders, strict=True):
                rows = order.tensor_split(self._settings.updates)[number]
                parts += [(step.rows(rows), advantage[rows]) for step in steps if len(rows)]
            yield parts

    def _gradients(self, parts: Sequence[tuple[_Step, Tensor]]) -> Callable[[], tuple[float, float, float]]:
        """What puts the gradients of `parts` and the anchor into the parameters: their mean losses, and the contrast."""
        total, start = sum(len(advantage) for _, advantage in parts), self._generator.get_state()

        def accumulate() -> tuple[float, float, float]:
            self._optimiser.clear()
            self._generator.set_state(start)  # the same draws when memory made it begin again
            loss = contrast = 0.0
            for step, advantage in parts:
                for rows in torch.arange(len(advantage)).split(self._together.size):
                    losses, distances = self._losses(step.rows(rows), advantage[rows])
                    (losses.sum() / total).backward()  # type: ignore[no-untyped-call]
                    loss += float(losses.detach().sum()) / total
                    contrast += float(distances.sum()) / total
            anchor = self._anchor
            anchored = anchor.backward(total, self._together, self._generator) if anchor else 0.0
            return loss, anchored, contrast

        return accumulate

    def _losses(self, step: _Step, advantage: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, with gradients, and contrast of each row, [B]."""
        x, then_x = (each.to(self._device, copy=True) for each in (step.noisy, step.then_noisy))
        with self._before.in_place():
            before = self._guided(x, step.sigma, step.prompt)
        guided = self._guided(x, step.sigma, step.prompt)
        means = [self._around(x, each, step.sigma, step.then) for each in (before, guided)]
        log_ratio = guarded_log_ratio(then_x, means[1][0], means[0][0], means[0][1])
        losses = clipped_policy_losses(log_ratio, advantage.to(x.device), self._settings.clip)
        of_each = step.sigma.expand(len(x)).to(x.device)
        scale = scalings(self._denoiser.sampling, of_each)
        if self._settings.kl:
            reference = self._denoiser.reference(x, of_each, step.prompt)
            denoised = self._denoiser.denoise(x, of_each, step.prompt)
            losses = losses + _KL_SHARE * self._settings.kl * denoising_errors(denoised, reference, scale)
        return losses, denoising_errors(guided.detach(), before, scale)

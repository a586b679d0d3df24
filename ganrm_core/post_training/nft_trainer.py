"""DiffusionNFT: a LoRA learns from rounds of scored samples by the forward process, whatever the sampler was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .advantages import advantages, optimality
from .anchor import Anchor
from .denoiser import Denoiser
from .lagged_copy import LaggedCopy, kept_after
from .learner import RoundGroup, RoundLosses
from .lora_optimiser import LoraOptimiser
from .losses import denoising_errors, nft_losses
from .micro_batch import MicroBatch
from .scalings import scalings
from .sigmas import NoiseLevels

Sample = Callable[[int, Sequence[int]], Tensor]
"""(prompt, seeds) → latents [N, …] in the model's scale, on the CPU."""


@dataclass(frozen=True)
class NftSettings:
    """`beta`: how far the implicit good and bad models lie from the lagged copy. `kl`: weight of the distance to the model
    without a LoRA. `updates`: optimiser steps a round, each on its share of the samples. `levels`: noise levels a sample.
    `micro_batch`: samples that go through the model at once.
    """

    learning_rate: float = 1e-4
    beta: float = 1.0
    kl: float = 1e-4
    updates: int = 2
    levels: int = 2
    micro_batch: int = 4
    seed: int = 0


@dataclass(frozen=True)
class _Part:
    """Samples of one prompt that go through the model together: how good they are [B], noise level and noise."""

    prompt: int
    clean: Tensor
    good: Tensor
    sigma: Tensor
    noise: Tensor

    def split(self, size: int) -> Iterator[_Part]:
        parts = (each.split(size) for each in (self.clean, self.good, self.sigma, self.noise))
        for some in zip(*parts, strict=True):
            yield _Part(self.prompt, *some)


class NftTrainer:
    """`Learner` by DiffusionNFT (Zheng et al. 2025, arXiv 2509.16117). `sample`: the user's own sampler."""

    def __init__(
        self,
        denoiser: Denoiser,
        levels: NoiseLevels,
        settings: NftSettings,
        sample: Sample,
        anchor: Anchor | None = None,
    ) -> None:
        self._denoiser, self._levels, self._settings, self._anchor = denoiser, levels, settings, anchor
        self.sample = sample
        self._generator = torch.Generator().manual_seed(settings.seed % 2**63)
        parameters = denoiser.parameters
        self._optimiser = LoraOptimiser(parameters, settings.learning_rate)
        self._together = MicroBatch(settings.micro_batch, parameters[0].device)
        self.lagged = LaggedCopy(parameters)
        self._round = 0

    def learn(self, groups: Sequence[RoundGroup]) -> RoundLosses:
        seen = []
        for parts in self._updates(groups):
            losses = self._together.run(self._gradients(parts))
            self._optimiser.step(losses)
            seen.append(losses)
        self._round += 1
        self.lagged.follow(kept_after(self._round))
        return RoundLosses(*(sum(values) / len(seen) for values in zip(*seen, strict=True)))

    def state(self) -> dict[str, Tensor]:
        lagged = {f"lagged/{number}": value.clone() for number, value in enumerate(self.lagged.values)}
        return {
            **self._optimiser.state(),
            **lagged,
            "generator": self._generator.get_state(),
            "round": torch.tensor(self._round),
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._optimiser.load_state(state)
        for number, value in enumerate(self.lagged.values):
            value.copy_(state[f"lagged/{number}"])
        self._generator.set_state(state["generator"])
        self._round = int(state["round"])

    def _updates(self, groups: Sequence[RoundGroup]) -> Iterator[list[_Part]]:
        """The round's samples, shuffled and split into updates; of each, the samples of one prompt at one draw of noise."""
        good = [optimality(each) for each in advantages([group.logits for group in groups])]
        places = [(number, i) for number, group in enumerate(groups) for i in range(len(group.logits))]
        order = torch.randperm(len(places), generator=self._generator)
        for chosen in order.tensor_split(self._settings.updates):
            by_prompt: dict[int, list[tuple[int, int]]] = {}
            for place in (places[row] for row in chosen.tolist()):
                by_prompt.setdefault(groups[place[0]].prompt, []).append(place)
            yield [
                self._part(
                    prompt,
                    torch.stack([groups[number].latents[i] for number, i in known]),
                    torch.stack([good[number][i] for number, i in known]),
                )
                for prompt, known in by_prompt.items()
            ]

    def _part(self, prompt: int, clean: Tensor, good: Tensor) -> _Part:
        """Each sample as often as there are noise levels for it."""
        times = self._settings.levels
        clean, good = (each.repeat(times, *[1] * (each.ndim - 1)) for each in (clean, good))
        sigma = self._levels.draw(len(clean), self._generator)
        noise = torch.randn(clean.shape, generator=self._generator)
        return _Part(prompt, clean, good, sigma, noise)

    def _gradients(self, parts: Sequence[_Part]) -> Callable[[], tuple[float, float, float]]:
        """What puts the gradients of `parts` and the anchor into the parameters: their mean losses, and the contrast."""
        total, start = sum(len(part.clean) for part in parts), self._generator.get_state()

        def accumulate() -> tuple[float, float, float]:
            self._optimiser.clear()
            self._generator.set_state(start)  # the same draws when memory made it begin again
            loss = contrast = 0.0
            for part in parts:
                for some in part.split(self._together.size):
                    losses, distances = self._losses(some)
                    (losses.sum() / total).backward()  # type: ignore[no-untyped-call]
                    loss += float(losses.detach().sum()) / total
                    contrast += float(distances.sum()) / total
            anchor = self._anchor
            anchored = anchor.backward(total, self._together, self._generator) if anchor else 0.0
            return loss, anchored, contrast

        return accumulate

    def _losses(self, part: _Part) -> tuple[Tensor, Tensor]:
        """Loss, with gradients, and contrast of each sample, [B]."""
        device, settings = self._denoiser.parameters[0].device, self._settings
        clean, good, sigma, noise = (
            each.to(device, copy=True) for each in (part.clean, part.good, part.sigma, part.noise)
        )
        noisy, scale = (
            self._denoiser.sampling.noise_scaling(sigma, noise, clean),
            scalings(self._denoiser.sampling, sigma),
        )
        with self.lagged.in_place():
            lagged = self._denoiser.denoise(noisy, sigma, part.prompt)
        denoised = self._denoiser.denoise(noisy, sigma, part.prompt)
        losses = nft_losses(denoised, lagged, clean, good, settings.beta)
        if settings.kl:
            reference = self._denoiser.reference(noisy, sigma, part.prompt)
            losses = losses + settings.kl * denoising_errors(denoised, reference, scale)
        return losses, denoising_errors(denoised.detach(), lagged, scale)

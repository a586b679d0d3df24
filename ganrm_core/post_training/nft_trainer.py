"""Online training of a LoRA from rounds of scored samples: DiffusionNFT with a data anchor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..utils.errors import DataError
from .advantages import advantages, optimality
from .denoiser import Denoiser
from .groups import Groups
from .lagged_copy import LaggedCopy
from .losses import denoising_errors, nft_losses
from .scalings import scalings
from .sigmas import NoiseLevels
from .trainer import Latents

_Value = TypeVar("_Value")

_BETAS, _CLIP, _WEIGHT_DECAY = (0.9, 0.99), 1.0, 0.01


@dataclass(frozen=True)
class NftSettings:
    """`beta`: how far the implicit good and bad models lie from the lagged copy. `kl`: weight of the distance to the model
    without a LoRA. `anchor`: weight of the denoising error on the references. `updates`: optimiser steps a round, each on
    its share of the samples. `levels`: noise levels a sample. `micro_batch`: samples that go through the model at once.
    """

    learning_rate: float = 1e-4
    beta: float = 1.0
    kl: float = 1e-4
    anchor: float = 0.1
    updates: int = 2
    levels: int = 2
    micro_batch: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Anchor:
    """References to keep close to: latents [M, …] in the model's scale, and the number of each one's prompt, None without."""

    latents: Tensor
    prompts: Sequence[int | None]


@dataclass(frozen=True)
class RoundLosses:
    """Means over a round. `contrast`: squared distance of the model's velocity to its lagged copy's."""

    nft: float
    anchor: float
    contrast: float


@dataclass(frozen=True)
class _Part:
    """Samples of one prompt that go through the model together."""

    prompt: int
    places: Sequence[tuple[int, int]]
    good: Tensor


class NftTrainer:
    """Learns from one round of groups after another; the optimiser and the lagged copy live as long as this object."""

    def __init__(
        self, denoiser: Denoiser, levels: NoiseLevels, settings: NftSettings, anchor: Anchor | None = None
    ) -> None:
        self._denoiser, self._levels, self._settings, self._anchor = denoiser, levels, settings, anchor
        self._generator = torch.Generator().manual_seed(settings.seed % 2**63)
        self._parameters = list(denoiser.parameters)
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY
        )
        self.lagged = LaggedCopy(self._parameters)
        self._round = 0

    def learn(self, groups: Groups, latents: Latents) -> RoundLosses:
        """One round. Raises DataError where a loss is no number; the weights are then those of the last good update."""
        seen: list[tuple[float, float, float]] = []
        for parts in self._updates(groups):
            self._optimiser.zero_grad(set_to_none=True)
            total = sum(len(part.places) for part in parts)
            sums = [self._backward(part, latents, total) for part in parts]
            anchored = self._backward_anchor(total)
            norm = torch.nn.utils.clip_grad_norm_(self._parameters, _CLIP)
            losses = (sum(each[0] for each in sums), anchored, sum(each[1] for each in sums))
            if not all(map(math.isfinite, losses)) or not bool(torch.isfinite(norm)):
                raise DataError("The loss is no number. Train again with a lower learning rate.")
            self._optimiser.step()
            seen.append(losses)
        self._round += 1
        self.lagged.follow(self._round)
        nft, anchor, contrast = (sum(values) / len(seen) for values in zip(*seen, strict=True))
        return RoundLosses(nft, anchor, contrast)

    def _updates(self, groups: Groups) -> Iterator[list[_Part]]:
        """The round's samples, shuffled and split into updates, each micro-batch of one prompt."""
        good = [optimality(each) for each in advantages([group.logits for group in groups.groups])]
        places = [(number, i) for number, group in enumerate(groups.groups) for i in range(len(group))]
        order = torch.randperm(len(places), generator=self._generator)
        for chosen in order.tensor_split(self._settings.updates):
            by_prompt: dict[int, list[tuple[int, int]]] = {}
            for place in (places[row] for row in chosen.tolist()):
                by_prompt.setdefault(groups.groups[place[0]].prompt, []).append(place)
            yield [
                _Part(prompt, some, torch.stack([good[number][i] for number, i in some]))
                for prompt, known in by_prompt.items()
                for some in _split(known, self._settings.micro_batch)
            ]

    def _backward(self, part: _Part, latents: Latents, total: int) -> tuple[float, float]:
        """Adds the gradients of a part; returns its share of the NFT loss and of the contrast."""
        clean, settings = latents(part.places), self._settings
        weight, loss_sum, contrast_sum = 1 / (total * settings.levels), 0.0, 0.0
        good = part.good.to(clean.device)
        for sigma in self._levels.draw(len(clean) * settings.levels, self._generator).split(len(clean)):
            sigma = sigma.to(clean.device)
            noisy, scale = self._noisy(clean, sigma), scalings(self._denoiser.sampling, sigma)
            with self.lagged.in_place():
                lagged = self._denoiser.denoise(noisy, sigma, part.prompt)
            denoised = self._denoiser.denoise(noisy, sigma, part.prompt)
            losses = nft_losses(denoised, lagged, clean, good, settings.beta)
            loss = losses
            if settings.kl:
                reference = self._denoiser.reference(noisy, sigma, part.prompt)
                loss = losses + settings.kl * denoising_errors(denoised, reference, scale)
            (loss.sum() * weight).backward()  # type: ignore[no-untyped-call]
            loss_sum += float(losses.detach().sum()) * weight
            contrast_sum += float(denoising_errors(denoised.detach(), lagged, scale).sum()) * weight
        return loss_sum, contrast_sum

    def _backward_anchor(self, total: int) -> float:
        """Adds the gradients of the denoising error on as many references as the update has samples."""
        anchor, settings = self._anchor, self._settings
        if anchor is None or not settings.anchor:
            return 0.0
        rows = torch.randint(len(anchor.latents), (total,), generator=self._generator).tolist()
        by_prompt: dict[int | None, list[int]] = {}
        for row in rows:
            by_prompt.setdefault(anchor.prompts[row], []).append(row)
        seen = 0.0
        for prompt, known in by_prompt.items():
            for some in _split(known, settings.micro_batch):
                clean = anchor.latents[some]
                sigma = self._levels.draw(len(some), self._generator).to(clean.device)
                noisy, scale = self._noisy(clean, sigma), scalings(self._denoiser.sampling, sigma)
                if prompt is None:
                    denoised = self._denoiser.unconditional(noisy, sigma)
                else:
                    denoised = self._denoiser.denoise(noisy, sigma, prompt)
                loss = denoising_errors(denoised, clean, scale).sum() / total
                (settings.anchor * loss).backward()  # type: ignore[no-untyped-call]
                seen += float(loss.detach())
        return seen

    def _noisy(self, clean: Tensor, sigma: Tensor) -> Tensor:
        noise = torch.randn(clean.shape, generator=self._generator).to(clean.device)
        return self._denoiser.sampling.noise_scaling(sigma, noise, clean)


def _split(values: Sequence[_Value], size: int) -> Iterator[Sequence[_Value]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]

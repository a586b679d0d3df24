"""A generator of points instead of pictures: the exact denoiser of a normal distribution, and a linear LoRA on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganrm_core.post_training.groups import Group, Groups, Sampling
from ganrm_core.post_training.sigmas import NoiseLevels

CHANNELS = 4
LEVELS = NoiseLevels.of_schedule(torch.linspace(1, 0, 11))


def wide(sigma: Tensor, like: Tensor) -> Tensor:
    return sigma.reshape(-1, *[1] * (like.ndim - 1))


class Flow:
    """x = (1 − σ)·x₀ + σ·ε, and the network gives the velocity ε − x₀."""

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent_image: Tensor) -> Tensor:
        return (1 - wide(sigma, noise)) * latent_image + wide(sigma, noise) * noise

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        return model_input - wide(sigma, model_input) * model_output


@dataclass
class ToyDenoiser:
    """Denoises points from N(prompt, 1). The LoRA adds `bias` + `weight`·x to the velocity.

    `most`: larger batches run out of memory, and after `full_after` calls every batch does. `broken_after`: predictions
    after so many calls are no numbers.
    """

    most: int = 1000
    broken_after: int = 10**9
    full_after: int = 10**9
    sampling: Flow = field(default_factory=Flow)
    calls: int = 0

    def __post_init__(self) -> None:
        self.bias = nn.Parameter(torch.zeros(CHANNELS))
        self.weight = nn.Parameter(torch.zeros(CHANNELS, CHANNELS))

    @property
    def parameters(self) -> Sequence[nn.Parameter]:
        return [self.bias, self.weight]

    def denoise(self, noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        self.calls += 1
        if len(noisy) > self.most or self.calls > self.full_after:
            raise RuntimeError("CUDA out of memory")
        added = self.bias + noisy.flatten(1) @ self.weight.T
        velocity = _velocity(noisy, sigma, prompt) + added.reshape(noisy.shape)
        if self.calls > self.broken_after:
            velocity = velocity * torch.nan
        return self.sampling.calculate_denoised(sigma, velocity, noisy)

    def unconditional(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return self.denoise(noisy, sigma, 0)

    def reference(self, noisy: Tensor, sigma: Tensor, prompt: int | None) -> Tensor:
        return self.sampling.calculate_denoised(sigma, _velocity(noisy, sigma, prompt or 0), noisy)

    @torch.no_grad()
    def generated(self, count: int, prompt: int, seed: int = 0) -> Tensor:
        """Points [count, CHANNELS] by Euler's method."""
        x = torch.randn(count, CHANNELS, 1, 1, generator=torch.Generator().manual_seed(seed))
        steps = torch.linspace(1, 0, 21)
        for sigma, then in pairwise(steps):
            clean = self.denoise(x, sigma.expand(count), prompt)
            x = x + (then - sigma) * (x - clean) / sigma
        return x.flatten(1)


def _velocity(noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
    signal, noise = 1 - wide(sigma, noisy), wide(sigma, noisy)
    clean = prompt + signal * (noisy - signal * prompt) / (signal.square() + noise.square())
    return (noisy - clean) / noise


def make_groups(count: int = 16, size: int = 8, prompts: int = 2, seed: int = 0) -> Groups:
    """Groups of points from the toy's distribution. The reward is the first channel."""
    random = torch.Generator().manual_seed(seed)
    groups = []
    for number in range(count):
        prompt = number % prompts
        latents = prompt + torch.randn(size, CHANNELS, 1, 1, generator=random)
        logits = latents[:, 0, 0, 0]
        nothing = torch.zeros(size, 1, 1, 3, dtype=torch.uint8)
        seeds = tuple(range(number * size, (number + 1) * size))
        groups.append(Group(prompt, seeds, latents, logits, logits.sigmoid(), torch.zeros(size), nothing))
    return Groups(tuple(map(str, range(prompts))), tuple(groups), Sampling(10, 1.0, "euler", "simple"))

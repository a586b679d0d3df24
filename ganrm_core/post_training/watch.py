"""Held-out denoising error: whether the generator still denoises good pictures it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .denoiser import Denoiser
from .losses import denoising_errors
from .scalings import scalings
from .sigmas import NoiseLevels

NOT_A_NUMBER, FORGETTING, NO_MEMORY = "not a number", "held-out error", "memory"
"""Why a training ends early."""
LOW_NOISE = 0.35
"""Noise levels count as low where the noise is less than this share of signal plus noise."""
_DRAWS = 64
_BATCH = 8


@dataclass(frozen=True)
class HeldOut:
    """Held-out errors in proportion to those before training: over all noise levels, and over the low ones."""

    ratio: float
    low_noise_ratio: float


@dataclass(frozen=True)
class Limits:
    """Ratios at which to warn and to stop, measured with `benchmarks/post_training.py`."""

    warn: float = 1.15
    warn_low_noise: float = 1.10
    stop: float = 1.5
    stop_low_noise: float = 1.25

    def warns(self, seen: HeldOut) -> bool:
        return seen.ratio > self.warn or seen.low_noise_ratio > self.warn_low_noise

    def stops(self, seen: HeldOut) -> bool:
        """NaN stops too."""
        return not (seen.ratio <= self.stop and seen.low_noise_ratio <= self.stop_low_noise)


class HeldOutError:
    """Denoising error on fixed draws of samples, noise and noise levels; the first call is the base of the ratios."""

    def __init__(self, latents: Tensor, prompts: Sequence[int], levels: NoiseLevels, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        rows = torch.arange(_DRAWS) % len(latents)
        sigmas = levels.at((torch.randperm(_DRAWS, generator=generator) + 0.5) / _DRAWS)
        noise = torch.randn((_DRAWS, *latents.shape[1:]), generator=generator)
        by_prompt: dict[int, list[int]] = {}
        for draw, row in enumerate(rows.tolist()):
            by_prompt.setdefault(prompts[row], []).append(draw)
        self._parts = [
            (prompt, latents[rows[part]], noise[part], sigmas[part])
            for prompt, draws in by_prompt.items()
            for part in torch.tensor(draws).split(_BATCH)
        ]
        self._first: Tensor | None = None
        self._low: Tensor | None = None

    def state(self) -> dict[str, Tensor]:
        """The base of the ratios, for `load_state`; empty before the first call."""
        if self._first is None or self._low is None:
            return {}
        return {"first": self._first.clone(), "low": self._low.clone()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._first, self._low = state.get("first"), state.get("low")

    @torch.no_grad()
    def measure(self, denoiser: Denoiser, at_once: int = _BATCH) -> HeldOut:
        """`at_once`: how many draws go through the model together."""
        parts, low = [], []
        device = denoiser.parameters[0].device
        for prompt, *draws in self._parts:
            for drawn in zip(*(each.split(at_once) for each in draws), strict=True):
                clean, noise, sigma = (each.to(device) for each in drawn)
                scale = scalings(denoiser.sampling, sigma)
                noisy = denoiser.sampling.noise_scaling(sigma, noise.clone(), clean)
                parts.append(denoising_errors(denoiser.denoise(noisy, sigma, prompt), clean, scale).cpu())
                low.append((scale.noise < LOW_NOISE * (scale.noise + scale.signal)).cpu())
        errors = torch.cat(parts)
        if self._first is None or self._low is None:
            self._first, self._low = errors, torch.cat(low)
        return HeldOut(
            _ratio(errors, self._first),
            _ratio(errors[self._low], self._first[self._low]) if bool(self._low.any()) else 1.0,
        )


def _ratio(errors: Tensor, first: Tensor) -> float:
    return float(errors.double().mean() / first.double().mean())

"""Drafts on a generator in closed form, which needs no training and no ComfyUI: python -m benchmarks.closed_form_drafts

The generator is a rectified flow whose denoiser is the exact posterior mean of drawings of coloured shapes, each blurred by a
Gaussian (a kernel density), at 16 × 16 pixels; 20 Euler steps. The taste is ridge regression on random Fourier features of
300 other drawings; the truth is the quality of the drawing nearest to what was made. Drafts, pruning and pictures in full are
put together as in the Best-of-N Sampler, with its step cache and its constants, which were set here on other
noise; figures are reported with `--first 200`.

  calls  of the denoiser, as a share of those that sixteen finished pictures take
  share  of plain Best of 16's gain over the mean picture, with its 95 % interval, bootstrap over groups
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.shapes.drawing import any_shape
from benchmarks.shapes.reading import quality
from ganrm_core.selection.drafts import STRENGTHS, DraftSettings, draft_rungs
from ganrm_core.selection.step_cache import StepCache
from ganrm_core.selection.successive_halving import SCHEDULES, halving_rungs

STEPS, N, SIDE = 20, 16, 16
PRUNING = ("off", "standard", "strong")
FINALS = (1, 2, 3)
TARGET = (0.97, 0.30)
_DRAWINGS, _TAUGHT, _FEATURES = 1500, 300, 400
_BLUR, _SHIFT, _RIDGE = 0.3, 3.0, 8.0


class ClosedForm:
    """Generator, taste and truth of latents [B, D]."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        shapes = [any_shape(rng) for _ in range(_DRAWINGS + _TAUGHT)]
        pictures = torch.from_numpy(np.stack([shape.picture() for shape in shapes])).movedim(-1, 1).float()
        small = torch.nn.functional.adaptive_avg_pool2d(pictures, SIDE).flatten(1)
        small = (small - small.mean()) / small.std()
        worth = torch.tensor([quality(shape) for shape in shapes])
        self._items, self._worth = small[:_DRAWINGS], worth[:_DRAWINGS]
        torch.manual_seed(0)
        self._weights = 0.03 * torch.randn(small.shape[1], _FEATURES)
        self._phases = 2 * torch.pi * torch.rand(_FEATURES)
        seen, told = small[_DRAWINGS:], worth[_DRAWINGS:]
        features = self._features(seen + 0.15 * torch.randn_like(seen))
        gram = features.T @ features + _RIDGE * torch.eye(_FEATURES)
        self._head = torch.linalg.solve(gram, features.T @ (told - told.mean()))
        times = torch.linspace(1, 1 / STEPS, STEPS)
        self.sigmas = torch.cat([_SHIFT * times / (1 + (_SHIFT - 1) * times), torch.zeros(1)])

    def noise(self, groups: range) -> Tensor:
        """[groups · N, D]."""
        rows = [
            torch.randn(N, self._items.shape[1], generator=torch.Generator().manual_seed(1 + group))
            for group in groups
        ]
        return torch.cat(rows)

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        """The mean of what may lie under x = (1 − sigma) · picture + sigma · noise."""
        signal = 1 - sigma
        variance = sigma**2 + (signal * _BLUR) ** 2
        near = signal * x @ self._items.T - signal**2 * self._items.square().sum(1) / 2
        centre = torch.softmax(near / variance, 1) @ self._items
        return centre + signal * _BLUR**2 / variance * (x - signal * centre)

    def taste(self, pictures: Tensor) -> NDArray[np.float64]:
        return (self._features(pictures) @ self._head).double().numpy().reshape(-1, N)

    def truth(self, pictures: Tensor) -> NDArray[np.float64]:
        return self._worth[torch.cdist(pictures, self._items).argmin(1)].double().numpy().reshape(-1, N)

    def _features(self, pictures: Tensor) -> Tensor:
        return torch.cos(pictures @ self._weights + self._phases)


@dataclass(frozen=True)
class Sampled:
    """`taste`: of what is predicted after each step [steps, groups, N], and of the end; `called`: the denoiser, at each step."""

    end: Tensor
    taste: NDArray[np.float64]
    final: NDArray[np.float64]
    called: NDArray[np.bool_]


def sampled(generator: ClosedForm, x: Tensor, levels: tuple[int, ...], threshold: float) -> Sampled:
    """Euler over the noise levels, each candidate with a step cache of its own; 0: without."""
    caches = [StepCache(threshold) for _ in x]
    tastes, calls = [], []
    sigmas = generator.sigmas[list(levels)].tolist()
    for sigma, then in pairwise(sigmas):
        guesses = [cache.guess(row) for cache, row in zip(caches, x, strict=True)]
        missing = [place for place, guess in enumerate(guesses) if guess is None]
        clean = torch.stack([x[place] if guess is None else guess for place, guess in enumerate(guesses)])
        if missing:
            clean[missing] = generator.denoised(x[missing], sigma)
        for place in missing:
            caches[place].learn(x[place], clean[place])
        tastes.append(generator.taste(clean))
        calls.append(np.array([guess is None for guess in guesses]).reshape(-1, N))
        x = clean + then / sigma * (x - clean)
    return Sampled(x, np.array(tastes), generator.taste(x), np.array(calls))


def pruned(
    run: Sampled, pruning: str, levels: tuple[int, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Who is left at the end [groups, N], and the calls of each group."""
    alive = np.ones(run.final.shape, bool)
    calls, done = np.zeros(len(alive)), 0
    for rung in draft_rungs(halving_rungs(SCHEDULES[pruning], STEPS, N, 1), levels):
        calls += (run.called[done : rung.step].sum(0) * alive).sum(1)
        alive = _best(np.where(alive, run.taste[rung.step - 1], -np.inf), rung.survivors)
        done = rung.step
    return alive, calls + (run.called[done:].sum(0) * alive).sum(1)


def _best(values: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Marks the largest `count` of each row."""
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, np.argsort(-values, axis=1)[:, :count], True, axis=1)
    return chosen & np.isfinite(values)


def _chosen(
    gain: NDArray[np.float64], final: NDArray[np.float64], made: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The gain of the best by taste among those made."""
    best = np.where(made, final, -np.inf).argmax(1)
    return gain[np.arange(len(gain)), best]


def row(
    name: str, gains: NDArray[np.float64], plain: NDArray[np.float64], calls: NDArray[np.float64]
) -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(plain), (1000, len(plain)))
    low, high = np.quantile(gains[drawn].mean(1) / plain[drawn].mean(1), (0.025, 0.975))
    share, taken = gains.mean() / plain.mean(), calls.mean() / (N * STEPS)
    mark = "  *" if share >= TARGET[0] and taken <= TARGET[1] else ""
    print(f"{name:<50}{taken:>7.1%}  {share:.3f} [{low:.3f}, {high:.3f}]{mark}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="What drafts are worth, in closed form.")
    parser.add_argument("--groups", type=int, default=60, help="of seeds (default 60)")
    parser.add_argument("--first", type=int, default=0, help="group (default 0)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = ClosedForm()
    noise = generator.noise(range(options.first, options.first + options.groups))
    every = tuple(range(STEPS + 1))
    full = sampled(generator, noise, every, 0.0)
    truth = generator.truth(full.end)
    gain = truth - truth.mean(1, keepdims=True)
    plain = gain[full.final.argmax(1)[:, None] == np.arange(N)]
    print(f"{'':<50}{'calls':>7}  share of plain Best of {N}'s gain ({options.groups} groups)")
    for pruning in PRUNING:
        alive, calls = pruned(full, pruning, every)
        row(f"no drafts, pruning {pruning}", _chosen(gain, full.final, alive), plain, calls)
    for kind, strength in product(("step cache", "fewer steps"), STRENGTHS):
        draft = DraftSettings(kind, strength)
        levels = draft.levels(STEPS)
        run = sampled(generator, noise, levels, draft.threshold if kind == "step cache" else 0.0)
        known = run.called.cumprod(0).sum(0) if kind == "step cache" else np.zeros(truth.shape)
        for finals, pruning in product(FINALS, PRUNING):
            alive, calls = pruned(run, pruning, levels)
            made = _best(np.where(alive, run.final, -np.inf), finals)
            calls = calls + ((STEPS - known) * made).sum(1)
            name = f"{kind}, {strength}, {finals} in full, pruning {pruning}"
            row(name, _chosen(gain, full.final, made), plain, calls)
    print(f"* at least {TARGET[0]} of the gain with at most {TARGET[1]:.0%} of the calls")


if __name__ == "__main__":
    main()

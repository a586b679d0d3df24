"""Post-training settings, validated on construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ..utils.errors import DataError

Method = Literal["best", "pairs"]
METHODS: tuple[Method, ...] = get_args(Method)
LEARNING_RATES: Mapping[Method, float] = {"best": 1e-4, "pairs": 1e-4}
"""Of each method, unless another one is asked for."""
_BETA_PER_VALUE, _LARGEST_BETA = 0.6, 5000.0
"""Measured with `benchmarks/post_training.py`; and the beta of Diffusion-DPO for Stable Diffusion (Wallace et al. 2024)."""
Layers = Literal["attention", "attention and mlp", "all linear", "all"]
LAYERS: tuple[Layers, ...] = get_args(Layers)
"""Which layers get a LoRA: attention projections; those and the feed-forward layers; every Linear; every Conv too."""


@dataclass(frozen=True)
class LoraSettings:
    """Size and place of the LoRA. Its scale is alpha/rank (Hu et al. 2022)."""

    rank: int = 16
    alpha: float = 16.0
    layers: Layers = "attention"

    def __post_init__(self) -> None:
        _within("rank", self.rank, 1, 256)
        _within("alpha", self.alpha, 0.01, 1024)
        if self.layers not in LAYERS:
            raise DataError(f"There are no layers {self.layers!r}. Use one of: {', '.join(LAYERS)}.")


@dataclass(frozen=True)
class GroupTraining:
    """Training on groups of scored samples.

    `method`: `best` fine-tunes on the best of each group (SFT), `pairs` learns from best against worst (Diffusion-DPO
    with SDPO's safeguard). `learning_rate`: 0 for the method's own. `keep`: how many of each group are the best, and how
    many the worst; 0 for the method's own, see `choose`. `batch`: samples (or pairs) a step, `micro_batch`: how many of
    them go through the model at once, all with one prompt. `beta`: of DPO, larger keeps closer to the base; 0 for what
    suits the latents' size, see `dpo_beta`. `mu`: the safeguard's strength, 0–1, below 0 none.
    """

    method: Method = "best"
    steps: int = 400
    learning_rate: float = 0.0
    keep: int = 0
    batch: int = 8
    micro_batch: int = 4
    beta: float = 0.0
    mu: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DataError(f"There is no method {self.method!r}. Use one of: {', '.join(METHODS)}.")
        _within("steps", self.steps, 1, 100_000)
        _within("learning_rate", self.learning_rate, 0.0, 1.0)
        _within("keep", self.keep, 0, 64)
        _within("batch", self.batch, 1, 256)
        _within("micro_batch", self.micro_batch, 1, self.batch)
        _within("beta", self.beta, 0.0, 1e6)
        _within("mu", self.mu, -1.0, 1.0)
        _within("seed", self.seed, 0, 2**64 - 1)

    @property
    def rate(self) -> float:
        """The learning rate that is used."""
        return self.learning_rate or LEARNING_RATES[self.method]

    def dpo_beta(self, values: int) -> float:
        """The beta that is used for latents of so many values.

        An error is a mean over the values of a latent, a log-likelihood their sum: beta grows with their number.
        """
        return self.beta or min(_BETA_PER_VALUE * values, _LARGEST_BETA)


RoundMethod = Literal["nft", "grpo"]
ROUND_METHODS: tuple[RoundMethod, ...] = get_args(RoundMethod)


@dataclass(frozen=True)
class RoundsTraining:
    """Training in rounds on the generator's own samples.

    `method`: DiffusionNFT or Flow-GRPO. `rounds` of `groups` groups of `pictures` samples each. `anchor`: weight of the
    denoising error on references, 0 for none. `refresh`: whether the reward is refitted as the generator learns; `patches`:
    whether it also judges every place of a picture. `kl`: weight
    of the distance to the model without the LoRA. `watch_every`: rounds between two looks of the watch at `watched` samples.
    `micro_batch`: how many samples go through the model at once.
    """

    method: RoundMethod = "nft"
    rounds: int = 32
    groups: int = 4
    pictures: int = 16
    learning_rate: float = 1e-4
    anchor: float = 0.1
    refresh: bool = True
    patches: bool = False
    kl: float = 0.5
    watch_every: int = 4
    watched: int = 16
    micro_batch: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in ROUND_METHODS:
            raise DataError(f"There is no method {self.method!r}. Use one of: {', '.join(ROUND_METHODS)}.")
        if self.patches and not self.refresh:
            raise DataError(
                "Every part of a picture can be judged only by a taste that learns: switch 'refresh' on, or 'every part' off."
            )
        _within("rounds", self.rounds, 1, 10_000)
        _within("groups", self.groups, 1, 256)
        _within("pictures", self.pictures, 2, 256)
        _within("learning_rate", self.learning_rate, 0.0, 1.0)
        _within("anchor", self.anchor, 0.0, 100.0)
        _within("kl", self.kl, 0.0, 1000.0)
        _within("watch_every", self.watch_every, 1, 10_000)
        _within("watched", self.watched, 2, 1024)
        _within("micro_batch", self.micro_batch, 1, 256)
        _within("seed", self.seed, 0, 2**64 - 1)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN is not either
        raise DataError(f"{name} is {value}. Use a value from {low:g} to {high:g}.")

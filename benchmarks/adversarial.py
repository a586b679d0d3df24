"""Reward and generator in turn, against a ground truth: python -m benchmarks.adversarial [--eps] [--rounds 32]

The generator, the taste and the figures of `benchmarks.post_training`, on the same seeds. Each round samples a group of 16 of
each prompt, scores it, and learns from it by DiffusionNFT. Arms:

  nft     with the reward's head refitted each round, and the liked images as an anchor
  bare    without refresh, anchor and distance to the generator (negative control)

Printed: every `--every` rounds the figures of `benchmarks.post_training` on its test images.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.post_training import ALL_PROMPTS, GROUP, Run, Test, share
from benchmarks.shapes.bench import Bench, pack

ARMS = ("nft", "bare")
_ROUND_SEED = 50_000_000


@dataclass(frozen=True)
class Options:
    rounds: int
    every: int
    tests: int
    cfg: float
    rate: float
    anchor: float
    beta: float
    kl: float


def main() -> None:
    parser = argparse.ArgumentParser(description="What adversarial post-training is worth.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default 0 1 2)")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="(default: all)")
    parser.add_argument("--eps", action="store_true", help="the noise-predicting twin of the generator")
    parser.add_argument("--rounds", type=int, default=32, help="of 64 images (default 32)")
    parser.add_argument("--every", type=int, default=8, help="rounds between tests (default 8)")
    parser.add_argument("--tests", type=int, default=8, help="groups of 16 test images a prompt (default 8)")
    parser.add_argument("--cfg", type=float, default=2.0, help="guidance of all sampling (default 2)")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (default 0.001)")
    parser.add_argument("--anchor", type=float, default=0.1, help="weight of the liked images (default 0.1)")
    parser.add_argument("--beta", type=float, default=1.0, help="of DiffusionNFT (default 1)")
    parser.add_argument("--kl", type=float, default=1e-4, help="weight of the distance (default 0.0001)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    options = Options(
        given.rounds,
        given.every,
        given.tests,
        given.cfg,
        given.rate,
        given.anchor,
        given.beta,
        given.kl,
    )
    bench = Bench(given.eps)
    for seed in given.seeds:
        run = Run(bench, seed, options.tests, options.cfg, grouped=False)
        for arm in given.arms:
            Adversarial(run, arm, options).train()


class Adversarial:
    """One arm on one seed."""

    def __init__(self, run: Run, arm: str, options: Options) -> None:
        self._run, self._arm, self._options = run, arm, options
        self._bare = arm == "bare"

    def train(self) -> None:
        run, options = self._run, self._options
        denoisers, config = pack("nodes.host.training.denoiser"), pack("ganrm_core.post_training.config")
        nft = pack("ganrm_core.post_training.nft_trainer")
        settings = nft.NftSettings(
            learning_rate=options.rate,
            beta=options.beta,
            kl=0.0 if self._bare else options.kl,
            anchor=0.0 if self._bare else options.anchor,
            micro_batch=16,
            seed=run.seed,
        )
        shape = run.liked.latents[:1].shape
        with denoisers.trainable(
            run.bench.model, run.prompt_set, config.LoraSettings(), shape, seed=run.seed
        ) as denoiser:
            anchor = nft.Anchor(
                denoiser.to_model_scale(run.liked.latents),
                [ALL_PROMPTS.index(prompt) for prompt in run.liked.prompts],
            )
            trainer = nft.NftTrainer(denoiser, run.levels(), settings, anchor)
            refresh, began = self._refresh(), time.perf_counter()
            reward = run.reward
            for number in range(1, options.rounds + 1):
                groups, pictures = run.groups_of(
                    _ROUND_SEED + number * len(ALL_PROMPTS) * GROUP,
                    len(ALL_PROMPTS),
                    reward,
                    denoiser.sampling_model,
                )
                inside = [denoiser.to_model_scale(group.latents) for group in groups.groups]

                def latents(places: Any, inside: list[Tensor] = inside) -> Tensor:
                    return torch.stack([inside[group][sample] for group, sample in places])

                losses = trainer.learn(groups, latents)
                if not self._bare:
                    module = pack("ganrm_core.training.head_refresh")
                    refresh.add(module.picture_features(run.reward, torch.from_numpy(pictures)))
                    reward = refresh.refitted()
                if number % options.every == 0:
                    self._print(
                        number, run.test(denoiser.sampling_model), losses, time.perf_counter() - began
                    )

    def _refresh(self) -> Any:
        run, module = self._run, pack("ganrm_core.training.head_refresh")
        liked, ordinary = (
            module.picture_features(run.reward, torch.from_numpy(each))
            for each in (run.liked.pictures, run.ordinary)
        )
        return module.HeadRefresh(run.reward, liked, ordinary, run.seed)

    def _print(self, number: int, test: Test, losses: Any, seconds: float) -> None:
        base = self._run.base
        print(
            f"seed {self._run.seed}, {self._arm}, round {number}: truth {test.truth.mean():.3f}, share "
            f"{share(test, base):.2f}, readable {test.readable():.3f}, kinds "
            f"{test.kind_entropy() / base.kind_entropy():.2f}, grey {test.grey_spread() / base.grey_spread():.2f}, kept "
            f"{test.kept():.3f}, first reward {test.score.mean() - base.score.mean():+.2f}, anchor {losses.anchor:.4f}, "
            f"contrast {losses.contrast:.1e}, {seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""Taking over a style from references alone, against a ground truth: python -m benchmarks.style [--eps]

The shape generator (trained once: python -m benchmarks.shapes.training) with the prompt that names no kind makes shapes of
every kind and colour. A style is 40 drawings of one kind and one colour; nothing else is known of it, not even what is
ordinary. Arms, with the nodes' own code, the same learning rate and the same number of optimiser steps:

  dense    DiffusionNFT with the dense reward (the whole picture and all its places) and the references as an anchor
  whole    the same without the places
  lora     an ordinary LoRA on the references
  paper    Flow-GRPO with the reward of Adv-GRPO's authors (`benchmarks.paper_reward`), without an anchor

Printed: the distance of 256 pictures to 256 other drawings of the style, the untrained generator's being 1: the root of the
energy distance (Székely & Rizzo 2013) between means and deviations of all layers of another backbone, EfficientNet-lite2,
every layer counting alike. Drawings pass the generator's VAE before they are compared, so that its decoder does not count.
In style: readable pictures of the right kind whose hue is at most .08 off. Spread: the deviation of place and size among
them, as a share of the style's own: a generator that repeats itself loses it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.feature_distance import Measure, energy_distance
from benchmarks.paper_reward import PaperReward
from benchmarks.post_training import STEPS
from benchmarks.shapes.bench import Bench, conditioning, pack
from benchmarks.shapes.drawing import KINDS, Kind, Shape, any_shape
from benchmarks.shapes.prompts import FREE
from benchmarks.shapes.reading import read

ARMS = ("dense", "whole", "lora", "paper")
_REFERENCES, _TESTS = 40, 256
_HUES, _IN_STYLE = 0.03, 0.08
_GROUPS, _GROUP, _MICRO_BATCH = 4, 16, 32
_UPDATES, _LEVELS = 2, 2
_ROUND_SEED, _TEST_SEED, _PER_RUN = 70_000_000, 80_000_000, 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description="What taking over a style is worth.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default 0 1 2)")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="(default: all)")
    parser.add_argument("--eps", action="store_true", help="the noise-predicting twin of the generator")
    parser.add_argument("--rounds", type=int, default=24, help="of 64 images (default 24)")
    parser.add_argument("--every", type=int, default=24, help="rounds between tests (default 24)")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (default 0.001)")
    parser.add_argument("--anchor", type=float, default=2.0, help="weight of the references (default 2)")
    parser.add_argument("--kl", type=float, default=1e-4, help="weight of the distance (default 0.0001)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench, found = Bench(options.eps), []
    measure = Measure()
    for seed in options.seeds:
        run = StyleRun(bench, measure, seed)
        found.append({"base": run.base, **{arm: Arm(run, arm, options).train() for arm in options.arms}})
    print_table(found)


@dataclass(frozen=True)
class Style:
    """Drawings of one kind and one colour; place, size and background are free."""

    kind: Kind
    hue: float

    @classmethod
    def of_seed(cls, seed: int) -> Style:
        return cls(KINDS[seed % len(KINDS)], float(np.random.default_rng(seed).uniform()))

    def shapes(self, count: int, seed: int) -> list[Shape]:
        rng, found = np.random.default_rng(seed), []
        while len(found) < count:
            shape = any_shape(rng)
            if shape.kind == self.kind:
                found.append(replace(shape, hue=(self.hue + rng.uniform(-_HUES, _HUES)) % 1))
        return found

    def has(self, shape: Shape | None) -> bool:
        return (
            shape is not None
            and shape.kind == self.kind
            and abs((shape.hue - self.hue + 0.5) % 1 - 0.5) <= _IN_STYLE
        )


@dataclass(frozen=True)
class Test:
    """`distance` is not yet a share of the base's."""

    distance: float
    in_style: float
    readable: float
    spread: float


class StyleRun:
    """One seed: a style, its references, and the test."""

    def __init__(self, bench: Bench, measure: Measure, seed: int) -> None:
        self.bench, self.seed, self._measure = bench, seed, measure
        self.style = Style.of_seed(seed)
        self.prompt_set = pack("nodes.host.training.prompt_set").PromptSet(
            (FREE,), (conditioning(FREE),), FREE, conditioning(FREE)
        )
        self.latents, self.references = self._through_vae(self.style.shapes(_REFERENCES, seed))
        others = self.style.shapes(_TESTS, seed + 1_000_000)
        drawn = measure.features(self._through_vae(others)[1])
        self._scale = measure.scale(measure.features(self._made(None)))
        self._drawn, self._own_spread = drawn * self._scale, _spread(others)
        self._base_distance = 1.0
        found = self.test(None)
        self._base_distance = found.distance
        self.base = replace(found, distance=1.0)
        print(f"seed {seed}: {self.style}, in style {found.in_style:.2f}", flush=True)

    def test(self, model: Any) -> Test:
        pictures = self._made(model)
        distance = energy_distance(self._measure.features(pictures) * self._scale, self._drawn)
        shapes = [read(picture) for picture in pictures]
        right = [shape for shape in shapes if shape and self.style.has(shape)]
        return Test(
            distance / self._base_distance,
            len(right) / len(shapes),
            float(np.mean([shape is not None for shape in shapes])),
            _spread(right) / self._own_spread if len(right) > 1 else float("nan"),
        )

    def sampled(self, seeds: Sequence[int], model: Any) -> Tensor:
        return self.bench.prompted(FREE, seeds, STEPS, 1.0, model).clone()

    def levels(self) -> Any:
        import comfy.samplers

        sampling = self.bench.model.get_model_object("model_sampling")
        sigmas = comfy.samplers.calculate_sigmas(sampling, "normal", STEPS)
        return pack("ganrm_core.post_training.sigmas").NoiseLevels.of_schedule(sigmas)

    def _made(self, model: Any) -> NDArray[np.float32]:
        first = _TEST_SEED + self.seed * _PER_RUN
        latents = self.sampled(range(first, first + _TESTS), model)
        return np.concatenate([self.bench.pictures(part) for part in latents.split(64)])

    def _through_vae(self, shapes: Sequence[Shape]) -> tuple[Tensor, NDArray[np.float32]]:
        latents = self.bench.encoded(torch.from_numpy(np.stack([shape.picture() for shape in shapes])))
        return latents, np.concatenate([self.bench.pictures(part) for part in latents.split(64)])


def _spread(shapes: Sequence[Shape]) -> float:
    """Mean deviation of place and size, in pixels."""
    return float(np.mean(np.std([(shape.x, shape.y, shape.radius) for shape in shapes], axis=0)))


@dataclass(frozen=True)
class Studio:
    """Samples by ComfyUI's own sampler, read as a whole and by places."""

    run: StyleRun
    denoiser: Any
    reward: Any

    def sample(self, prompt: int, seeds: Sequence[int]) -> Tensor:  # noqa: ARG002
        made = self.run.sampled(seeds, self.denoiser.sampling_model)
        return self.denoiser.to_model_scale(made).cpu()  # type: ignore[no-any-return]

    def judge(self, prompt: int, latents: Tensor, *, watched: bool = False) -> Any:  # noqa: ARG002
        pictures = self.run.bench.pictures(self.denoiser.from_model_scale(latents))
        seen = dense_features(self.reward, pictures)
        return pack("ganrm_core.post_training.studio").Judged(
            torch.zeros(len(pictures)), seen.features, patches=seen.patches
        )


def dense_features(reward: Any, pictures: NDArray[np.float32]) -> Any:
    return pack("ganrm_core.training.dense_refresh").DenseFeatures.of(reward, torch.from_numpy(pictures))


class Arm:
    """One arm on one seed."""

    def __init__(self, run: StyleRun, arm: str, options: argparse.Namespace) -> None:
        self._run, self._arm, self._options = run, arm, options

    def train(self) -> Test:
        run, options = self._run, self._options
        denoisers, config = pack("nodes.host.training.denoiser"), pack("ganrm_core.post_training.config")
        seconds, test = 0.0, None
        with denoisers.trainable(
            run.bench.model, run.prompt_set, config.LoraSettings(), run.latents[:1].shape, seed=run.seed
        ) as denoiser:
            go_on = self._ordinary(denoiser) if self._arm == "lora" else self._rounds(denoiser)
            for number in range(1, options.rounds + 1):
                began = time.perf_counter()
                go_on()
                seconds += time.perf_counter() - began
                if number % options.every == 0 or number == options.rounds:
                    test = run.test(denoiser.sampling_model)
                    print(
                        f"seed {run.seed}, {self._arm}, round {number}: distance {test.distance:.3f}, in style "
                        f"{test.in_style:.2f}, readable {test.readable:.2f}, spread {test.spread:.2f}, {seconds:.0f} s",
                        flush=True,
                    )
        assert test is not None
        return test

    def _rounds(self, denoiser: Any) -> Any:
        run, options = self._run, self._options
        registry, untrained, dense = (
            pack(f"ganrm_core.{name}")
            for name in ("backbones.registry", "training.untrained", "training.dense_refresh")
        )
        reward = untrained.untrained_reward(registry.load_backbone("efficientnet_lite0"))
        studio, references = Studio(run, denoiser, reward), dense_features(reward, run.references)
        if self._arm == "paper":
            refreshed: Any = PaperReward(references.patches, run.seed)
        else:
            share = {} if self._arm == "dense" else {"share": 0.0}
            refreshed = dense.DenseRefresh(reward, references, seed=run.seed, **share)
        rounds = pack("ganrm_core.post_training.rounds")
        first = _ROUND_SEED + run.seed * _PER_RUN
        plan = rounds.Plan(1, options.rounds, _GROUPS, _GROUP, seed=first)
        parts = rounds.Parts(denoiser, self._learner(denoiser, studio), studio, run.levels(), refreshed)
        return rounds.RoundTraining(parts, plan).round

    def _learner(self, denoiser: Any, studio: Studio) -> Any:
        run, options = self._run, self._options
        nft, grpo = (pack(f"ganrm_core.post_training.{name}") for name in ("nft_trainer", "grpo_trainer"))
        common = {
            "learning_rate": options.rate,
            "updates": _UPDATES,
            "micro_batch": _MICRO_BATCH,
            "seed": run.seed,
        }
        if self._arm == "paper":
            settings = grpo.GrpoSettings(kl=0.0, **common)
            return grpo.GrpoTrainer(denoiser, run.levels(), settings, run.latents.shape[1:])
        settings = nft.NftSettings(kl=options.kl, levels=_LEVELS, **common)
        return nft.NftTrainer(
            denoiser, run.levels(), settings, studio.sample, self._anchor(denoiser, options.anchor)
        )

    def _ordinary(self, denoiser: Any) -> Any:
        """As many steps, and references a step, as a round of the others has."""
        optimisers, micro_batch = (
            pack(f"ganrm_core.post_training.{name}") for name in ("lora_optimiser", "micro_batch")
        )
        optimiser = optimisers.LoraOptimiser(denoiser.parameters, self._options.rate)
        together = micro_batch.MicroBatch(_MICRO_BATCH, denoiser.device)
        anchor = self._anchor(denoiser, 1.0)
        generator = torch.Generator().manual_seed(self._run.seed)

        def go_on() -> None:
            for _ in range(_UPDATES):
                optimiser.clear()
                loss = anchor.backward(_GROUPS * _GROUP * _LEVELS // _UPDATES, together, generator)
                optimiser.step([loss])

        return go_on

    def _anchor(self, denoiser: Any, weight: float) -> Any:
        anchors = pack("ganrm_core.post_training.anchor")
        clean = denoiser.to_model_scale(self._run.latents).cpu()
        references = anchors.References(clean, [0] * len(clean))
        return anchors.Anchor(denoiser, references, self._run.levels(), weight)


def print_table(found: Sequence[dict[str, Test]]) -> None:
    print(f"\n{'arm':<8}{'distance':>10}{'of each seed':>22}{'in style':>10}{'readable':>10}{'spread':>8}")
    for arm in found[0]:
        tests = [each[arm] for each in found]
        of_each = " ".join(f"{test.distance:.2f}" for test in tests)
        means = [
            float(np.mean([getattr(t, name) for t in tests])) for name in ("in_style", "readable", "spread")
        ]
        distance = np.mean([test.distance for test in tests])
        print(f"{arm:<8}{distance:>10.2f}{of_each:>22}{means[0]:>10.2f}{means[1]:>10.2f}{means[2]:>8.2f}")


if __name__ == "__main__":
    main()

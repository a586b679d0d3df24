"""Post-training of a generator with a reward, against a ground truth: python -m benchmarks.post_training [--eps]

A small generator of coloured shapes whose prompts name the kind of shape (trained once: python -m benchmarks.shapes.training),
sampled with ComfyUI's own sampler in ComfyUI's Python. The target is *warm, large, central*; an image's true
quality, in 0–1, is computed from its pixels and is 0 where no single shape is found. For each seed a reward is trained on
100 images of the generator's best fifth and 200 ordinary ones, and sees everything else only through its scores. Arms, all
with the nodes' own code and the same number of steps:

  liked        an ordinary LoRA on the 100 liked images (no reward): the baseline
  best         fine-tuning on the best of each group of 16 (SFT)
  pairs        Diffusion-DPO with SDPO's safeguard on the best and worst of each group
  pairs plain  the same without the safeguard and without the watch that stops it
  pairs watch  the same without the safeguard, with the watch

Printed: truth; share = (truth − the base's) / (what Best of 16 by the same reward gains on the base); readable images;
entropy of the kind where the prompt leaves it open (512 images) and spread of the grey, both as a share of the base's (the
taste ignores them, so they measure diversity); images that show the kind their prompt names; Best of 4 by the reward. All
on seeds that nothing was trained on. `--eps`: the generator's noise-predicting twin. Intervals: 95 %, bootstrap over the
benchmark's seeds and, within them, groups of 16 images.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.best_of_n import Pictures, Values, logits, save
from benchmarks.shapes.bench import Bench, conditioning, pack
from benchmarks.shapes.drawing import KINDS, Shape
from benchmarks.shapes.prompts import FREE, PROMPTS, kind_of
from benchmarks.shapes.reading import quality, read

STEPS, GROUP = 12, 16
GROUPS = 96
TRAINING = {"steps": 300, "batch": 16, "micro_batch": 16, "learning_rate": 1e-3}
"""Of every arm. The rate is ten times the nodes' own, since the network is a thousand times smaller than an artist's."""
ALL_PROMPTS = (*PROMPTS, FREE)
ARMS = ("liked", "best", "pairs", "pairs plain", "pairs watch")
_POOL, _LIKED, _ORDINARY = 600, 100, 200
_POOL_SEED, _GROUP_SEED, _TEST_SEED, _FREE_SEED, _JUDGE_SEED, _PER_RUN = (
    10_000_000,
    20_000_000,
    30_000_000,
    40_000_000,
    60_000_000,
    100_000,
)
_FREE_GROUPS = 32
_DRAWS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description="What post-training with a reward is worth.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default 0 1 2)")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="(default: all)")
    parser.add_argument("--eps", action="store_true", help="the noise-predicting twin of the generator")
    parser.add_argument("--tests", type=int, default=8, help="groups of 16 test images a prompt (default 8)")
    parser.add_argument("--cfg", type=float, default=2.0, help="guidance of all sampling (default 2)")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench(options.eps)
    results: dict[str, list[Test]] = {}
    for seed in options.seeds:
        run = Run(bench, seed, options.tests, options.cfg)
        results.setdefault("base", []).append(run.base)
        for arm in options.arms:
            results.setdefault(arm, []).append(run.arm(arm))
    print_table(results)


@dataclass(frozen=True)
class Samples:
    """Latents, pictures and the prompt of each: the same prompt for `GROUP` in a row."""

    prompts: list[str]
    latents: Tensor
    pictures: Pictures


@dataclass(frozen=True)
class Test:
    """Test images in groups of one prompt: [groups, GROUP] each. `free`: other images of the prompt that names no kind."""

    prompts: list[str]
    truth: Values
    score: Values
    shapes: list[Shape | None]
    free: list[Shape]

    def readable(self) -> float:
        return float(np.mean([shape is not None for shape in self.shapes]))

    def kept(self) -> float:
        """Of the readable images whose prompt names a kind, the share that shows it."""
        asked = [kind_of(prompt) for prompt in self.prompts for _ in range(GROUP)]
        right = [s.kind == kind for s, kind in zip(self.shapes, asked, strict=True) if s and kind]
        return float(np.mean(right))

    def kind_entropy(self) -> float:
        """Entropy of the kind in nats, where the prompt leaves it open."""
        shares = np.array([np.mean([shape.kind == kind for shape in self.free]) for kind in KINDS])
        return float(-(shares * np.log(np.maximum(shares, 1e-9))).sum())

    def grey_spread(self) -> float:
        return float(np.std([shape.grey for shape in self.shapes if shape]))

    def best_of(self, count: int) -> Values:
        """Truth of the image with the highest score among each `count` in a row, a mean per group [groups]."""
        truth, score = (values.reshape(-1, count) for values in (self.truth, self.score))
        picked = truth[np.arange(len(truth)), score.argmax(axis=1)]
        return picked.reshape(len(self.truth), -1).mean(axis=1)


class Run:
    """One seed: a taste, its base test and its groups."""

    def __init__(self, bench: Bench, seed: int, tests: int, cfg: float, grouped: bool = True) -> None:
        """`grouped`: whether groups are made to train on at once."""
        self.bench, self.seed, self._tests, self.cfg = bench, seed, tests, cfg
        self.first_seed = seed * _PER_RUN
        self.prompt_set = pack("nodes.host.training.prompt_set").PromptSet(
            ALL_PROMPTS, tuple(conditioning(prompt) for prompt in ALL_PROMPTS), FREE, conditioning(FREE)
        )
        pool = self.pool(_POOL_SEED)
        self.reward, liked, ordinary = trained_reward(pool, seed)
        pixels = torch.from_numpy(pool.pictures[liked])
        self.liked = Samples(
            [pool.prompts[row] for row in liked], bench.encoded(pixels), pool.pictures[liked]
        )
        self.ordinary = pool.pictures[ordinary]
        self.base = self.test(None)
        began = time.perf_counter()
        if grouped:
            self._groups, _ = self.groups_of(_GROUP_SEED, GROUPS, self.reward)
        print(
            f"seed {seed}: base truth {self.base.truth.mean():.3f}, best of 16 {self.base.best_of(GROUP).mean():.3f}, "
            f"readable {self.base.readable():.3f}, prompt kept {self.base.kept():.3f}, made in "
            f"{time.perf_counter() - began:.0f} s",
            flush=True,
        )

    def pool(self, first: int) -> Samples:
        """Images to find liked ones among."""
        return self._sampled(first, -(-_POOL // GROUP // len(ALL_PROMPTS)) * len(ALL_PROMPTS))

    def arm(self, name: str) -> Test:
        """Train a LoRA as `name` says and test the generator with it, loaded by ComfyUI's own loader."""
        began = time.perf_counter()
        lora, trace = self._trained(name)
        seconds = time.perf_counter() - began
        import comfy.sd

        with_lora, _ = comfy.sd.load_lora_for_models(self.bench.model, None, lora, 1.0, 0)
        test = self.test(with_lora)
        held_out = next((step.held_out for step in reversed(trace.steps) if step.held_out), None)
        print(
            f"seed {self.seed}, {name}: truth {test.truth.mean():.3f}, share {share(test, self.base):.2f}, readable "
            f"{test.readable():.3f}, kept {test.kept():.3f}, held-out {held_out}, {len(trace.steps)} steps in "
            f"{seconds:.0f} s{f', stopped: {trace.stopped}' if trace.stopped else ''}",
            flush=True,
        )
        return test

    def _trained(self, name: str) -> tuple[dict[str, Tensor], Any]:
        config, choices = (pack(f"ganrm_core.post_training.{part}") for part in ("config", "choices"))
        trainer, watch = (pack(f"ganrm_core.post_training.{part}") for part in ("trainer", "watch"))
        method = "pairs" if name.startswith("pairs") else "best"
        changes = {"mu": -1.0} if name in ("pairs plain", "pairs watch") else {}
        limits = watch.Limits(*[math.inf] * 4) if name == "pairs plain" else watch.Limits()
        settings = config.GroupTraining(method=method, seed=self.seed, **TRAINING, **changes)
        if name == "liked":
            latents = [self.liked.latents]
            examples = tuple(
                choices.Example(0, ALL_PROMPTS.index(prompt), place)
                for place, prompt in enumerate(self.liked.prompts)
            )
            choice, cfg = choices.Choice(examples[10:], examples[:10], 0), 1.0
        else:
            latents = [group.latents for group in self._groups.groups]
            choice, cfg = choices.choose(self._groups, settings.keep, method == "pairs"), self.cfg
        levels = self.levels()
        denoisers = pack("nodes.host.training.denoiser")
        shape = latents[0][:1].shape
        with denoisers.trainable(
            self.bench.model, self.prompt_set, config.LoraSettings(), shape, seed=self.seed
        ) as denoiser:
            # Clean latents are asked for by (group, sample).
            inside = [denoiser.to_model_scale(each) for each in latents]
            trace = trainer.GroupTrainer(
                denoiser,
                choice,
                lambda places: torch.stack([inside[group][sample] for group, sample in places]),
                levels,
                settings,
                cfg,
            ).run(lambda _: None, limits)
            return denoiser.lora_dict(), trace

    def levels(self) -> Any:
        sigmas = pack("ganrm_core.post_training.sigmas")
        return sigmas.NoiseLevels.of_schedule(self.schedule())

    def schedule(self) -> Tensor:
        import comfy.samplers

        sampling = self.bench.model.get_model_object("model_sampling")
        sigmas: Tensor = comfy.samplers.calculate_sigmas(sampling, "normal", STEPS)
        return sigmas

    def groups_of(self, first: int, count: int, reward: Any, model: Any = None) -> tuple[Any, Pictures]:
        """Groups scored by `reward`, and their pictures."""
        module = pack("ganrm_core.post_training.groups")
        made = self._sampled(first, count, model=model)
        scores = reward.score(torch.from_numpy(made.pictures))
        groups = [
            module.Group(
                ALL_PROMPTS.index(made.prompts[rows.start]),
                tuple(range(GROUP)),
                made.latents[rows],
                scores.logit[rows],
                scores.score[rows],
                scores.uncertainty[rows],
                torch.zeros(GROUP, 1, 1, 3, dtype=torch.uint8),
            )
            for rows in (slice(start, start + GROUP) for start in range(0, count * GROUP, GROUP))
        ]
        sampling = module.Sampling(STEPS, self.cfg, "euler", "normal")
        return module.Groups(ALL_PROMPTS, tuple(groups), sampling), made.pictures

    def test(self, model: Any, tests: int = 0) -> Test:
        """`tests`: groups of each prompt, 0 for as many as of the base."""
        made = self._sampled(_TEST_SEED, (tests or self._tests) * len(ALL_PROMPTS), ALL_PROMPTS, model)
        free = self._sampled(_FREE_SEED, _FREE_GROUPS, (FREE,), model)
        shapes = [read(picture) for picture in made.pictures]
        truth = np.array([0.0 if shape is None else quality(shape) for shape in shapes])
        return Test(
            made.prompts[::GROUP],
            truth.reshape(-1, GROUP),
            logits(self.reward, made.pictures).reshape(-1, GROUP),
            shapes,
            [shape for shape in map(read, free.pictures) if shape],
        )

    def _sampled(
        self, first: int, groups: int, prompts: Sequence[str] = ALL_PROMPTS, model: Any = None
    ) -> Samples:
        """Groups of GROUP images, the prompts in turn; each prompt is sampled as one batch."""
        first += self.first_seed
        latents: list[Tensor | None] = [None] * groups
        for turn, prompt in enumerate(prompts):
            places = range(turn, groups, len(prompts))
            seeds = [first + place * GROUP + number for place in places for number in range(GROUP)]
            made = self.bench.prompted(prompt, seeds, STEPS, self.cfg, model)
            for place, group in zip(places, made.split(GROUP), strict=True):
                latents[place] = group.cpu()
        whole = torch.cat([each for each in latents if each is not None]).clone()
        of_each = [prompts[place % len(prompts)] for place in range(groups) for _ in range(GROUP)]
        pictures = np.concatenate([self.bench.pictures(part) for part in whole.split(64)])
        return Samples(of_each, whole, pictures)


def other_reward(run: Run) -> Any:
    """A judge: another backbone, trained on other images of the same taste."""
    return trained_reward(run.pool(_JUDGE_SEED), run.seed, backbone="efficientnet_lite2")[0]


def trained_reward(
    pool: Samples, seed: int, backbone: str = "efficientnet_lite0"
) -> tuple[Any, NDArray[np.int64], NDArray[np.int64]]:
    """A reward from image files, as an artist has them, and which images of the pool are its liked and ordinary ones."""
    training, config = pack("ganrm_core.training.trainer"), pack("ganrm_core.training.config")
    shapes = [read(picture) for picture in pool.pictures]
    truth = np.array([0.0 if shape is None else quality(shape) for shape in shapes])
    rng = np.random.default_rng(seed)
    liked = rng.permutation(np.argsort(-truth)[: len(truth) // 5])[:_LIKED]
    ordinary = rng.permutation(np.setdiff1d(np.arange(len(truth)), liked))[:_ORDINARY]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, rows in (("liked", liked), ("ordinary", ordinary)):
            (folder / kind).mkdir()
            for row in rows:
                save(pool.pictures[row], folder / kind / f"{row}.png")
        settings = config.TrainingSettings(backbone=backbone)
        result = training.train(folder / "liked", folder / "ordinary", settings, name="warm, large, central")
    return result.model, liked, ordinary


def share(test: Test, base: Test) -> float:
    """Of what Best of 16 gains on the base."""
    gain = base.best_of(GROUP).mean() - base.truth.mean()
    return float((test.truth.mean() - base.truth.mean()) / gain)


def print_table(results: dict[str, list[Test]]) -> None:
    bases = results["base"]
    print(
        f"\n{'arm':<13}{'truth':>7}{'share':>22}{'readable':>10}{'kinds':>7}{'grey':>7}{'kept':>7}{'best of 4':>22}"
    )
    for arm, tests in results.items():
        shared = interval(tests, bases, lambda test, base: share(test, base))
        four = interval(tests, bases, lambda test, _: float(test.best_of(4).mean()))
        row = [
            np.mean([figure(test) for test in tests])
            for figure in (lambda t: t.truth.mean(), Test.readable, Test.kept)
        ]
        kinds = np.mean([t.kind_entropy() / b.kind_entropy() for t, b in zip(tests, bases, strict=True)])
        grey = np.mean([t.grey_spread() / b.grey_spread() for t, b in zip(tests, bases, strict=True)])
        print(
            f"{arm:<13}{row[0]:>7.3f}{shared:>22}{row[1]:>10.3f}{kinds:>7.2f}{grey:>7.2f}{row[2]:>7.3f}{four:>22}"
        )


def interval(tests: Sequence[Test], bases: Sequence[Test], figure: Callable[[Test, Test], float]) -> str:
    """Mean over seeds of a figure of an arm and its base, with its 95 % interval; both are drawn in the same groups."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        values = []
        for run in rng.integers(0, len(tests), len(tests)):
            rows = rng.integers(0, len(tests[run].truth), len(tests[run].truth))
            values.append(figure(_rows(tests[run], rows), _rows(bases[run], rows)))
        drawn.append(np.mean(values))
    low, high = np.quantile(drawn, (0.025, 0.975))
    mean = np.mean([figure(test, base) for test, base in zip(tests, bases, strict=True)])
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def _rows(test: Test, rows: NDArray[np.int64]) -> Test:
    """The groups `rows`; their shapes are left as they are, since no figure with an interval uses them."""
    return replace(test, truth=test.truth[rows], score=test.score[rows])


if __name__ == "__main__":
    main()

"""Reward and generator in turn, against a ground truth: python -m benchmarks.adversarial [--eps] [--rounds 32]

The generator, the taste and the figures of `benchmarks.post_training`, on the same seeds. Each round samples a group of 16 of
each prompt, scores it, and learns from it. Arms:

  nft     DiffusionNFT with the reward's head refitted each round, and the liked images as an anchor
  grpo    Flow-GRPO's likelihoods instead, the rest alike
  fixed   as nft, with the reward as it was trained
  bare    DiffusionNFT without refresh, anchor and distance to the generator (negative control)

Printed: for each arm the LoRA that the watch would have given (of the best look before it would have stopped), and the one
after the last round; the watch never ends a training here. How long a round takes without the watch, what of it, and memory.
`--curve`: figures on a part of the test images after so many rounds, and so again. `--log`: all looks of the watch, for
`benchmarks.watch_log`.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.post_training import ALL_PROMPTS, GROUP, STEPS, Run, Test, other_reward, print_table, share
from benchmarks.shapes.bench import Bench, pack

ARMS = ("nft", "grpo", "fixed", "bare")
_ROUND_SEED = 50_000_000
_HELD_OUT = 20


def main() -> None:
    parser = argparse.ArgumentParser(description="What adversarial post-training is worth.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default 0 1 2)")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="(default: all)")
    parser.add_argument("--eps", action="store_true", help="the noise-predicting twin of the generator")
    parser.add_argument("--rounds", type=int, default=32, help="of 64 images (default 32)")
    parser.add_argument("--more", type=int, default=0, help="rounds after these, tested apart (default 0)")
    parser.add_argument(
        "--curve", type=int, default=0, help="rounds between tests on the way (default: none)"
    )
    parser.add_argument("--tests", type=int, default=8, help="groups of 16 test images a prompt (default 8)")
    parser.add_argument("--cfg", type=float, default=2.0, help="guidance of all sampling (default 2)")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (default 0.001)")
    parser.add_argument("--anchor", type=float, default=0.1, help="weight of the liked images (default 0.1)")
    parser.add_argument("--beta", type=float, default=1.0, help="of DiffusionNFT (default 1)")
    parser.add_argument("--kl", type=float, default=0.5, help="weight of the distance (default 0.5)")
    parser.add_argument(
        "--first-share", type=float, default=0.5, help="of the first reward in a score (default 0.5)"
    )
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    parser.add_argument("--log", type=Path, help="JSON lines of every look of the watch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench(options.eps)
    results: dict[str, list[Test]] = {}
    for seed in options.seeds:
        run = Run(bench, seed, options.tests, options.cfg, grouped=False)
        results.setdefault("base", []).append(run.base)
        judge = other_reward(run)
        for arm in options.arms:
            for name, test in Adversarial(run, arm, options, judge).train().items():
                results.setdefault(name, []).append(test)
    print_table(results)


@dataclass(frozen=True)
class Studio:
    """Samples by ComfyUI's own sampler; the taste, and a judge of its own."""

    run: Run
    denoiser: Any
    judge_model: Any
    seconds: dict[str, float] = field(default_factory=lambda: {"decoding": 0.0, "scoring": 0.0})

    def sample(self, prompt: int, seeds: Sequence[int]) -> Tensor:
        run = self.run
        made = run.bench.prompted(ALL_PROMPTS[prompt], seeds, STEPS, run.cfg, self.denoiser.sampling_model)
        return self.denoiser.to_model_scale(made.clone()).cpu()

    def judge(self, prompt: int, latents: Tensor, *, watched: bool = False) -> Any:  # noqa: ARG002
        began = time.perf_counter()
        pictures = self.run.bench.pictures(self.denoiser.from_model_scale(latents))
        decoded = time.perf_counter()
        judged = self.judge_pictures(pictures, watched=watched)
        self.seconds["decoding"] += decoded - began
        self.seconds["scoring"] += time.perf_counter() - decoded
        return judged

    def judge_pictures(self, pictures: NDArray[np.float32], *, watched: bool = False) -> Any:
        refresh, studio = (
            pack("ganrm_core.training.head_refresh"),
            pack("ganrm_core.post_training.studio"),
        )
        images = torch.from_numpy(pictures)
        features = refresh.picture_features(self.run.reward, images)
        judged = self.judge_model.score(images).logit if watched else None
        return studio.Judged(self.run.reward.score_features(features).logit, features, judged)


class Adversarial:
    """One arm on one seed."""

    def __init__(self, run: Run, arm: str, options: argparse.Namespace, judge: Any) -> None:
        self._run, self._arm, self._options, self._judge = run, arm, options, judge
        self._bare = arm == "bare"

    def train(self) -> dict[str, Test]:
        """Tests of the LoRA that the watch gives, and of the last one; of both again after the rounds that follow."""
        run, options = self._run, self._options
        denoisers, config = pack("nodes.host.training.denoiser"), pack("ganrm_core.post_training.config")
        rounds, limits = (pack(f"ganrm_core.post_training.{name}") for name in ("rounds", "round_limits"))
        shape = run.liked.latents[:1].shape
        with denoisers.trainable(
            run.bench.model, run.prompt_set, config.LoraSettings(), shape, seed=run.seed
        ) as denoiser:
            studio = Studio(run, denoiser, self._judge)
            total, count = options.rounds + options.more, len(ALL_PROMPTS)
            plan = rounds.Plan(count, total, count, GROUP, seed=_ROUND_SEED + run.first_seed)
            memory = peak_memory()
            training = rounds.RoundTraining(self._parts(denoiser, studio), plan)
            self._log(training.look(), None)
            given, kept, stopped = training.best, 0, 0
            found: dict[str, Test] = {}
            for number in range(1, total + 1):
                training.round()
                test = None
                if options.curve and number % options.curve == 0:
                    test = run.test(denoiser.sampling_model, max(1, options.tests // 2))
                    self._print(f"round {number}", test)
                if number % plan.every == 0:
                    look = training.look()
                    self._log(look, test)
                    if not stopped:
                        given, kept = training.best, training.trace.kept
                        stopped = number if limits.stops(look) else 0
                if number in (options.rounds, total):
                    found |= self._tested(denoiser, number, given, f"of round {kept}, stopped at {stopped}")
        print(shares_of_a_round(training.trace.seconds, studio.seconds, total), end=", ")
        print(f"peak memory {peak_memory():.2f} GB, before training {memory:.2f} GB", flush=True)
        return found

    def _tested(self, denoiser: Any, number: int, given: Sequence[Tensor], known: str) -> dict[str, Test]:
        """Of the LoRA as it is after round `number`, and of the one that the watch gives; it is left as it is."""
        found, last = {}, [parameter.detach().clone() for parameter in denoiser.parameters]
        for name, values, words in (("given", given, known), ("last", last, "")):
            with torch.no_grad():
                for parameter, value in zip(denoiser.parameters, values, strict=True):
                    parameter.copy_(value)
            arm = f"{self._arm} {number}, {name}"
            found[arm] = self._run.test(denoiser.sampling_model)
            self._print(f"round {number}, {name} {words}", found[arm])
        return found

    def _parts(self, denoiser: Any, studio: Studio) -> Any:
        run, options = self._run, self._options
        post = {
            name: pack(f"ganrm_core.post_training.{name}")
            for name in ("nft_trainer", "grpo_trainer", "anchor", "rounds", "watch")
        }
        levels = run.levels()
        clean = denoiser.to_model_scale(run.liked.latents).cpu()
        prompts = [ALL_PROMPTS.index(prompt) for prompt in run.liked.prompts]
        held_out = post["watch"].HeldOutError(clean[:_HELD_OUT], prompts[:_HELD_OUT], levels, run.seed)
        references = post["anchor"].References(clean[_HELD_OUT:], prompts[_HELD_OUT:])
        anchor = None
        if options.anchor and not self._bare:
            anchor = post["anchor"].Anchor(denoiser, references, levels, options.anchor)
        common = {
            "learning_rate": options.rate,
            "kl": 0.0 if self._bare else options.kl,
            "micro_batch": 32,
            "seed": run.seed,
        }
        if self._arm == "grpo":
            settings = post["grpo_trainer"].GrpoSettings(cfg=run.cfg, **common)
            learner = post["grpo_trainer"].GrpoTrainer(denoiser, levels, settings, clean.shape[1:], anchor)
        else:
            settings = post["nft_trainer"].NftSettings(beta=options.beta, **common)
            learner = post["nft_trainer"].NftTrainer(denoiser, levels, settings, studio.sample, anchor)
        refreshed = None if self._arm in ("fixed", "bare") else self._refresh()
        liked = studio.judge_pictures(run.liked.pictures[:_HELD_OUT])
        return post["rounds"].Parts(denoiser, learner, studio, levels, refreshed, held_out, liked)

    def _refresh(self) -> Any:
        run, module = self._run, pack("ganrm_core.training.head_refresh")
        liked, ordinary = (
            module.picture_features(run.reward, torch.from_numpy(each))
            for each in (run.liked.pictures[_HELD_OUT:], run.ordinary)
        )
        return module.HeadRefresh(run.reward, liked, ordinary, run.seed, self._options.first_share)

    def _print(self, what: str, test: Test) -> None:
        base = self._run.base
        print(
            f"seed {self._run.seed}, {self._arm}, {what}: truth {test.truth.mean():.3f}, share {share(test, base):.2f}, "
            f"readable {test.readable():.3f}, kinds {test.kind_entropy() / base.kind_entropy():.2f}, grey "
            f"{test.grey_spread() / base.grey_spread():.2f}, kept {test.kept():.3f}",
            flush=True,
        )

    def _log(self, look: Any, test: Test | None) -> None:
        base, record = self._run.base, {"seed": self._run.seed, "arm": self._arm, **asdict(look)}
        if test:
            record |= {
                "truth": float(np.mean(test.truth)),
                "share": share(test, base),
                "kinds": test.kind_entropy() / base.kind_entropy(),
                "grey": test.grey_spread() / base.grey_spread(),
                "readable": test.readable(),
            }
        if self._options.log:
            with self._options.log.open("a") as file:
                file.write(json.dumps(record) + "\n")


def peak_memory() -> float:
    """Of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def shares_of_a_round(spent: Mapping[str, float], judging: Mapping[str, float], rounds: int) -> str:
    """How long each kind of work took; the judging is divided as in all of the run, looks included."""
    whole = sum(judging.values())
    split = {work: spent["judging"] * seconds / whole for work, seconds in judging.items()}
    parts = {"sampling": spent["making"], **split, "learning": spent["learning"]}
    parts |= {"refitting": spent["refitting"]} if "refitting" in spent else {}
    total = sum(parts.values())
    known = ", ".join(f"{work} {seconds / total:.0%}" for work, seconds in parts.items())
    return f"{total / rounds:.1f} s a round: {known}"


if __name__ == "__main__":
    main()

"""Nodes "Best-of-N Sampler": what is refused, how runs end, and conditioning that depends on the seed."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.sampling import Guider, Noise, Stepping
from torch import Tensor

TWO = torch.arange(2.0).reshape(2, 1, 1, 1)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"keep": 17}, "keep is 17 of 16"),
        ({"together": 0}, "1 or more"),
        ({"sigmas": torch.tensor([])}, "no steps to sample"),
        ({"sigmas": torch.tensor([1.0, 0.5])}, "before the pictures are clean"),
        ({"latent_image": {"samples": TWO * 0, "noise_mask": TWO}}, "2 different masks"),
        ({"latent_image": {"samples": TWO}}, "2 different pictures"),
        ({"latent_image": {"samples": torch.zeros(1, 4, 3, 16, 16)}}, "is a video"),
        ({"latent_image": {"samples": torch.zeros(1, 64, 100)}}, "no picture"),
    ],
)
def test_inputs_that_are_refused(run_sampler: Any, errors: Any, inputs: dict[str, Any], message: str) -> None:
    guider = Guider()
    with pytest.raises(errors.DataError, match=message):
        run_sampler(guider=guider, **inputs)
    assert guider.asked == []


class SameForEverySeed(Noise):
    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return torch.zeros_like(latent["samples"])


class LouderNoise(Guider):
    def sample(self, noise: Tensor, *rest: Any, **options: Any) -> Tensor:
        return super().sample(noise * 2, *rest, **options)


def test_noise_that_does_not_follow_the_seed(run_sampler: Any, errors: Any) -> None:
    refused = (
        ({"noise": SameForEverySeed()}, "same noise"),
        ({"noise": type("FixedSeed", (), {"seed": property(lambda _: 3)})()}, "cannot be given another seed"),
        ({"guider": LouderNoise()}, "changes the noise"),
    )
    for inputs, message in refused:
        with pytest.raises(errors.DataError, match=message):
            run_sampler(**inputs)
    assert run_sampler(noise=SameForEverySeed(), n=1)["seeds"] == [0]


def keeping_state(how: str, on: bool) -> Guider:
    """A guider whose model keeps state between steps, or has the same patch without effect."""
    guider = Guider()
    keyframes = SimpleNamespace(keyframes=[object()] * (2 if on else 1))
    hooks = SimpleNamespace(hooks=[SimpleNamespace(hook_keyframe=keyframes)])
    momentum = 0.5 if on else 0.0

    def pre_cfg_function(args: Any) -> Any:
        return momentum * args

    if how == "easycache" and on:
        guider.model_options["transformer_options"]["easycache"] = object()
    elif how == "momentum":
        pre_cfg_function.__module__ = "comfy_extras.nodes_apg"
        guider.model_options["sampler_pre_cfg_function"] = [pre_cfg_function]
    elif how == "keyframes":
        guider.original_conds = {"positive": [{"hooks": hooks}]}  # type: ignore[attr-defined]
    elif how == "control":
        control = SimpleNamespace(get_extra_hooks=lambda: [hooks])
        guider.original_conds = {"positive": [{"control": control}]}  # type: ignore[attr-defined]
    return guider


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("easycache", "EasyCache"),
        ("momentum", "Adaptive Projected Guidance with momentum"),
        ("keyframes", "keyframes only move forward"),
        ("control", "keyframes only move forward"),
    ],
)
def test_models_that_keep_state_between_steps(run_sampler: Any, errors: Any, how: str, message: str) -> None:
    with pytest.raises(errors.DataError, match=message):
        run_sampler(guider=keeping_state(how, on=True))
    run_sampler(guider=keeping_state(how, on=False), n=1)


class TestEnds:
    def test_an_error_of_the_sampler_passes_through_and_ends_the_others(self, run_sampler: Any) -> None:
        sampler = Stepping(fail_at=4)
        with pytest.raises(ValueError, match="the sampler broke"):
            run_sampler(sampler=sampler, pruning="standard")
        assert sampler.ended == 16, "a thread is left behind"

    def test_progress_runs_to_the_end_and_cancel_ends_every_candidate(
        self, pack: Any, run_sampler: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps: list[Any] = []
        cancelled_at = 0

        def report(step: Any) -> None:
            steps.append(step)
            if len(steps) == cancelled_at:
                raise InterruptedError

        module = pack.module("nodes.best_of_n.sampler")
        monkeypatch.setattr(module, "live_progress", lambda *_: nullcontext(report))
        run_sampler(pruning="standard")
        done = [step.done for step in steps]
        assert {step.total for step in steps} == {84}
        assert done == sorted(done)
        assert done[-1] == 84
        sampler, cancelled_at = Stepping(), len(steps) + 60  # after the first rung
        with pytest.raises(InterruptedError):
            run_sampler(sampler=sampler, pruning="standard")
        assert sampler.ended == 16


class BySeed(Guider):
    """As models whose conditioning draws noise from the seed; `told` has each call's seed and conditioning."""

    inner_model = None

    def __init__(self, by_seed: bool) -> None:
        super().__init__()
        self.original_conds: Any = {"positive": [{"by_seed": by_seed}]}
        self.told: list[tuple[int, int]] = []

    def sample(self, noise: Tensor, *rest: Any, **options: Any) -> Tensor:
        import comfy.samplers

        conds = {"positive": [dict(each) for each in self.original_conds["positive"]]}
        self.conds = comfy.samplers.process_conds(None, noise, conds, None, None, None, options["seed"])
        return super().sample(noise, *rest, **options)

    def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
        self.told.append((named["seed"], int(self.conds["positive"][0]["model_conds"]["c"].cond)))
        return super().__call__(x, sigma, **named)


class TestConditioningBySeed:
    @pytest.fixture
    def processed(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The seeds that conditioning was made for; its value is the seed where the prompt asks for it."""
        import comfy.samplers

        seeds: list[int] = []

        def process(_model: Any, noise: Tensor, conds: Any, *others: Any) -> Any:
            seed = others[-1]
            seeds.append(seed)
            assert noise.shape == (1, 4, 16, 16)
            for each in conds["positive"]:
                value, other = torch.tensor([seed if each["by_seed"] else 0]), [torch.ones(1)]
                each["model_conds"] = {"c": SimpleNamespace(cond=value), "list": SimpleNamespace(cond=other)}
            return conds

        for name in ("preprocess_conds_hooks", "filter_registered_hooks_on_conds"):
            monkeypatch.setattr(comfy.samplers, name, lambda *_: None, raising=False)
        monkeypatch.setattr(comfy.samplers, "process_conds", process, raising=False)
        return seeds

    @pytest.mark.parametrize(("by_seed", "together", "made"), [(True, 4, 6), (True, 1, 6), (False, 3, 2)])
    def test_each_candidate_has_its_own_if_it_depends_on_the_seed(
        self, run_sampler: Any, processed: list[int], by_seed: bool, together: int, made: int
    ) -> None:
        guider = BySeed(by_seed)
        run_sampler(guider=guider, n=6, pruning="standard" if by_seed else "off", together=together)
        assert processed == list(range(made))
        assert guider.told
        assert not by_seed or all(seed == told for seed, told in guider.told)
        assert set(guider.asked) == {1 if by_seed else 3}, "all share one that does not depend on it"

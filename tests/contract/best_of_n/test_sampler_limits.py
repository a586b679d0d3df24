"""The Best-of-N Samplers: what is refused, how they end, and conditioning that draws on the seed."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.sampling import NODE, Guider, Noise, Stepping
from torch import Tensor


@pytest.fixture
def errors(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors")


class TestRefusals:
    @pytest.mark.parametrize(
        ("inputs", "words"),
        [
            ({"keep": 17}, "keep is 17 of 16"),
            ({"pruning": "wild"}, "no pruning 'wild'"),
            ({"look_with": "eyes"}, "no decoder 'eyes'"),
            ({"custom_pruning": "30%"}, "cannot be read"),
            ({"sigmas": torch.tensor([])}, "no steps to sample"),
            ({"sigmas": torch.tensor([1.0, 0.5])}, "before the pictures are clean"),
            (
                {"latent_image": {"samples": torch.zeros(2, 4, 16, 16), "noise_mask": torch.rand(2, 16, 16)}},
                "2 different masks",
            ),
            ({"latent_image": {"samples": torch.zeros(1, 4, 3, 16, 16)}}, "is a video"),
            ({"latent_image": {"samples": torch.rand(2, 4, 16, 16)}}, "2 different pictures"),
            ({"latent_image": {"samples": torch.zeros(1, 64, 100)}}, "no picture"),
        ],
    )
    def test_what_makes_no_sense(
        self, run_sampler: Any, errors: Any, inputs: dict[str, Any], words: str
    ) -> None:
        guider = Guider()
        with pytest.raises(errors.DataError, match=words):
            run_sampler(guider=guider, **inputs)
        assert guider.asked == []

    def test_noise_that_is_the_same_for_every_seed(self, run_sampler: Any, errors: Any) -> None:
        class Empty(Noise):
            def generate_noise(self, latent: dict[str, Any]) -> Tensor:
                return torch.zeros_like(latent["samples"])

        with pytest.raises(errors.DataError, match="same noise"):
            run_sampler(noise=Empty())
        assert run_sampler(noise=Empty(), n=1)["seeds"] == [0]

    def test_noise_whose_seed_is_fixed(self, run_sampler: Any, errors: Any) -> None:
        class Mixed:
            seed = property(lambda _self: 3)

            def generate_noise(self, latent: dict[str, Any]) -> Tensor:
                return torch.zeros_like(latent["samples"])

        with pytest.raises(errors.DataError, match="cannot be given another seed"):
            run_sampler(noise=Mixed())

    def test_noise_that_is_changed_on_the_way(self, run_sampler: Any, errors: Any) -> None:
        class Changing(Guider):
            def sample(self, noise: Tensor, *rest: Any, **options: Any) -> Tensor:
                return super().sample(noise * 2, *rest, **options)

        with pytest.raises(errors.DataError, match="changes the noise"):
            run_sampler(guider=Changing())

    def test_a_cache_of_steps(self, run_sampler: Any, errors: Any) -> None:
        guider = Guider()
        guider.model_options["transformer_options"]["easycache"] = object()
        with pytest.raises(errors.DataError, match="EasyCache"):
            run_sampler(guider=guider)

    def test_guidance_with_momentum(self, run_sampler: Any, errors: Any) -> None:
        def apg(momentum: float) -> Any:
            def pre_cfg_function(args: Any) -> Any:
                return momentum * args

            pre_cfg_function.__module__ = "comfy_extras.nodes_apg"
            return pre_cfg_function

        guider = Guider()
        guider.model_options["sampler_pre_cfg_function"] = [apg(0.5)]
        with pytest.raises(errors.DataError, match="Adaptive Projected Guidance with momentum"):
            run_sampler(guider=guider)
        guider.model_options["sampler_pre_cfg_function"] = [apg(0.0)]
        run_sampler(guider=guider)

    @pytest.mark.parametrize("through", ["hooks", "control"])
    def test_hooks_with_keyframes(self, run_sampler: Any, errors: Any, through: str) -> None:
        def prompt(keyframes: int) -> Any:
            hook = SimpleNamespace(hook_keyframe=SimpleNamespace(keyframes=[object()] * keyframes))
            group = SimpleNamespace(hooks=[hook])
            control = SimpleNamespace(get_extra_hooks=lambda: [group])
            return {"positive": [{"hooks": group} if through == "hooks" else {"control": control}]}

        guider: Any = Guider()
        guider.original_conds = prompt(2)
        with pytest.raises(errors.DataError, match="keyframes only move forward"):
            run_sampler(guider=guider)
        guider.original_conds = prompt(1)
        run_sampler(guider=guider, n=1)

    def test_an_unknown_sampler_is_not_quietly_replaced(self, pack: Any, errors: Any) -> None:
        with pytest.raises(errors.DataError, match="no 'magic'"):
            pack.run(
                NODE,
                model=None,
                positive=[],
                negative=[],
                latent_image={},
                vae=None,
                reward=None,
                sampler_name="magic",
            )


class TestEnds:
    def test_an_error_of_the_sampler_comes_through_and_ends_the_others(self, run_sampler: Any) -> None:
        sampler = Stepping(fail_at=4)
        with pytest.raises(ValueError, match="the sampler broke"):
            run_sampler(sampler=sampler, pruning="standard")
        assert sampler.ended == 16, "a thread is left behind"

    def test_cancel_ends_every_candidate(
        self, run_sampler: Any, pack: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class CancelError(Exception):
            pass

        seen = []

        def cancelling(step: Any) -> None:
            seen.append(step)
            if len(seen) == 60:  # inside the second phase
                raise CancelError

        monkeypatch.setattr(pack.module("nodes.best_of_n.sampler"), "live_progress", shown_by(cancelling))
        sampler = Stepping()
        with pytest.raises(CancelError):
            run_sampler(sampler=sampler, pruning="standard")
        assert sampler.ended == 16

    def test_progress_runs_to_the_end_and_never_over_it(
        self, run_sampler: Any, pack: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Any] = []
        monkeypatch.setattr(pack.module("nodes.best_of_n.sampler"), "live_progress", shown_by(seen.append))
        run_sampler(pruning="standard")
        assert {step.total for step in seen} == {84}
        done = [step.done for step in seen]
        assert done == sorted(done)
        assert done[-1] == 84


def shown_by(show: Any) -> Any:
    return lambda _draw, _phases: nullcontext(show)


class Told:
    """As ComfyUI wraps what a model is told."""

    def __init__(self, cond: Tensor) -> None:
        self.cond = cond


class TestConditioningOfTheSeed:
    """Some models draw noise for their conditioning from the seed, so each candidate needs its own."""

    @pytest.fixture
    def worked_out(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The seeds conditioning was worked out for; what it says is the seed, where the prompt says so."""
        import comfy.samplers

        seeds: list[int] = []

        def process(
            _model: Any, noise: Tensor, conds: Any, _device: Any, _latent: Any, _mask: Any, seed: int
        ) -> Any:
            seeds.append(seed)
            assert noise.shape == (1, 4, 16, 16)
            for each in conds["positive"]:
                own = seed if each["by_seed"] else 0
                each["model_conds"] = {"c": Told(torch.tensor([own])), "list": Told([torch.ones(1)])}
            return conds

        monkeypatch.setattr(comfy.samplers, "preprocess_conds_hooks", lambda _: None, raising=False)
        monkeypatch.setattr(
            comfy.samplers, "filter_registered_hooks_on_conds", lambda *_: None, raising=False
        )
        monkeypatch.setattr(comfy.samplers, "process_conds", process, raising=False)
        return seeds

    def guider(self, by_seed: bool) -> Any:
        class Telling(Guider):
            original_conds: Any = {"positive": [{"by_seed": by_seed}]}  # noqa: RUF012
            inner_model = None

            def sample(self, noise: Tensor, *rest: Any, **options: Any) -> Tensor:
                import comfy.samplers

                conds = {"positive": [dict(each) for each in self.original_conds["positive"]]}
                self.conds = comfy.samplers.process_conds(  # type: ignore[attr-defined]
                    None, noise, conds, None, None, None, options["seed"]
                )
                self.told: list[tuple[int, int]] = []
                return super().sample(noise, *rest, **options)

            def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
                told = int(self.conds["positive"][0]["model_conds"]["c"].cond)
                self.told.append((named["seed"], told))
                return super().__call__(x, sigma, **named)

        return Telling()

    @pytest.mark.parametrize("together", [1, 4])
    def test_each_candidate_is_told_its_own(
        self, run_sampler: Any, worked_out: list[int], together: int
    ) -> None:
        guider = self.guider(by_seed=True)
        run_sampler(guider=guider, n=6, pruning="standard", together=together)
        assert worked_out == [0, 1, 2, 3, 4, 5]
        assert guider.told
        assert all(seed == told for seed, told in guider.told)
        assert set(guider.asked) == {1}

    def test_where_the_seed_does_not_matter_all_share(self, run_sampler: Any, worked_out: list[int]) -> None:
        guider = self.guider(by_seed=False)
        run_sampler(guider=guider, n=6, together=3)
        assert worked_out == [0, 1]
        assert set(guider.asked) == {3}

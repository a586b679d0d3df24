"""Nodes "Best-of-N Sampler": which candidates go on, and what comes out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from contract_support.rewards import Bright
from contract_support.sampling import NODE, STEPS, Guider, Noise, Stepping, Vae, best_seeds, worth
from torch import Tensor

CALLS = {
    "off": 16 * 10,
    "gentle": 16 * 5 + 8 * 5,
    "standard": 16 * 3 + 8 * 2 + 4 * 5,
    "strong": 16 * 2 + 8 * 2 + 4 * 1 + 2 * 5,
}


class TestChoice:
    def test_the_best_are_kept_best_first_each_with_its_seed(self, run_sampler: Any) -> None:
        result = run_sampler(keep=3)
        assert result["seeds"] == result["indices"] == best_seeds(3)
        assert result["scores"] == pytest.approx([worth(seed) / 2 for seed in best_seeds(3)], abs=1e-3)
        assert [tuple(image.shape) for image in result["images"]] == [(1, 16, 16, 3)] * 3
        assert [latent["samples"].shape for latent in result["latents"]] == [(1, 4, 16, 16)] * 3
        image = result["images"][0]
        assert float(image.mean()) == pytest.approx(worth(result["seeds"][0]), abs=1e-3)
        # Only what is kept stays in memory.
        assert image.untyped_storage().nbytes() == image.numel() * image.element_size()
        # Scores are half the brightness: the log-odds of .47 and .44 are nearly the same.
        assert "too close to call" in result["summary"]

    def test_seeds_follow_the_first_and_wrap_at_the_end(self, run_sampler: Any) -> None:
        result = run_sampler(noise=Noise(2**64 - 2), n=4, keep=4)
        assert sorted(result["seeds"]) == [0, 1, 2**64 - 2, 2**64 - 1]
        assert sorted(result["indices"]) == [0, 1, 2, 3]

    @pytest.mark.parametrize("pruning", CALLS)
    def test_pruning_finds_the_same_with_fewer_calls(self, run_sampler: Any, pruning: str) -> None:
        guider = Guider()
        result = run_sampler(guider=guider, pruning=pruning)
        assert result["seeds"] == best_seeds(1)
        assert guider.asked == [1] * CALLS[pruning]
        assert result.ui["work"] == [pytest.approx(CALLS[pruning] / 160)]

    def test_a_schedule_of_ones_own_and_a_sampler_with_other_steps(self, run_sampler: Any) -> None:
        class Fast(Stepping):
            """Seven callbacks for ten steps."""

            def sample(self, model: Any, sigmas: Tensor, *rest: Any, **named: Any) -> Tensor:
                return super().sample(model, sigmas[[0, 1, 2, 4, 6, 8, 9, 10]], *rest, **named)

        # The rung after 50 % is reached once sigmas[4] is passed, which is the fourth call.
        fast = ({"sampler": Fast(), "pruning": "gentle"}, 16 * 4 + 8 * 3, 16 * 7)
        custom = ({"pruning": "off", "custom_pruning": "50%: 1/4"}, 16 * 5 + 4 * 5, 160)
        for inputs, calls, all_calls in (fast, custom):
            guider = Guider()
            result = run_sampler(guider=guider, **inputs)
            assert len(guider.asked) == calls
            assert result.ui["work"] == [pytest.approx(calls / all_calls)]
        assert run_sampler(pruning="strong", keep=6)["seeds"] == best_seeds(6), "as many survive as are kept"


class TestSharedCalls:
    def test_candidates_of_one_step_share_calls(self, run_sampler: Any) -> None:
        guider = Guider()
        result = run_sampler(guider=guider, pruning="gentle", together=6)
        assert result["seeds"] == best_seeds(1)
        assert guider.asked == [6] * 5 + [6] * 5 + [4] * 5 + [6] * 5 + [2] * 5

    def test_no_more_than_fit_into_memory(self, run_sampler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        import comfy.model_management

        monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *_: 1000)
        for size, most in ((200, 3), (5000, 1)):
            guider = Guider()
            guider.model_patcher.size = size
            result = run_sampler(guider=guider, together=8, n=4)
            assert set(guider.asked) == {most, 1}
            assert f"memory let {most} of 8 candidates share a call" in result["summary"]

    def test_the_model_is_loaded_again_after_each_rung(self, run_sampler: Any, reloads: list[Any]) -> None:
        guider = Guider()
        guider.model_patcher.size = 100
        run_sampler(guider=guider, pruning="standard", together=2)
        held = [count * 8 * 4 * 4 * 16 * 16 for count in (8, 4)]
        assert [models for models, _ in reloads] == [[guider.model_patcher]] * 2
        assert [memory["memory_required"] for _, memory in reloads] == [407 + each for each in held]
        assert [memory["minimum_memory_required"] for _, memory in reloads] == [207 + each for each in held]


class Grainy(Guider):
    def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
        return super().__call__(x, sigma, **named) + 0.01 * torch.randn_like(x)


@pytest.mark.parametrize(
    ("changes", "in_model"),
    [({}, False), ({"pruning": "strong"}, False), ({"together": 5}, False), ({"pruning": "strong"}, True)],
)
def test_random_numbers_continue_from_a_candidates_own_noise(
    run_sampler: Any, changes: dict[str, Any], in_model: bool
) -> None:
    alone, among = (
        run_sampler(**{"guider": Grainy()} if in_model else {"sampler": Stepping(grain=0.01)}, **inputs)
        for inputs in ({"noise": Noise(best_seeds(1)[0]), "n": 1}, changes)
    )
    assert torch.equal(among["latents"][0]["samples"], alone["latents"][0]["samples"])


def test_sampling_starts_from_the_latent_and_its_mask_is_passed_on(run_sampler: Any) -> None:
    latent = {"samples": torch.full((1, 4, 16, 16), -0.25), "noise_mask": torch.ones(1, 1, 16, 16)}
    result = run_sampler(latent_image=latent)
    assert float(result["images"][0].mean()) == pytest.approx(15 / 16 - 0.25, abs=1e-3)
    assert torch.equal(result["latents"][0]["noise_mask"], latent["noise_mask"])
    equal = {"samples": torch.zeros(4, 4, 16, 16), "batch_index": [0, 1, 2, 3]}
    (found,) = run_sampler(latent_image=equal, n=2)["latents"]
    assert found["samples"].shape == (1, 4, 16, 16), "equal latents count as one"
    assert found["batch_index"] == [0]


@pytest.mark.parametrize(
    ("settings", "begun", "best"),
    [
        ({"stop_below": 0.999, "round_size": 4}, 4, 2),  # seeds 0 to 3 are worth 0, .44, .88, .31
        ({"stop_below": 0.001, "round_size": 4}, 16, best_seeds(1)[0]),
        ({"round_size": 1}, 16, best_seeds(1)[0]),
    ],
)
def test_no_further_round_once_a_better_one_is_unlikely(
    run_sampler: Any, settings: dict[str, Any], begun: int, best: int
) -> None:
    guider = Guider()
    result = run_sampler(guider=guider, **settings)
    assert len(guider.asked) == begun * STEPS
    assert result["seeds"] == [best]
    assert f"{begun} candidates" in result["summary"]
    assert ("stopped early" in result["summary"]) == (begun < 16)


def test_a_missing_preview_decoder_is_named_where_it_is_needed(run_sampler: Any) -> None:
    for pruning, is_needed in (("standard", True), ("off", False)):
        summary = run_sampler(n=4, pruning=pruning, look_with="preview decoder")["summary"]
        assert ("no preview decoder" in summary) == is_needed


def test_the_ksampler_twin_is_set_up_as_core_does(
    pack: Any, reloads: list[Any], folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    guider, comfy = Guider(), Mock()
    guider.set_conds, guider.set_cfg = Mock(), Mock()  # type: ignore[attr-defined]
    comfy.samplers.CFGGuider.return_value = guider
    ksampler = comfy.samplers.KSampler
    ksampler.SAMPLERS, ksampler.SCHEDULERS = ("euler",), ("simple",)
    ksampler.return_value = Mock(sampler="euler", sigmas=torch.linspace(1, 0, STEPS + 1))
    comfy.samplers.sampler_object.return_value = Stepping()
    comfy.sample.prepare_noise = lambda samples, seed, _: Noise(seed).generate_noise({"samples": samples})
    comfy.sample.fix_empty_latent_channels = lambda _model, samples: samples
    comfy.model_management.intermediate_device.return_value = "cpu"
    monkeypatch.setattr(pack.module("nodes.host.sampling.sampling_setup"), "comfy", comfy)
    model = SimpleNamespace(load_device="cpu", model_options={})
    settings = {"steps": STEPS, "scheduler": "simple", "denoise": 0.7, "sampler_name": "euler", "cfg": 4.5}
    ours = {"vae": Vae(), "reward": Bright(pack), "seed": 3, "n": 5, "positive": "yes", "negative": "no"}
    latent = {"samples": torch.zeros(1, 4, 16, 16)}
    result = pack.run(NODE, model=model, latent_image=latent, **settings, **ours)
    assert result["seeds"] == best_seeds(1, range(3, 8))
    assert result["indices"] == [result["seeds"][0] - 3]
    shared = {"steps": STEPS, "scheduler": "simple", "denoise": 0.7, "sampler": "euler"}
    ksampler.assert_called_once_with(model, device="cpu", model_options={}, **shared)
    comfy.samplers.CFGGuider.assert_called_once_with(model)
    guider.set_conds.assert_called_once_with("yes", "no")  # type: ignore[attr-defined]
    guider.set_cfg.assert_called_once_with(4.5)  # type: ignore[attr-defined]

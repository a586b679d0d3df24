"""The Best-of-N Samplers: which candidates go on, and what comes out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.rewards import Bright
from contract_support.sampling import CUSTOM, NODE, STEPS, Guider, Noise, Stepping, Vae, best_seeds, worth
from torch import Tensor


@pytest.mark.parametrize("name", [NODE, CUSTOM])
def test_the_schemas_share_what_follows_the_sampling(pack: Any, name: str) -> None:
    schema = pack.schema(name)
    assert schema.is_output_node
    assert not schema.is_input_list
    assert [socket.id for socket in schema.inputs][-10:] == [
        "vae",
        "reward",
        "n",
        "keep",
        "pruning",
        "custom_pruning",
        "look_with",
        "together",
        "stop_below",
        "round_size",
    ]
    assert [(each.id, each.io_type, each.is_output_list) for each in schema.outputs] == [
        ("latents", "LATENT", True),
        ("images", "IMAGE", True),
        ("scores", "FLOAT", True),
        ("seeds", "INT", True),
        ("indices", "INT", True),
        ("summary", "STRING", False),
        ("preview", "IMAGE", False),
    ]


def test_what_comes_before_it_is_as_in_core(pack: Any) -> None:
    names = [socket.id for socket in pack.schema(NODE).inputs][:-10]
    assert names == [
        "model",
        "seed",
        "steps",
        "cfg",
        "sampler_name",
        "scheduler",
        "positive",
        "negative",
        "latent_image",
        "denoise",
    ]
    custom = [socket.id for socket in pack.schema(CUSTOM).inputs][:-10]
    assert custom == ["noise", "guider", "sampler", "sigmas", "latent_image"]


class TestChoice:
    def test_the_best_are_kept_best_first_each_with_its_seed(self, run_sampler: Any) -> None:
        result = run_sampler(keep=3)
        assert result["seeds"] == result["indices"] == best_seeds(3)
        assert result["scores"] == pytest.approx([worth(seed) / 2 for seed in best_seeds(3)], abs=1e-3)
        assert [tuple(image.shape) for image in result["images"]] == [(1, 16, 16, 3)] * 3
        assert [latent["samples"].shape for latent in result["latents"]] == [(1, 4, 16, 16)] * 3
        assert float(result["images"][0].mean()) == pytest.approx(worth(result["seeds"][0]), abs=1e-3)

    def test_seeds_follow_the_first_and_wrap_at_the_end(self, run_sampler: Any) -> None:
        result = run_sampler(noise=Noise(2**64 - 2), n=4, keep=4)
        assert sorted(result["seeds"]) == [0, 1, 2**64 - 2, 2**64 - 1]
        assert sorted(result["indices"]) == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("pruning", "calls"),
        [
            ("off", 160),
            ("gentle", 16 * 5 + 8 * 5),
            ("standard", 16 * 3 + 8 * 2 + 4 * 5),
            ("strong", 16 * 2 + 8 * 2 + 4 * 1 + 2 * 5),
        ],
    )
    def test_pruning_finds_the_same_with_fewer_calls(
        self, run_sampler: Any, pruning: str, calls: int
    ) -> None:
        guider = Guider()
        result = run_sampler(guider=guider, pruning=pruning)
        assert result["seeds"] == best_seeds(1)
        assert guider.asked == [1] * calls
        assert result.ui["work"] == [pytest.approx(calls / 160)]

    def test_as_many_stay_as_are_kept(self, run_sampler: Any) -> None:
        assert run_sampler(pruning="strong", keep=6)["seeds"] == best_seeds(6)

    def test_a_schedule_of_ones_own_goes_before_the_named_one(self, run_sampler: Any) -> None:
        guider = Guider()
        run_sampler(guider=guider, pruning="off", custom_pruning="50%: 1/4")
        assert len(guider.asked) == 16 * 5 + 4 * 5

    def test_candidates_of_one_step_share_calls(self, run_sampler: Any) -> None:
        guider = Guider()
        result = run_sampler(guider=guider, pruning="gentle", together=6)
        assert result["seeds"] == best_seeds(1)
        assert guider.asked == [6] * 5 + [6] * 5 + [4] * 5 + [6] * 5 + [2] * 5

    def test_no_more_share_a_call_than_fit_into_memory(
        self, run_sampler: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import comfy.model_management

        monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *_: 1000)
        guider = Guider()
        guider.model_patcher.size = 200
        result = run_sampler(guider=guider, together=8, n=4)
        assert set(guider.asked) == {3, 1}
        assert "memory let 3 of 8 candidates share a call" in result["summary"]
        guider = Guider()
        guider.model_patcher.size = 5000
        run_sampler(guider=guider, together=8, n=4)
        assert set(guider.asked) == {1}

    def test_others_change_nothing_for_a_candidate(self, run_sampler: Any) -> None:
        """Its random numbers run on from its own noise, whoever else runs or is given up."""
        alone = run_sampler(sampler=Stepping(grain=0.01), noise=Noise(best_seeds(1)[0]), n=1)
        for changes in ({}, {"pruning": "strong"}, {"together": 5}):
            among = run_sampler(sampler=Stepping(grain=0.01), **changes)
            assert torch.equal(among["latents"][0]["samples"], alone["latents"][0]["samples"])

    def test_random_numbers_drawn_inside_the_model_are_its_own_too(self, run_sampler: Any) -> None:
        class Grainy(Guider):
            def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
                return super().__call__(x, sigma, **named) + 0.01 * torch.randn_like(x)

        alone = run_sampler(guider=Grainy(), noise=Noise(best_seeds(1)[0]), n=1)
        among = run_sampler(guider=Grainy(), pruning="strong")
        assert torch.equal(among["latents"][0]["samples"], alone["latents"][0]["samples"])

    def test_a_sampler_with_steps_of_its_own_is_met_where_it_has_got_to(self, run_sampler: Any) -> None:
        """Seven callbacks for ten steps: after five of them it is not half-way but nearly done."""

        class Fast(Stepping):
            def sample(self, model: Any, sigmas: Tensor, *rest: Any, **named: Any) -> Tensor:
                return super().sample(model, sigmas[[0, 1, 2, 4, 6, 8, 9, 10]], *rest, **named)

        guider = Guider()
        result = run_sampler(guider=guider, sampler=Fast(), pruning="gentle")
        # After 50 %, sigmas[4] is left behind: that is its fourth call.
        assert len(guider.asked) == 16 * 4 + 8 * 3
        assert result.ui["work"] == [pytest.approx((16 * 4 + 8 * 3) / (16 * 7))]

    def test_only_what_is_kept_stays_in_memory(self, run_sampler: Any) -> None:
        (image,) = run_sampler()["images"]
        assert image.untyped_storage().nbytes() == image.numel() * image.element_size()

    def test_it_starts_from_the_latent_and_hands_its_mask_on(self, run_sampler: Any) -> None:
        latent = {"samples": torch.full((1, 4, 16, 16), -0.25), "noise_mask": torch.ones(1, 1, 16, 16)}
        result = run_sampler(latent_image=latent)
        assert float(result["images"][0].mean()) == pytest.approx(15 / 16 - 0.25, abs=1e-3)
        assert torch.equal(result["latents"][0]["noise_mask"], latent["noise_mask"])

    def test_equal_latents_count_as_one(self, run_sampler: Any) -> None:
        result = run_sampler(latent_image={"samples": torch.zeros(4, 4, 16, 16), "batch_index": [0, 1, 2, 3]})
        assert result["latents"][0]["samples"].shape == (1, 4, 16, 16)
        assert result["latents"][0]["batch_index"] == [0]


class TestStop:
    def test_no_further_round_once_a_better_one_is_unlikely(self, run_sampler: Any) -> None:
        guider = Guider()
        # Seeds 0 to 3 are worth 0, .44, .88, .31.
        result = run_sampler(guider=guider, stop_below=0.999, round_size=4)
        assert len(guider.asked) == 4 * STEPS
        assert result["seeds"] == [2]
        assert "stopped early" in result["summary"]
        assert "4 candidates" in result["summary"]

    def test_all_rounds_while_it_is_likely(self, run_sampler: Any) -> None:
        result = run_sampler(stop_below=0.001, round_size=4, pruning="gentle")
        assert result["seeds"] == best_seeds(1)
        assert "stopped" not in result["summary"]

    def test_0_switches_it_off(self, run_sampler: Any) -> None:
        guider = Guider()
        run_sampler(guider=guider, stop_below=0.0, round_size=1)
        assert len(guider.asked) == 16 * STEPS


class TestWhatIsShown:
    def test_figures_of_every_candidate_for_clients(self, run_sampler: Any) -> None:
        ui = run_sampler(pruning="standard", keep=2).ui
        assert ui["seeds"] == ui["indices"] == best_seeds(2)
        assert [look["step"] for look in ui["looks"]] == [3, 5]
        assert [len(look["scores"]) for look in ui["looks"]] == [16, 8]
        assert [score is not None for score in ui["all_scores"]].count(True) == 4
        assert ui["summary"][0].startswith("16 candidates, 2 kept: ")

    def test_the_preview_shows_all(self, run_sampler: Any) -> None:
        preview = run_sampler(pruning="standard")["preview"]
        assert preview.shape[0] == 1
        assert preview.shape[2] > 800

    def test_too_close_to_call_is_said(self, run_sampler: Any) -> None:
        # Scores are half the brightness: log-odds of .47 and .44 are nearly the same.
        assert "too close to call" in run_sampler()["summary"]

    def test_the_model_is_brought_back_after_each_look(self, run_sampler: Any, reloads: list[Any]) -> None:
        guider = Guider()
        guider.model_patcher.size = 100
        run_sampler(guider=guider, pruning="standard", together=2)
        held = [count * 8 * 4 * 4 * 16 * 16 for count in (8, 4)]
        assert [models for models, _ in reloads] == [[guider.model_patcher]] * 2
        assert [memory["memory_required"] for _, memory in reloads] == [407 + each for each in held]
        assert [memory["minimum_memory_required"] for _, memory in reloads] == [207 + each for each in held]

    def test_a_missing_preview_decoder_is_said(self, run_sampler: Any) -> None:
        assert "no preview decoder" in run_sampler(pruning="standard", look_with="preview decoder")["summary"]
        assert "no preview decoder" not in run_sampler(look_with="preview decoder")["summary"]


def test_the_ksampler_twin_is_set_up_as_core_does(
    pack: Any, reloads: list[Any], folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Core's own classes are not in this runtime: what they are given is what counts here."""
    setup = pack.module("nodes.host.sampling.sampling_setup")
    guider, given = Guider(), {}

    class KSampler:
        SAMPLERS, SCHEDULERS = ("euler",), ("simple",)

        def __init__(self, model: Any, **settings: Any) -> None:
            given.update(settings)
            self.sampler = settings["sampler"]
            self.sigmas = torch.linspace(1, 0, settings["steps"] + 1)

    def cfg_guider(model: Any) -> Any:
        given["model"] = model
        guider.set_conds = lambda *conds: given.update(conds=conds)  # type: ignore[attr-defined]
        guider.set_cfg = lambda cfg: given.update(cfg=cfg)  # type: ignore[attr-defined]
        return guider

    samplers = SimpleNamespace(KSampler=KSampler, CFGGuider=cfg_guider, sampler_object=lambda _: Stepping())
    sample = SimpleNamespace(
        prepare_noise=lambda samples, seed, _places: Noise(seed).generate_noise({"samples": samples}),
        fix_empty_latent_channels=lambda _model, samples: samples,
    )
    management = SimpleNamespace(intermediate_device=lambda: "cpu")
    comfy = SimpleNamespace(samplers=samplers, sample=sample, model_management=management)
    monkeypatch.setattr(setup, "comfy", comfy)
    model = SimpleNamespace(load_device="cpu", model_options={})
    result = pack.run(
        NODE,
        model=model,
        seed=3,
        steps=STEPS,
        cfg=4.5,
        sampler_name="euler",
        scheduler="simple",
        positive="yes",
        negative="no",
        latent_image={"samples": torch.zeros(1, 4, 16, 16)},
        denoise=0.7,
        vae=Vae(),
        reward=Bright(pack),
        n=5,
    )
    assert result["seeds"] == best_seeds(1, range(3, 8))
    assert result["indices"] == [result["seeds"][0] - 3]
    assert given == {
        "model": model,
        "steps": STEPS,
        "device": "cpu",
        "sampler": "euler",
        "scheduler": "simple",
        "denoise": 0.7,
        "model_options": {},
        "conds": ("yes", "no"),
        "cfg": 4.5,
    }

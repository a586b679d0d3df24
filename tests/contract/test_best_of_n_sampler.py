"""The Best-of-N Samplers: which candidates go on, what comes out, and what is refused.

ComfyUI's sampling is played by a guider whose pictures are as bright as the seed's noise says, so that the truth is known.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.rewards import Bright
from torch import Tensor

NODE, CUSTOM = "GANRMBestOfNSampler", "GANRMBestOfNSamplerCustom"
STEPS = 10


class Noise:
    """As RandomNoise, save that seed s is worth ((7 · s) mod 16) / 16 everywhere, plus a little grain."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        generator = torch.manual_seed(self.seed)
        grain = 0.001 * torch.randn(latent["samples"].shape, generator=generator)
        return grain + worth(self.seed)


def worth(seed: int) -> float:
    return (7 * seed % 16) / 16


class Guider:
    """Its model leaves a picture as it is; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        """The batch size of each call."""
        latent_format = SimpleNamespace(
            latent_channels=4,
            latent_dimensions=2,
            taesd_decoder_name=None,
            latent_rgb_factors=[[1.0, 0.0, 0.0]] * 4,
        )
        model = SimpleNamespace(latent_format=latent_format, process_latent_out=lambda x: x)
        self.model_patcher = SimpleNamespace(
            model=model,
            load_device=torch.device("cpu"),
            get_model_object=lambda _: latent_format,
            model_dtype=lambda: torch.float32,
            size=0,
        )
        self.model_options: dict[str, Any] = {"transformer_options": {}}

    def sample(self, noise: Tensor, latent: Tensor, sampler: Any, sigmas: Tensor, **options: Any) -> Tensor:
        extra = {"model_options": self.model_options, "seed": options["seed"]}
        mask, callback = options["denoise_mask"], options["callback"]
        result: Tensor = sampler.sample(self, sigmas, extra, callback, noise, latent, mask, True)
        return result

    def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
        assert set(named) == {"model_options", "seed"}
        assert sigma.shape == x.shape[:1]
        self.asked.append(len(x))
        return x.clone()


class Stepping:
    """A sampler of the plainest kind; `grain` draws torch's global random numbers at each step."""

    def __init__(self, grain: float = 0.0, fail_at: int | None = None) -> None:
        self.grain, self.fail_at = grain, fail_at
        self.ended = 0

    def sample(
        self,
        model: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any,
        noise: Tensor,
        latent: Tensor | None = None,
        mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        assert disable_pbar
        assert model.model_options is extra_args["model_options"]
        x = noise + latent
        try:
            for step in range(len(sigmas) - 1):
                if step == self.fail_at:
                    raise ValueError("the sampler broke")
                clean = model(x, sigmas[step] * torch.ones(1), **extra_args)
                callback(step, clean, x, len(sigmas) - 1)
                x = clean + self.grain * torch.randn_like(x)
            return x
        finally:
            self.ended += 1

    def max_denoise(self, *_: Any) -> bool:
        return True


class Vae:
    """A pixel is the mean of its latent's channels."""

    def decode(self, latents: Tensor) -> Tensor:
        grey = latents.mean(dim=1).clamp(0, 1)
        return grey.unsqueeze(-1).expand(-1, -1, -1, 3)


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What ComfyUI was asked to load back. A picture of a call takes `size` bytes of the model, twice for both prompts."""
    import comfy.model_management
    import comfy.sampler_helpers

    found: list[Any] = []

    def estimate(patcher: Any, shape: list[int], _conds: Any) -> tuple[int, int]:
        return 2 * patcher.size * shape[0], patcher.size * shape[0]

    monkeypatch.setattr(comfy.sampler_helpers, "estimate_memory", estimate, raising=False)
    monkeypatch.setattr(comfy.sampler_helpers, "get_additional_models", lambda *_: ([], 7), raising=False)
    monkeypatch.setattr(
        comfy.model_management,
        "load_models_gpu",
        lambda models, **memory: found.append((models, memory)),
    )
    return found


@pytest.fixture
def run(pack: Any, folders: Any, reloads: list[Any]) -> Any:
    def run_node(**inputs: Any) -> Any:
        given = {
            "noise": Noise(),
            "guider": Guider(),
            "sampler": Stepping(),
            "sigmas": torch.linspace(1, 0, STEPS + 1),
            "latent_image": {"samples": torch.zeros(1, 4, 16, 16)},
            "vae": Vae(),
            "reward": Bright(pack),
            "n": 16,
            "keep": 1,
            "pruning": "off",
        }
        return pack.run(CUSTOM, **{**given, **inputs})

    return run_node


@pytest.fixture
def errors(pack: Any) -> Any:
    return pack.module("ganrm_core.errors")


def best_seeds(count: int, seeds: range = range(16)) -> list[int]:
    return sorted(seeds, key=worth, reverse=True)[:count]


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
    def test_the_best_are_kept_best_first_each_with_its_seed(self, run: Any) -> None:
        result = run(keep=3)
        assert result["seeds"] == result["indices"] == best_seeds(3)
        assert result["scores"] == pytest.approx([worth(seed) / 2 for seed in best_seeds(3)], abs=1e-3)
        assert [tuple(image.shape) for image in result["images"]] == [(1, 16, 16, 3)] * 3
        assert [latent["samples"].shape for latent in result["latents"]] == [(1, 4, 16, 16)] * 3
        assert float(result["images"][0].mean()) == pytest.approx(worth(result["seeds"][0]), abs=1e-3)

    def test_seeds_follow_the_first_and_wrap_at_the_end(self, run: Any) -> None:
        result = run(noise=Noise(2**64 - 2), n=4, keep=4)
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
    def test_pruning_finds_the_same_with_fewer_calls(self, run: Any, pruning: str, calls: int) -> None:
        guider = Guider()
        result = run(guider=guider, pruning=pruning)
        assert result["seeds"] == best_seeds(1)
        assert guider.asked == [1] * calls
        assert result.ui["work"] == [pytest.approx(calls / 160)]

    def test_as_many_stay_as_are_kept(self, run: Any) -> None:
        assert run(pruning="strong", keep=6)["seeds"] == best_seeds(6)

    def test_a_schedule_of_ones_own_goes_before_the_named_one(self, run: Any) -> None:
        guider = Guider()
        run(guider=guider, pruning="off", custom_pruning="50%: 1/4")
        assert len(guider.asked) == 16 * 5 + 4 * 5

    def test_candidates_of_one_step_share_calls(self, run: Any) -> None:
        guider = Guider()
        result = run(guider=guider, pruning="gentle", together=6)
        assert result["seeds"] == best_seeds(1)
        assert guider.asked == [6] * 5 + [6] * 5 + [4] * 5 + [6] * 5 + [2] * 5

    def test_no_more_share_a_call_than_fit_into_memory(
        self, run: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import comfy.model_management

        monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *_: 1000)
        guider = Guider()
        guider.model_patcher.size = 200
        result = run(guider=guider, together=8, n=4)
        assert set(guider.asked) == {3, 1}
        assert "memory let 3 of 8 candidates share a call" in result["summary"]
        guider = Guider()
        guider.model_patcher.size = 5000
        run(guider=guider, together=8, n=4)
        assert set(guider.asked) == {1}

    def test_others_change_nothing_for_a_candidate(self, run: Any) -> None:
        """Its random numbers run on from its own noise, whoever else runs or is given up."""
        alone = run(sampler=Stepping(grain=0.01), noise=Noise(best_seeds(1)[0]), n=1)
        for changes in ({}, {"pruning": "strong"}, {"together": 5}):
            among = run(sampler=Stepping(grain=0.01), **changes)
            assert torch.equal(among["latents"][0]["samples"], alone["latents"][0]["samples"])

    def test_random_numbers_drawn_inside_the_model_are_its_own_too(self, run: Any) -> None:
        class Grainy(Guider):
            def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
                return super().__call__(x, sigma, **named) + 0.01 * torch.randn_like(x)

        alone = run(guider=Grainy(), noise=Noise(best_seeds(1)[0]), n=1)
        among = run(guider=Grainy(), pruning="strong")
        assert torch.equal(among["latents"][0]["samples"], alone["latents"][0]["samples"])

    def test_a_sampler_with_steps_of_its_own_is_met_where_it_has_got_to(self, run: Any) -> None:
        """Seven callbacks for ten steps: after five of them it is not half-way but nearly done."""

        class Fast(Stepping):
            def sample(self, model: Any, sigmas: Tensor, *rest: Any, **named: Any) -> Tensor:
                return super().sample(model, sigmas[[0, 1, 2, 4, 6, 8, 9, 10]], *rest, **named)

        guider = Guider()
        result = run(guider=guider, sampler=Fast(), pruning="gentle")
        # After 50 %, sigmas[4] is left behind: that is its fourth call.
        assert len(guider.asked) == 16 * 4 + 8 * 3
        assert result.ui["work"] == [pytest.approx((16 * 4 + 8 * 3) / (16 * 7))]

    def test_only_what_is_kept_stays_in_memory(self, run: Any) -> None:
        (image,) = run()["images"]
        assert image.untyped_storage().nbytes() == image.numel() * image.element_size()

    def test_it_starts_from_the_latent_and_hands_its_mask_on(self, run: Any) -> None:
        latent = {"samples": torch.full((1, 4, 16, 16), -0.25), "noise_mask": torch.ones(1, 1, 16, 16)}
        result = run(latent_image=latent)
        assert float(result["images"][0].mean()) == pytest.approx(15 / 16 - 0.25, abs=1e-3)
        assert torch.equal(result["latents"][0]["noise_mask"], latent["noise_mask"])

    def test_equal_latents_count_as_one(self, run: Any) -> None:
        result = run(latent_image={"samples": torch.zeros(4, 4, 16, 16), "batch_index": [0, 1, 2, 3]})
        assert result["latents"][0]["samples"].shape == (1, 4, 16, 16)
        assert result["latents"][0]["batch_index"] == [0]


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
    def test_each_candidate_is_told_its_own(self, run: Any, worked_out: list[int], together: int) -> None:
        guider = self.guider(by_seed=True)
        run(guider=guider, n=6, pruning="standard", together=together)
        assert worked_out == [0, 1, 2, 3, 4, 5]
        assert guider.told
        assert all(seed == told for seed, told in guider.told)
        assert set(guider.asked) == {1}

    def test_where_the_seed_does_not_matter_all_share(self, run: Any, worked_out: list[int]) -> None:
        guider = self.guider(by_seed=False)
        run(guider=guider, n=6, together=3)
        assert worked_out == [0, 1]
        assert set(guider.asked) == {3}


class TestStop:
    def test_no_further_round_once_a_better_one_is_unlikely(self, run: Any) -> None:
        guider = Guider()
        # Seeds 0 to 3 are worth 0, .44, .88, .31.
        result = run(guider=guider, stop_below=0.999, round_size=4)
        assert len(guider.asked) == 4 * STEPS
        assert result["seeds"] == [2]
        assert "stopped early" in result["summary"]
        assert "4 candidates" in result["summary"]

    def test_all_rounds_while_it_is_likely(self, run: Any) -> None:
        result = run(stop_below=0.001, round_size=4, pruning="gentle")
        assert result["seeds"] == best_seeds(1)
        assert "stopped" not in result["summary"]

    def test_0_switches_it_off(self, run: Any) -> None:
        guider = Guider()
        run(guider=guider, stop_below=0.0, round_size=1)
        assert len(guider.asked) == 16 * STEPS


class TestWhatIsShown:
    def test_figures_of_every_candidate_for_clients(self, run: Any) -> None:
        ui = run(pruning="standard", keep=2).ui
        assert ui["seeds"] == ui["indices"] == best_seeds(2)
        assert [look["step"] for look in ui["looks"]] == [3, 5]
        assert [len(look["scores"]) for look in ui["looks"]] == [16, 8]
        assert [score is not None for score in ui["all_scores"]].count(True) == 4
        assert ui["summary"][0].startswith("16 candidates, 2 kept: ")

    def test_the_preview_shows_all(self, run: Any) -> None:
        preview = run(pruning="standard")["preview"]
        assert preview.shape[0] == 1
        assert preview.shape[2] > 800

    def test_too_close_to_call_is_said(self, run: Any) -> None:
        # Scores are half the brightness: log-odds of .47 and .44 are nearly the same.
        assert "too close to call" in run()["summary"]

    def test_the_model_is_brought_back_after_each_look(self, run: Any, reloads: list[Any]) -> None:
        guider = Guider()
        guider.model_patcher.size = 100
        run(guider=guider, pruning="standard", together=2)
        held = [count * 8 * 4 * 4 * 16 * 16 for count in (8, 4)]
        assert [models for models, _ in reloads] == [[guider.model_patcher]] * 2
        assert [memory["memory_required"] for _, memory in reloads] == [407 + each for each in held]
        assert [memory["minimum_memory_required"] for _, memory in reloads] == [207 + each for each in held]

    def test_a_missing_preview_decoder_is_said(self, run: Any) -> None:
        assert "no preview decoder" in run(pruning="standard", look_with="preview decoder")["summary"]
        assert "no preview decoder" not in run(look_with="preview decoder")["summary"]


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
    def test_what_makes_no_sense(self, run: Any, errors: Any, inputs: dict[str, Any], words: str) -> None:
        guider = Guider()
        with pytest.raises(errors.DataError, match=words):
            run(guider=guider, **inputs)
        assert guider.asked == []

    def test_noise_that_is_the_same_for_every_seed(self, run: Any, errors: Any) -> None:
        class Empty(Noise):
            def generate_noise(self, latent: dict[str, Any]) -> Tensor:
                return torch.zeros_like(latent["samples"])

        with pytest.raises(errors.DataError, match="same noise"):
            run(noise=Empty())
        assert run(noise=Empty(), n=1)["seeds"] == [0]

    def test_noise_whose_seed_is_fixed(self, run: Any, errors: Any) -> None:
        class Mixed:
            seed = property(lambda _self: 3)

            def generate_noise(self, latent: dict[str, Any]) -> Tensor:
                return torch.zeros_like(latent["samples"])

        with pytest.raises(errors.DataError, match="cannot be given another seed"):
            run(noise=Mixed())

    def test_noise_that_is_changed_on_the_way(self, run: Any, errors: Any) -> None:
        class Changing(Guider):
            def sample(self, noise: Tensor, *rest: Any, **options: Any) -> Tensor:
                return super().sample(noise * 2, *rest, **options)

        with pytest.raises(errors.DataError, match="changes the noise"):
            run(guider=Changing())

    def test_a_cache_of_steps(self, run: Any, errors: Any) -> None:
        guider = Guider()
        guider.model_options["transformer_options"]["easycache"] = object()
        with pytest.raises(errors.DataError, match="EasyCache"):
            run(guider=guider)

    def test_guidance_with_momentum(self, run: Any, errors: Any) -> None:
        def apg(momentum: float) -> Any:
            def pre_cfg_function(args: Any) -> Any:
                return momentum * args

            pre_cfg_function.__module__ = "comfy_extras.nodes_apg"
            return pre_cfg_function

        guider = Guider()
        guider.model_options["sampler_pre_cfg_function"] = [apg(0.5)]
        with pytest.raises(errors.DataError, match="Adaptive Projected Guidance with momentum"):
            run(guider=guider)
        guider.model_options["sampler_pre_cfg_function"] = [apg(0.0)]
        run(guider=guider)

    @pytest.mark.parametrize("through", ["hooks", "control"])
    def test_hooks_with_keyframes(self, run: Any, errors: Any, through: str) -> None:
        def prompt(keyframes: int) -> Any:
            hook = SimpleNamespace(hook_keyframe=SimpleNamespace(keyframes=[object()] * keyframes))
            group = SimpleNamespace(hooks=[hook])
            control = SimpleNamespace(get_extra_hooks=lambda: [group])
            return {"positive": [{"hooks": group} if through == "hooks" else {"control": control}]}

        guider: Any = Guider()
        guider.original_conds = prompt(2)
        with pytest.raises(errors.DataError, match="keyframes only move forward"):
            run(guider=guider)
        guider.original_conds = prompt(1)
        run(guider=guider, n=1)

    def test_a_spoilt_picture_is_named_by_its_seed(self, run: Any, errors: Any) -> None:
        class Spoilt(Vae):
            def decode(self, latents: Tensor) -> Tensor:
                return super().decode(latents) * torch.nan

        with pytest.raises(errors.ImageError, match=r"Candidate 1 \(seed 0\) holds NaN values after 3 steps"):
            run(vae=Spoilt(), pruning="standard")

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
    def test_an_error_of_the_sampler_comes_through_and_ends_the_others(self, run: Any) -> None:
        sampler = Stepping(fail_at=4)
        with pytest.raises(ValueError, match="the sampler broke"):
            run(sampler=sampler, pruning="standard")
        assert sampler.ended == 16, "a thread is left behind"

    def test_cancel_ends_every_candidate(self, run: Any, pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        class CancelError(Exception):
            pass

        seen = []

        def cancelling(_draw: Any) -> Any:
            def show(step: Any) -> None:
                seen.append(step)
                if len(seen) == 60:  # inside the second phase
                    raise CancelError

            return show

        monkeypatch.setattr(pack.module("nodes.best_of_n_sampler"), "progress_bar", cancelling)
        sampler = Stepping()
        with pytest.raises(CancelError):
            run(sampler=sampler, pruning="standard")
        assert sampler.ended == 16

    def test_progress_runs_to_the_end_and_never_over_it(
        self, run: Any, pack: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Any] = []
        monkeypatch.setattr(pack.module("nodes.best_of_n_sampler"), "progress_bar", lambda _draw: seen.append)
        run(pruning="standard")
        assert {step.total for step in seen} == {84}
        done = [step.done for step in seen]
        assert done == sorted(done)
        assert done[-1] == 84


def test_the_ksampler_twin_is_set_up_as_core_does(
    pack: Any, reloads: list[Any], folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Core's own classes are not in this runtime: what they are given is what counts here."""
    setup = pack.module("nodes.host.sampling.setup")
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

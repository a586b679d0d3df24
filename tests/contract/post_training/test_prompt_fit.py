"""A generator as judge of prompts: the gain in denoising error, micro-batches, memory and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

SEEDS = (3, 4, 5, 6, 7)


class Flow:
    """A flow model's `model_sampling`."""

    def percent_to_sigma(self, share: float) -> float:
        return 1 - share

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent_image: Tensor) -> Tensor:
        sigma = sigma.view(-1, 1, 1, 1)
        return sigma * noise + (1 - sigma) * latent_image

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        return model_input - model_output * sigma.view(-1, 1, 1, 1)


@pytest.fixture
def judge(pack: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands in for core's guider; with the prompt the error is 1 in the velocity, without it `without`."""
    module = pack.module("nodes.host.training.prompt_fit")
    found = SimpleNamespace(without=3.0, noisy=[], batches=[], fits=8, most=99, clean=None)

    class Guider:
        def __init__(self, model: Any) -> None:
            self.model_patcher, self.inner_model = model, SimpleNamespace(model_sampling=Flow())

        def set_conds(self, positive: Any, negative: Any) -> None:
            self.conds = {"positive": positive, "negative": negative}

        def sample(self, noise: Tensor, latents: Tensor, sampler: Any, sigmas: Tensor, **named: Any) -> None:
            assert torch.count_nonzero(noise) == 0
            assert named["seed"] == SEEDS[0]
            extra = {"model_options": {}, "seed": named["seed"]}
            found.clean = 2 * latents  # the model's own scale
            sampler.sample(self, sigmas, extra, None, noise, found.clean, None, True)

    def calc_cond_batch(model: Any, conds: Any, noisy: Tensor, sigma: Tensor, options: Any) -> list[Tensor]:
        if len(noisy) > found.most:
            raise torch.OutOfMemoryError
        assert conds == ["no prompt", "prompt 1"]
        found.noisy.append(noisy)
        found.batches.append(len(noisy))
        start = sum(found.batches[:: len(module.LEVELS)]) - len(noisy)
        clean, scale = found.clean[start : start + len(noisy)], sigma.view(-1, 1, 1, 1)
        return [clean + scale * found.without, clean + scale]

    monkeypatch.setattr(module.comfy.samplers, "CFGGuider", Guider)
    monkeypatch.setattr(module.comfy.samplers, "calc_cond_batch", calc_cond_batch, raising=False)
    monkeypatch.setattr(module, "fitting_batch", lambda *_: found.fits)
    return found


@pytest.fixture
def gains(pack: Any) -> Callable[..., Tensor]:
    """(latents, stepped) → the gains of the second prompt."""
    prompts = pack.module("nodes.host.training.prompt_set").PromptSet(
        ("a", "b"), ("prompt 0", "prompt 1"), "", "no prompt"
    )
    model = SimpleNamespace(get_model_object=lambda _: Flow())

    def measured(latents: Tensor, stepped: Callable[[], None] = lambda: None) -> Tensor:
        fit = pack.module("nodes.host.training.prompt_fit")
        found: Tensor = fit.prompt_gains(model, prompts, 1, latents, SEEDS[: len(latents)], stepped)
        return found

    return measured


def pictures(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 4, 6, 6, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def gain(pack: Any) -> Tensor:
    """Errors of the flow of 3 and 1 at every noise level, squared and weighed as those of the velocity."""
    levels = torch.tensor(pack.module("nodes.host.training.prompt_fit").LEVELS)
    return 8 * (levels.square() + (1 - levels).square()).mean()


def test_the_gain_is_the_difference_of_the_velocity_errors(judge: Any, gains: Any, gain: Tensor) -> None:
    torch.testing.assert_close(gains(pictures(5)), gain.expand(5))
    judge.batches.clear()
    judge.without = 0.5
    assert gains(pictures(5)).lt(0).all()


def test_noise_belongs_to_seed_and_level_alone(pack: Any, judge: Any, gains: Any) -> None:
    levels = pack.module("nodes.host.training.prompt_fit").LEVELS
    gains(pictures(3))
    first = judge.noisy.copy()
    judge.noisy.clear()
    judge.batches.clear()
    gains(pictures(3, seed=1))
    drawn = []
    for level, noisy, other in zip(levels, first, judge.noisy, strict=True):
        noises = [(x - level * 2 * pictures(3, seed)) / (1 - level) for seed, x in enumerate((noisy, other))]
        torch.testing.assert_close(*noises, atol=1e-4, rtol=0)
        drawn.append(noises[0])
    assert torch.stack(drawn).flatten(0, 1).flatten(1).unique(dim=0).shape[0] == 3 * len(levels)
    assert torch.cat(drawn).std() == pytest.approx(1, abs=0.1)


def test_small_batches_give_the_same(judge: Any, gains: Any, gain: Tensor) -> None:
    judge.fits = 2
    torch.testing.assert_close(gains(pictures(5)), gain.expand(5))
    assert judge.batches == [2] * 8 + [1] * 4


def test_a_batch_that_runs_out_of_memory_is_halved(judge: Any, gains: Any, gain: Tensor) -> None:
    judge.fits, judge.most = 5, 2
    torch.testing.assert_close(gains(pictures(5)), gain.expand(5))
    judge.batches.clear()
    judge.most = 0
    with pytest.raises(torch.OutOfMemoryError):
        gains(pictures(5))


def test_cancel_comes_before_every_call_of_the_model(judge: Any, gains: Any) -> None:
    class CancelledError(Exception):
        pass

    def cancel() -> None:
        if len(judge.batches) == 2:
            raise CancelledError

    with pytest.raises(CancelledError):
        gains(pictures(5), cancel)
    assert len(judge.batches) == 2

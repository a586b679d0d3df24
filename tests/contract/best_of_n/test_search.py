"""Nodes "Best-of-N Sampler": searches that steer, on a flow whose picture is as bright as the noise that went into it."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.rewards import Bright
from contract_support.sampling import STEPS, Guider, Noise
from torch import Tensor

SEARCHES = ("paths", "resample")
CALLS = {"paths": 16 * 2 + 3 * (8 * 3 + 2 * 2) + 2, "resample": 16 * STEPS}


class Flow(Guider):
    """Predicts what it can of a picture that is the mean of its noise."""

    def __init__(self) -> None:
        super().__init__()
        sampling = SimpleNamespace(noise_scaling=scaled)
        self.inner_model = SimpleNamespace(model_sampling=sampling)

    def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
        super().__call__(x, sigma, **named)
        left = sigma.reshape(-1, 1, 1, 1)
        return (1 - left + left**2) * x.mean(dim=(1, 2, 3), keepdim=True) + 0 * x


def scaled(sigma: Tensor, noise: Tensor, picture: Tensor, *_: Any) -> Tensor:
    return sigma * noise + (1 - sigma) * picture


class Euler:
    def sample(self, model: Any, sigmas: Tensor, *given: Any, disable_pbar: bool) -> Tensor:
        extra_args, callback, noise, latent, _mask = given
        x = scaled(sigmas[0], noise, latent)
        for step, (sigma, then) in enumerate(pairwise(sigmas)):
            clean = model(x, sigma * torch.ones(len(x)), **extra_args)
            callback(step, clean, x, len(sigmas) - 1)
            x = clean + then / sigma * (x - clean)
        return x

    def max_denoise(self, *_: Any) -> bool:
        return True


class Keen(Bright):
    """Tells pictures further apart."""

    def _scores(self, logits: list[float]) -> Any:
        return super()._scores([50 * logit for logit in logits])


@pytest.fixture
def search(run_sampler: Any, pack: Any) -> Any:
    def run(**inputs: Any) -> Any:
        return run_sampler(**{"guider": Flow(), "sampler": Euler(), "reward": Keen(pack), **inputs})

    return run


@pytest.mark.parametrize("kind", SEARCHES)
def test_winners_say_how_they_were_made_and_are_made_again(search: Any, kind: str) -> None:
    found = search(search=kind, keep=4)
    assert sum(" > " in path for path in found["paths"]) >= 2
    assert found["paths"] == [latent["ganrm_search_path"] for latent in found["latents"]]
    for latent, index, path in zip(found["latents"], found["indices"], found["paths"], strict=True):
        assert f"path of number {index + 1}: {path}" in found["summary"]
        guider = Flow()
        again = search(path=f" {path} ", guider=guider, noise=Noise(99), n=1, search=kind)
        assert torch.equal(again["latents"][0]["samples"], latent["samples"])
        assert again["paths"] == [path]
        assert "made again" in again["summary"]
        assert len(guider.asked) < 2 * STEPS


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_finds_better_with_the_calls_it_promises(search: Any, kind: str) -> None:
    guider = Flow()
    found = search(search=kind, guider=guider)
    assert found["scores"][0] > search()["scores"][0]
    assert guider.asked == [1] * CALLS[kind]
    assert found.ui["work"] == [pytest.approx(CALLS[kind] / (16 * STEPS))]


@pytest.mark.parametrize("kind", SEARCHES)
def test_the_same_is_found_again_and_with_shared_calls(search: Any, kind: str) -> None:
    once, again, shared = (search(search=kind, keep=3, together=size) for size in (1, 1, 5))
    assert torch.equal(once["latents"][0]["samples"], again["latents"][0]["samples"])
    assert once["paths"] == again["paths"] == shared["paths"]


def test_best_of_n_notes_the_seed_alone(search: Any) -> None:
    found = search(keep=2)
    assert found["paths"] == [str(seed) for seed in found["seeds"]]
    assert "path of" not in found["summary"]
    assert f"seed {found['seeds'][0]}" in found["summary"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"search": "paths", "sigmas": torch.linspace(1, 0, 4)}, "at least 4 steps"),
        ({"search": "resample", "stop_below": 0.1}, "cannot stop between rounds"),
        ({"search": "resample", "custom_pruning": "50%: 1/2"}, "pruning of its own"),
        ({"path": "5 > 2"}, "cannot be read"),
        ({"path": "5 > 2 after 40 from 4"}, "the pictures have 10"),
    ],
)
def test_searches_that_cannot_be_are_refused(
    search: Any, errors: Any, inputs: dict[str, Any], message: str
) -> None:
    guider = Flow()
    with pytest.raises(errors.DataError, match=message):
        search(guider=guider, **inputs)
    assert guider.asked == []


def test_masks_that_change_on_the_way_are_refused_for_a_search_only(search: Any, errors: Any) -> None:
    guider = Flow()
    guider.model_options["denoise_mask_function"] = None
    masked = {"samples": torch.zeros(1, 4, 16, 16), "noise_mask": torch.ones(1, 1, 16, 16)}
    with pytest.raises(errors.DataError, match="Differential Diffusion"):
        search(search="paths", guider=guider, latent_image=masked)
    assert search(guider=guider, latent_image=masked)["paths"]
    assert search(search="paths", guider=guider)["paths"]


def test_what_the_mask_leaves_stays(search: Any) -> None:
    """Forks start from the latent given, so a sampler that blends by the mask finds it there."""

    class Masked(Euler):
        def sample(self, model: Any, sigmas: Tensor, *given: Any, disable_pbar: bool) -> Tensor:
            assert bool((given[3] == -0.25).all())
            return super().sample(model, sigmas, *given, disable_pbar=disable_pbar)

    latent = {"samples": torch.full((1, 4, 16, 16), -0.25), "noise_mask": torch.ones(1, 1, 16, 16)}
    assert any(
        " > " in path
        for path in search(search="paths", keep=4, sampler=Masked(), latent_image=latent)["paths"]
    )

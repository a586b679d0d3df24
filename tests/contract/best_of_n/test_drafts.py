"""Nodes "Best-of-N Sampler": drafts, on a model that returns its input, so a step cache skips all but three calls of ten."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from contract_support.sampling import STEPS, Guider, Noise, Stepping, best_seeds
from torch import Tensor

CACHE, FEWER = "step cache", "fewer steps"
CALLS = {  # of the drafts, and of the two made in full
    (CACHE, "off"): 16 * 3 + 2 * (STEPS - 3),
    (CACHE, "standard"): 16 * 3 + 2 * (STEPS - 3),
    (FEWER, "off"): 16 * 4 + 2 * STEPS,
    (FEWER, "standard"): 16 * 2 + 8 * 1 + 4 * 1 + 2 * STEPS,
}


class Drifting(Guider):
    """Its answers differ from step to step, and it draws random numbers, as some patches do."""

    def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
        grain = 0.01 * torch.randn_like(x)
        return super().__call__(x, sigma, **named) * (1 - 0.05 * sigma.reshape(-1, 1, 1, 1)) + grain


@pytest.mark.parametrize(("draft", "pruning"), CALLS)
def test_drafts_find_the_same_with_fewer_calls_and_say_so(run_sampler: Any, draft: str, pruning: str) -> None:
    guider = Guider()
    found = run_sampler(guider=guider, draft=draft, pruning=pruning)
    assert found["seeds"] == best_seeds(1)
    assert guider.asked == [1] * CALLS[draft, pruning]
    assert found.ui["work"] == [pytest.approx(CALLS[draft, pruning] / (16 * STEPS))]
    way = "a step cache" if draft == CACHE else "fewer steps"
    assert f"16 drafted with {way}" in found["summary"]
    assert "2 made in full" in found["summary"]
    assert ("given up half-made" in found["summary"]) == (pruning != "off")
    assert sum(score is not None for score in found.ui["all_scores"]) == 2


@pytest.mark.parametrize("draft", [CACHE, FEWER])
@pytest.mark.parametrize("pruning", ["off", "standard"])
@pytest.mark.parametrize("together", [1, 5])
def test_what_is_kept_is_to_the_bit_what_its_seed_alone_gives(
    run_sampler: Any, draft: str, pruning: str, together: int
) -> None:
    inputs = {"guider": Drifting(), "sampler": Stepping(grain=0.01)}
    found = run_sampler(**inputs, draft=draft, pruning=pruning, keep=2, together=together)
    assert found["paths"] == [str(seed) for seed in found["seeds"]], "the record is the seed alone"
    for latent, seed in zip(found["latents"], found["seeds"], strict=True):
        (alone,) = run_sampler(**inputs, n=1, noise=Noise(seed))["latents"]
        assert torch.equal(latent["samples"], alone["samples"])


def test_calls_that_a_draft_made_exactly_are_not_made_again(run_sampler: Any) -> None:
    guider = Drifting()
    run_sampler(guider=guider, sampler=Stepping(grain=0.01), draft=CACHE, n=4, draft_finals=1)
    drafts, last = guider.asked[: -(STEPS - 3)], guider.asked[-(STEPS - 3) :]
    assert len(drafts) <= 4 * STEPS - 4, "something was skipped"
    assert last == [1] * (STEPS - 3)


def test_a_sampler_that_listens_in_on_its_calls_gets_them_all(run_sampler: Any) -> None:
    class Listening(Stepping):
        """As euler_cfg_pp, which takes what it needs from a function in the model options."""

        def sample(
            self, model: Any, sigmas: Tensor, extra_args: dict[str, Any], *rest: Any, **named: Any
        ) -> Tensor:
            heard = {**extra_args["model_options"]}
            proxy = Heard(model, extra_args["model_options"], heard)
            return super().sample(proxy, sigmas, extra_args, *rest, **named)

    guider = Guider()
    run_sampler(guider=guider, sampler=Listening(), draft=CACHE)
    assert len(guider.asked) == 16 * 3 + 2 * STEPS


class Heard:
    """A model that is called with other options."""

    def __init__(self, model: Any, options: Any, heard: Any) -> None:
        self._model, self.model_options, self._heard = model, options, heard

    def __call__(self, x: Tensor, sigma: Tensor, seed: int, model_options: Any) -> Tensor:
        return self._model(x, sigma, seed=seed, model_options=self._heard)  # type: ignore[no-any-return]


def test_shared_calls_are_for_drafts_only(run_sampler: Any) -> None:
    guider = Guider()
    run_sampler(guider=guider, draft=CACHE, together=8)
    assert guider.asked == [8] * 6 + [1] * 2 * STEPS


def test_stronger_drafts_take_fewer_calls(run_sampler: Any) -> None:
    taken = []
    for strength in ("gentle", "standard", "strong"):
        guider = Guider()
        run_sampler(guider=guider, draft=FEWER, draft_strength=strength)
        taken.append(len(guider.asked))
    assert taken == [16 * 5 + 20, 16 * 4 + 20, 16 * 3 + 20]


def test_the_best_of_more_made_in_full_are_kept(run_sampler: Any) -> None:
    found = run_sampler(draft=FEWER, draft_finals=5, keep=3)
    assert found["seeds"] == best_seeds(3)
    assert "5 made in full" in found["summary"]
    assert len(run_sampler(draft=FEWER, draft_finals=1, keep=3)["seeds"]) == 3


def test_rounds_of_drafts_stop_early_and_then_the_best_are_made(run_sampler: Any) -> None:
    guider = Guider()
    found = run_sampler(guider=guider, draft=FEWER, stop_below=0.999, round_size=4)
    assert len(guider.asked) == 4 * 4 + 2 * STEPS
    assert found["seeds"] == [2]  # seeds 0 to 3 are worth 0, .44, .88, .31
    assert "stopped early" in found["summary"]


def test_a_mask_and_the_latent_reach_drafts_and_pictures(run_sampler: Any) -> None:
    latent = {"samples": torch.full((1, 4, 16, 16), -0.25), "noise_mask": torch.ones(1, 1, 16, 16)}
    plain, drafted = (run_sampler(latent_image=latent, draft=draft)["latents"][0] for draft in ("off", CACHE))
    assert torch.equal(plain["samples"], drafted["samples"])
    assert torch.equal(drafted["noise_mask"], latent["noise_mask"])


def test_the_sheet_shows_drafts_on_the_way_and_at_the_end(run_sampler: Any) -> None:
    assert run_sampler(draft=CACHE, pruning="standard", draw_live=True)["preview"].shape[-1] == 3


def test_progress_runs_to_the_end_and_cancel_ends_every_candidate(
    pack: Any, run_sampler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Any] = []
    cancelled_at = 0

    def report(step: Any) -> None:
        steps.append(step)
        if len(steps) == cancelled_at:
            raise InterruptedError

    monkeypatch.setattr(
        pack.module("nodes.best_of_n.sampler"), "live_progress", lambda *_: nullcontext(report)
    )
    run_sampler(draft=FEWER)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert {step.total for step in steps} == {done[-1]} == {16 * 4 + 2 * STEPS}
    count = len(steps)
    threads = threading.active_count()
    for place in (10, count - 5):  # while drafting, and while the best are made in full
        steps[count:], cancelled_at = [], count + place
        with pytest.raises(InterruptedError):
            run_sampler(draft=FEWER)
        assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"draft": "sketch"}, "no draft 'sketch'"),
        ({"draft": CACHE, "draft_strength": "wild"}, "no draft strength"),
        ({"draft": CACHE, "search": "paths"}, "Set draft: off, or search: best of n"),
        ({"draft": FEWER, "sigmas": torch.linspace(1, 0, 6)}, "at least 6 steps"),
    ],
)
def test_drafts_that_cannot_be_are_refused(
    run_sampler: Any, errors: Any, inputs: dict[str, Any], message: str
) -> None:
    guider = Guider()
    with pytest.raises(errors.DataError, match=message):
        run_sampler(guider=guider, **inputs)
    assert guider.asked == []


def test_a_path_is_made_again_without_drafts(run_sampler: Any) -> None:
    guider = Guider()
    assert run_sampler(guider=guider, draft=CACHE, path="3")["paths"] == ["3"]
    assert len(guider.asked) == STEPS

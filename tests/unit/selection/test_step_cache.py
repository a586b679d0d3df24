from __future__ import annotations

import torch
from torch import Tensor

from ganrm_core.selection.step_cache import StepCache

SIGMAS = torch.linspace(1, 0.05, 20).tolist()


def sampled(threshold: float) -> tuple[list[bool], Tensor]:
    """Which of twenty steps towards a picture called the denoiser, and the end; its picture settles as the noise goes."""
    cache, x, called = StepCache(threshold), torch.ones(1, 1, 2, 2), []
    for place, sigma in enumerate(SIGMAS):
        clean = cache.guess(x)
        called.append(clean is None)
        if clean is None:
            clean = torch.full_like(x, 3 - sigma**2) + 0.1 * sigma * x
            cache.learn(x, clean)
        then = SIGMAS[place + 1] if place + 1 < len(SIGMAS) else 0.0
        x = clean + then / sigma * (x - clean)
    return called, x


def test_a_threshold_of_zero_skips_nothing() -> None:
    called, _ = sampled(0.0)
    assert all(called)


def test_larger_thresholds_skip_more_and_end_further_away() -> None:
    results = [sampled(threshold) for threshold in (0.0, 0.05, 0.2, 0.6)]
    calls = [sum(called) for called, _ in results]
    assert calls == sorted(calls, reverse=True)
    assert len(set(calls)) == 4
    assert all(called[:3] == [True] * 3 for called, _ in results), "the first calls set the ratio"
    ends = [float(end.mean()) for _, end in results]
    assert abs(ends[1] - ends[0]) < abs(ends[3] - ends[0]) < 0.2


def test_what_a_sampler_writes_into_its_tensors_does_not_reach_the_cache() -> None:
    cache, x = StepCache(10.0), torch.ones(1)
    for value in (1.0, 1.5, 2.0):
        x.fill_(value)
        assert cache.guess(x) is None
        answer = 5 * x
        cache.learn(x, answer)
        answer.zero_()
    x.fill_(2.5)
    guess = cache.guess(x)
    assert guess is not None
    assert float(guess) == 10.0
    guess.zero_()
    again = cache.guess(x)
    assert again is not None
    assert float(again) == 10.0


def test_changes_add_up_until_a_call_is_due() -> None:
    cache = StepCache(0.25)
    for value in (0.5, 1.0, 2.0):  # the answer moves as far, so the ratio is one
        cache.guess(torch.tensor([value]))
        cache.learn(torch.tensor([value]), torch.tensor([value]))
    inputs = (2.2, 2.4, 2.6)  # each a tenth of the last answer, 2
    assert [cache.guess(torch.tensor([value])) is None for value in inputs] == [False, False, True]


def test_broken_numbers_are_never_reused() -> None:
    cache = StepCache(1.0)
    for value in (1.0, 2.0, float("nan")):
        assert cache.guess(torch.tensor([value])) is None
        cache.learn(torch.tensor([value]), torch.tensor([value]))
    assert cache.guess(torch.tensor([3.0])) is None

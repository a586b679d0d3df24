"""Growth over the last half of a long run."""

from __future__ import annotations

import numpy as np

from benchmarks.server_runs.trend import trend

PROMPTS = list(range(0, 2000, 25))


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 4, len(PROMPTS))


def test_a_rise_that_ends_in_the_first_half_is_flat() -> None:
    values = [900 + min(prompts, 900) / 3 + each for prompts, each in zip(PROMPTS, noise(), strict=True)]
    found = trend(PROMPTS, values)
    assert found
    assert found.low < 0 < found.high
    assert found.is_flat(0)


def test_a_leak_is_seen_through_the_noise() -> None:
    values = [900 + prompts / 50 + each for prompts, each in zip(PROMPTS, noise(), strict=True)]
    found = trend(PROMPTS, values)
    assert found
    assert found.low < 20 < found.high
    assert not found.is_flat(5)


def test_a_rise_below_the_limit_is_flat_and_few_samples_tell_nothing() -> None:
    rising = [prompts / 1000 for prompts in PROMPTS]
    found = trend(PROMPTS, rising)
    assert found
    assert found.low > 0.9
    assert found.is_flat(5)
    assert trend(PROMPTS[:10], rising[:10]) is None

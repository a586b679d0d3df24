"""Which samples are learnt from, and which groups are held out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from unit_support.toy_generator import make_groups

from ganrm_core.post_training.choices import choose


@pytest.mark.parametrize(("prompts", "rounds"), [(1, 16), (2, 8), (8, 4), (9, 8), (16, 2), (24, 1)])
def test_an_eighth_is_held_out_evenly_over_the_prompts(prompts: int, rounds: int) -> None:
    groups, total = make_groups(), prompts * rounds
    many = [replace(groups.groups[n % len(groups.groups)], prompt=n % prompts) for n in range(total)]
    choice = choose(replace(groups, groups=tuple(many)), keep=1, paired=False)
    held_out = Counter(example.prompt for example in choice.held_out)
    assert sum(held_out.values()) == total // 8
    assert max(held_out.values()) - min(held_out[prompt] for prompt in range(prompts)) <= 1
    assert {each.group for each in choice.held_out}.isdisjoint(each.group for each in choice.train)
    if rounds > 1:
        assert {each.prompt for each in choice.train} == set(range(prompts))

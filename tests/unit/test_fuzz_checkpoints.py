"""Mutated model files: each gives finite scores, or is refused in one clear line."""

from __future__ import annotations

import pytest
from fuzz_support.checkpoint_cases import checkpoint_case, checkpoint_faults, put, remove
from fuzz_support.checkpoint_seeds import Seeds

CASES = 200


@pytest.mark.parametrize("name", [*Seeds.checkpoints, Seeds.recipe, Seeds.companion])
def test_whole_files_are_read(name: str, model_files: Seeds) -> None:
    assert checkpoint_faults(model_files.folder / name, model_files) == ("read", [])


def test_mutated_files_give_scores_or_are_refused_clearly(model_files: Seeds) -> None:
    for number in range(CASES):
        case = checkpoint_case(number, model_files)
        path = put(case, model_files)
        _, faults = checkpoint_faults(path, model_files)
        assert not faults, f"python -m benchmarks.fuzz --checkpoint {number}: {case.done}"
        remove(path)

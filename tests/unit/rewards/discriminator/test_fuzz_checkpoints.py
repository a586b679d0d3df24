"""Mutated model files: each gives finite scores, or is refused in one clear line."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from fuzz_support.checkpoint_cases import checkpoint_case, checkpoint_faults, put, remove
from fuzz_support.checkpoint_seeds import Seeds

from ganrm_core.rewards.discriminator import backbone_match

CASES = 200


@pytest.fixture(autouse=True)
def _backbone_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Building it is most of the time that loading takes. Copies, because an adapter is merged into what is loaded.
    built: dict[str, Any] = {}
    load = backbone_match.load_backbone

    def load_once(name: str, **options: Any) -> Any:
        if name not in built:
            built[name] = load(name, **options)
        return deepcopy(built[name])

    monkeypatch.setattr(backbone_match, "load_backbone", load_once)


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

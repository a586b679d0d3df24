"""The audit of drawings, icons, line art, product shots and screenshots: what they show is no leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganrm_core.data.image_io import read_image
from ganrm_core.leakage.audit import permutation_test
from ganrm_core.leakage.audit.audit import audit_files
from ganrm_core.leakage.forensics.file_stats import FileStats, file_stats
from ganrm_core.leakage.neutralisation import make_neutraliser
from ganrm_core.synthetic.drawings import KINDS, draw_folder

COUNT = 40
TASTE = np.arange(COUNT) % 2
MAY_BE_TASTE = {"sharpness", "overall colour"}
ALONE = np.arange(COUNT)


@pytest.fixture(scope="module", params=KINDS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """PNGs of a kind, every other one to the taste."""
    folder = tmp_path_factory.mktemp("drawn")
    return draw_folder(folder, request.param, {seed: bool(seed % 2) for seed in range(COUNT)}, side=96)


@pytest.fixture(scope="module")
def facts(drawn: list[Path]) -> list[FileStats]:
    return [file_stats(path, read_image(path)) for path in drawn]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer permutations, so that no leak is overlooked, only sooner found."""
    monkeypatch.setattr(permutation_test, "PERMUTATIONS", 99)


def test_a_random_split_raises_no_alarm(facts: list[FileStats]) -> None:
    for seed in range(2):
        labels = np.random.default_rng(seed).permutation(TASTE)
        assert audit_files(facts, labels, ALONE, seed=seed).warnings == []


@pytest.mark.usefixtures("quick")
def test_a_taste_is_never_neutralised(facts: list[FileStats]) -> None:
    audit = audit_files(facts, TASTE, ALONE)
    assert {family.name for family in audit.families if family.separates} <= MAY_BE_TASTE
    assert make_neutraliser("auto", audit, facts, TASTE).families == ()

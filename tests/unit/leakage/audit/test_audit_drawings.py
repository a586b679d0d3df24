"""The audit of drawings, icons, line art, product shots and screenshots: what they show is no leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from ganrm_core.data.image_io import read_image
from ganrm_core.data.splits import IntArray
from ganrm_core.leakage.audit import permutation_test
from ganrm_core.leakage.audit.audit import Audit, audit_files
from ganrm_core.leakage.forensics.file_stats import FileStats, file_stats
from ganrm_core.leakage.neutralisation import make_neutraliser
from ganrm_core.synthetic.drawings import KINDS, draw_folder

COUNT = 60
TASTE = np.arange(COUNT) % 2
MAY_BE_TASTE = {"sharpness", "overall colour"}
ALONE = np.arange(COUNT)


@pytest.fixture(scope="module", params=KINDS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """PNGs of a kind, every other one to the taste."""
    folder = tmp_path_factory.mktemp("drawn")
    return draw_folder(folder, request.param, {seed: bool(seed % 2) for seed in range(COUNT)}, side=112)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer relabellings, so that no leak is overlooked, only sooner found."""
    monkeypatch.setattr(permutation_test, "PERMUTATIONS", 99)


def facts_of(paths: list[Path]) -> list[FileStats]:
    return [file_stats(path, read_image(path)) for path in paths]


def separating(audit: Audit) -> set[str]:
    return {family.name for family in audit.families if family.separates}


def evened(audit: Audit, facts: list[FileStats], labels: IntArray) -> tuple[str, ...]:
    return make_neutraliser("auto", audit, facts, labels).families


def test_a_random_split_raises_no_alarm(drawn: list[Path]) -> None:
    facts = facts_of(drawn)
    for seed in range(3):
        labels = np.random.default_rng(seed).permutation(TASTE)
        assert audit_files(facts, labels, ALONE, seed=seed).warnings == []


@pytest.mark.usefixtures("quick")
def test_a_taste_is_never_evened_out(drawn: list[Path]) -> None:
    facts = facts_of(drawn)
    audit = audit_files(facts, TASTE, ALONE)
    assert separating(audit) <= MAY_BE_TASTE
    assert evened(audit, facts, TASTE) == ()


@pytest.mark.usefixtures("quick")
def test_a_frame_around_one_folder_is_evened_out(drawn: list[Path], tmp_path: Path) -> None:
    paths = [tmp_path / path.name for path in drawn]
    for path, framed, liked in zip(drawn, paths, TASTE, strict=True):
        ImageOps.expand(Image.open(path), 0 if liked else 6, (70, 20, 90)).save(framed)
    facts = facts_of(paths)
    audit = audit_files(facts, TASTE, ALONE)
    assert "borders" in evened(audit, facts, TASTE)

"""`ganrm refine`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.training.feature_archive import archive_path
from ganrm_core.training.self_training import refinement, rounds

Refine = Callable[..., Any]


@pytest.fixture(scope="module")
def model(sets: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "taste.safetensors"
    sets.train().model.save(path)
    return path


@pytest.fixture
def run(sets: Any, make_folder: Callable[..., Path], ganrm: Callable[..., Any], tmp_path: Path) -> Refine:
    pool = make_folder(tmp_path / "pool", "ordinary", 20, first=50)

    def refine(model: Path, output: Path, *options: object) -> Any:
        backbone = sets.settings.backbone
        return ganrm("refine", model, "--backbone", backbone, "--pool", pool, "--output", output, *options)

    return refine


def test_writes_a_model_with_its_features_and_refines_that(
    model: Path, run: Refine, sets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "ranks_better", lambda *_: True)
    output, folders = (
        tmp_path / "new" / "better.safetensors",
        ("--liked", sets.liked, "--ordinary", sets.ordinary),
    )
    ran = run(model, output, *folders, "--rounds", 1, "--keep-features")
    assert ran.code == 0, ran.err
    assert "1 round was kept" in ran.out
    assert archive_path(output).is_file()
    ran = run(output, tmp_path / "c.safetensors", "--json", "--bottom-only", "--rounds", 2)
    assert ran.code == 0, ran.err
    told = ran.json[-1]
    assert told["improved"]
    assert told["n_pool"] == 20
    assert len(told["rounds"]) == 2


def test_says_what_is_missing_and_writes_nothing(model: Path, run: Refine, tmp_path: Path) -> None:
    ran = run(model, tmp_path / "new" / "better.safetensors")
    assert ran.code == 2
    assert "--keep-features" in ran.err
    assert not (tmp_path / "new").exists()


def test_cancelled_leaves_nothing(
    model: Path, run: Refine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(refinement, "known_pictures", interrupted)
    ran = run(model, tmp_path / "new" / "better.safetensors")
    assert ran.code == 130
    assert "The refinement is lost; no file was written." in ran.err
    assert not (tmp_path / "new").exists()

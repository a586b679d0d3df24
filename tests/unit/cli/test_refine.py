"""`ganrm refine`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit_support.workspace import Workspace

from ganrm_core.training.feature_archive import archive_path
from ganrm_core.training.self_training import refinement, rounds

Refine = Callable[..., Any]


@pytest.fixture
def refine(work: Workspace, make_folder: Any) -> Refine:
    pool = make_folder(work.root / "pool", "ordinary", 20, first=50)

    def run(model: Path, output: Path, *options: object) -> Any:
        backbone = f"file:{work.backbone}"
        return work.ganrm(
            *("refine", model, "--backbone", backbone, "--pool", pool, "--output", output, *options)
        )

    return run


def test_writes_a_model_with_its_features_and_refines_that(
    refine: Refine, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "ranks_better", lambda *_: True)
    output = work.root / "new" / "better.safetensors"
    ran = refine(work.model, output, *work.sets, "--rounds", 1, "--keep-features")
    assert ran.code == 0, ran.err
    assert "1 round was kept" in ran.out
    assert archive_path(output).is_file()
    ran = refine(output, work.root / "c.safetensors", "--json", "--bottom-only", "--rounds", 2)
    assert ran.code == 0, ran.err
    told = ran.json[-1]
    assert told["improved"]
    assert (told["n_pool"], len(told["rounds"])) == (20, 2)


def test_missing_features_and_ctrl_c_leave_nothing(
    refine: Refine, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    output = work.root / "new" / "better.safetensors"
    ran = refine(work.model, output)
    assert (ran.code, "--keep-features" in ran.err) == (2, True)
    monkeypatch.setattr(refinement, "known_pictures", interrupted)
    ran = refine(work.model, output)
    assert ran.code == 130
    assert "The refinement is lost; no file was written." in ran.err
    assert not output.parent.exists()

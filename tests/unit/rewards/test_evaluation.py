"""Evaluation of a reward on two sets of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.base import Scores
from ganrm_core.rewards.evaluation import evaluate
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress


class ByName:
    """Its score is the file's name; it cannot read what is no number."""

    name, thresholds = "by name", {"balanced": 0.4}

    def score_files(self, paths: list[Path], skipped: list[Skipped]) -> Any:
        for path in paths:
            try:
                score = torch.tensor([float(path.name)])
            except ValueError:
                skipped.append(Skipped(path, "no number"))
            else:
                yield path, Scores(10 * score, score, 0 * score)


def test_metrics_scores_and_skipped_files() -> None:
    reward: Any = ByName()
    steps: list[Progress] = []
    liked, ordinary = [Path("0.9"), Path("0.3"), Path("x")], [Path("0.1"), Path("0.5"), Path("0.2")]
    found = evaluate(reward, liked, ordinary, progress=steps.append)
    assert [path.name for path in found.paths] == ["0.9", "0.3", "0.1", "0.5", "0.2"]
    assert found.labels.tolist() == [1, 1, 0, 0, 0]
    assert found.scores == pytest.approx([0.9, 0.3, 0.1, 0.5, 0.2])
    assert found.logits == pytest.approx([9, 3, 1, 5, 2])
    assert found.metrics.auc.value == pytest.approx(5 / 6)
    assert [entry.path.name for entry in found.skipped] == ["x"]
    assert (steps[-1].done, steps[-1].total) == (6, 6)


def test_a_set_without_a_readable_picture() -> None:
    reward: Any = ByName()
    for liked, ordinary, name in (("x", "1", "liked"), ("1", "x", "ordinary")):
        with pytest.raises(DataError, match=f"None of the {name} pictures could be read"):
            evaluate(reward, [Path(liked)], [Path(ordinary)])

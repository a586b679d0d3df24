"""Best of N in Python: any reward, tensors or files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ganrm_core import RewardModel, best_of_n
from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.base import Images, Reward, Scores
from ganrm_core.utils.errors import DataError, ImageError
from ganrm_core.utils.progress import ProgressCallback, no_progress


class Brightness:
    """The smallest reward there can be."""

    name = "brightness"
    thresholds: Mapping[str, float] = {}

    def __init__(self) -> None:
        self.asked: Any = None

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        self.asked = prompts
        logit = torch.stack([image.mean() for image in images])
        return Scores(logit, torch.sigmoid(logit * 8 - 4), torch.zeros_like(logit))

    def score_files(self, paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[tuple[Path, Scores]]:
        for path in paths:
            yield path, self.score(to_float(read_image(path)))


def grey(*levels: float) -> torch.Tensor:
    return torch.tensor(levels).reshape(-1, 1, 1, 1).expand(-1, 4, 4, 3)


def test_any_reward_will_do() -> None:
    reward = Brightness()
    assert isinstance(reward, Reward)
    result = best_of_n(reward, grey(0.2, 0.9, 0.5), keep=2, prompts=["a", "b", "c"])
    assert result.kept == (1, 2)
    assert result.selection.rejected == (0,)
    assert result.selection.ranks == (3, 1, 2)
    assert len(result.scores) == 3
    assert reward.asked == ["a", "b", "c"]


def test_groups_and_least_scores() -> None:
    images = grey(0.1, 0.2, 0.9, 0.8)
    assert best_of_n(Brightness(), images, group_size=2).kept == (1, 2)
    assert best_of_n(Brightness(), images, groups=["a", "b", "b", "a"]).kept == (3, 2)
    assert best_of_n(Brightness(), images, group_size=2, min_score=0.5).kept == (2,)
    assert best_of_n(Brightness(), images, group_size=2, min_score=0.5, min_keep=1).kept == (1, 2)
    assert best_of_n(Brightness(), images, keep=3, order="as they came").kept == (1, 2, 3)


def test_what_is_too_close_to_call() -> None:
    result = best_of_n(Brightness(), grey(0.5, 0.9, 0.95, 0.2, 0.9, 0.1), group_size=3)
    assert result.close == ((2, 1), ())
    assert best_of_n(Brightness(), grey(0.5, 0.9, 0.95), ties="surer first").kept == (2,)


def test_a_real_model_on_tensors_and_on_files(
    model: RewardModel, draw: Callable[[str, int], Image.Image], tmp_path: Path
) -> None:
    kinds = ["ordinary", "liked", "ordinary", "ordinary", "ordinary", "liked"]
    paths = []
    for number, kind in enumerate(kinds):
        paths.append(tmp_path / f"{number}.png")
        draw(kind, 60 + number).save(paths[-1])
    by_file = best_of_n(model, paths, group_size=3)
    by_tensor = best_of_n(model, [to_float(read_image(path)) for path in paths], group_size=3)
    assert by_file.kept == by_tensor.kept == (1, 5)
    torch.testing.assert_close(by_file.scores.logit, by_tensor.scores.logit)


def test_what_cannot_be_chosen_from(model: RewardModel) -> None:
    with pytest.raises(ImageError, match="no images"):
        best_of_n(model, torch.empty(0, 8, 8, 3))
    with pytest.raises(DataError, match="keep is 0"):
        best_of_n(Brightness(), grey(0.5), keep=0)
    with pytest.raises(DataError, match="3 candidates but 2 groups"):
        best_of_n(Brightness(), grey(0.1, 0.2, 0.3), groups=["a", "b"])

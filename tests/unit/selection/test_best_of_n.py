"""`best_of_n` with any reward, on tensors and files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from unit_support.rewards import Brightness, grey

from ganrm_core import best_of_n
from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.rewards.base import Reward, Scores
from ganrm_core.selection.settings import SelectionSettings
from ganrm_core.utils.errors import DataError, ImageError

NAN, INF = math.nan, math.inf


def test_any_reward_will_do() -> None:
    reward = Brightness()
    assert isinstance(reward, Reward)
    result = best_of_n(reward, grey(0.2, 0.9, 0.5), keep=2, prompts=["a", "b", "c"])
    assert (result.kept, result.selection.rejected, result.selection.ranks) == ((1, 2), (0,), (3, 1, 2))
    assert len(result.scores) == 3
    assert reward.prompts == ["a", "b", "c"]
    assert result.invalid == result.spoilt == {}


def test_settings_are_given_by_name_or_as_one() -> None:
    images = grey(0.1, 0.2, 0.9, 0.8)
    assert best_of_n(Brightness(), images, groups=["a", "b", "b", "a"]).kept == (3, 2)
    assert best_of_n(Brightness(), images, group_size=2, min_score=0.5, min_keep=1).kept == (1, 2)
    assert best_of_n(Brightness(), images, keep=3, order="as they came").kept == (1, 2, 3)
    assert best_of_n(Brightness(), images, SelectionSettings(keep=3), order="as they came").kept == (1, 2, 3)
    assert best_of_n(Brightness(), images, ties="surer first").close == ((2, 3),)


def test_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, level in ((paths[0], 50), (paths[2], 200)):
        Image.new("RGB", (8, 8), (level, level, level)).save(path)
    paths[1].write_bytes(b"no picture")
    result = best_of_n(Brightness(), [*map(str, paths), paths[0]], keep=5)
    assert result.kept == (2, 0, 4)
    assert set(result.invalid) == {1, 3}
    assert all(why.startswith("it cannot be read: ") for why in result.invalid.values())
    single = best_of_n(Brightness(), paths[2])
    by_tensor = best_of_n(Brightness(), to_float(read_image(paths[2])))
    assert torch.equal(single.scores.logit, by_tensor.scores.logit)
    with pytest.raises(ImageError, match=r"No picture could be read.*1\.png"):
        best_of_n(Brightness(), [paths[1], paths[3]])


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_an_invalid_picture_costs_the_others_nothing(bad: float) -> None:
    pixels = grey(0.2, 0.9, 0.5)
    pixels[1, 2, 2, 0] = bad
    as_list = [pixels[0].numpy(), pixels[1], pixels[[2]]]
    for images in (pixels, pixels.movedim(-1, 1), pixels.numpy(), as_list):
        result = best_of_n(Brightness(), images, keep=3)  # type: ignore[arg-type]
        assert result.kept == (2, 0)
        assert result.selection.ranks == (2, 3, 1)
        assert result.invalid == {1: "it holds NaN or infinite values"}
        assert result.scores.logit.tolist() == [pytest.approx(0.2), -INF, pytest.approx(0.5)]
        assert result.scores.score[1] == result.scores.uncertainty[1] == 0
        assert result.close == ((),)


class Broken(Brightness):
    """Gives bright pictures no finite logit."""

    def score(self, *args: Any, **options: Any) -> Scores:
        scores = super().score(*args, **options)
        logit = scores.logit.masked_fill(scores.logit > 0.8, NAN)
        return Scores(logit, scores.score, scores.uncertainty)


def test_a_score_that_is_not_finite() -> None:
    result = best_of_n(Broken(), grey(0.2, 0.9))
    assert (result.kept, result.invalid) == ((0,), {1: "it has no finite score"})
    with pytest.raises(DataError, match="None of the 2 candidates was given a finite score"):
        best_of_n(Broken(), grey(0.9, 0.95))


@pytest.mark.parametrize(
    ("images", "settings", "error", "message"),
    [
        (torch.empty(0, 8, 8, 3), {}, ImageError, "no images"),
        (grey(0.5), {"keep": 0}, DataError, "keep is 0"),
        (grey(0.1, 0.2, 0.3), {"groups": "ab"}, DataError, "3 candidates but 2 groups"),
        (grey(NAN, INF), {}, ImageError, "All 2 pictures hold NaN or inf.*half precision.*fp32"),
        (list(grey(NAN, 0.5, 200.0)), {}, ImageError, "Image 3 of 3"),
    ],
)
def test_errors(images: Any, settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        best_of_n(Brightness(), images, **settings)

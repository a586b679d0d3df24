"""Spoilt candidates in the library: NaN or infinite pixels and scores, and files that cannot be read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganrm_core import best_of_n
from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.data.image_tensors import as_images
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.data.streaming import stream_images
from ganrm_core.rewards.base import Images, Scores
from ganrm_core.selection.close_calls import SPOILT
from ganrm_core.selection.non_finite import is_spoilt, spoilt_in_words
from ganrm_core.selection.ranking import select_best
from ganrm_core.utils.errors import DataError, ImageError
from ganrm_core.utils.progress import ProgressCallback, no_progress

NAN, INF = math.nan, math.inf


class Brightness:
    """The logit is the mean of all pixels."""

    name = "brightness"
    thresholds: Mapping[str, float] = {}

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        del prompts, progress
        logit = torch.stack([image.mean() for image in as_images(images)])
        return Scores(logit, torch.sigmoid(logit * 8 - 4), torch.zeros_like(logit))

    def score_files(self, paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[tuple[Path, Scores]]:
        for place, image in stream_images(paths, skipped=skipped):
            yield paths[place], self.score([to_float(image)])


def grey(*levels: float) -> torch.Tensor:
    return torch.tensor(levels).reshape(-1, 1, 1, 1).repeat(1, 5, 6, 3)


class TestWhatIsSpoilt:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
    def test_one_value_is_enough_in_any_precision(self, dtype: torch.dtype) -> None:
        for bad in (NAN, INF, -INF):
            picture = torch.rand(5, 7, 3).to(dtype)
            assert not is_spoilt(picture)
            picture[4, 6, 2] = bad
            assert is_spoilt(picture)

    def test_what_overflows_when_summed_is_not(self) -> None:
        assert not is_spoilt(torch.full((64, 64, 3), 60000.0, dtype=torch.float16))

    def test_arrays_whole_numbers_and_nothing(self) -> None:
        assert is_spoilt(np.array([0.0, NAN]))
        for fine in (
            np.zeros(3),
            np.zeros(3, np.uint8),
            torch.zeros(3, dtype=torch.uint8),
            torch.zeros(0),
            "a.png",
        ):
            assert not is_spoilt(fine)


class TestSelection:
    def test_last_in_its_group_and_never_kept(self) -> None:
        logits = [SPOILT, 2.0, -3.0, SPOILT, SPOILT, 1.0]
        chosen = select_best(logits, keep=3, group_size=3)
        assert chosen.kept == (1, 2, 5)
        assert chosen.rejected == (0, 3, 4)
        assert chosen.ranks == (3, 1, 2, 2, 3, 1)
        assert chosen.spoilt == (0, 3, 4)

    def test_no_minimum_number_brings_it_back(self) -> None:
        chosen = select_best([SPOILT, 0.0], keep=2, scores=[0.0, 0.5], min_score=0.9, min_keep=2)
        assert chosen.kept == (1,)

    @pytest.mark.parametrize("bad", [NAN, INF])
    def test_other_logits_that_are_no_number_are_a_fault_of_the_caller(self, bad: float) -> None:
        with pytest.raises(DataError, match="Candidate 1 has the score"):
            select_best([0.0, bad])

    def test_in_words(self) -> None:
        assert spoilt_in_words([]) == ""
        assert spoilt_in_words([1]) == "2 is spoilt (NaN or infinite values)"
        assert spoilt_in_words([1, 4]) == "2 and 5 are spoilt (NaN or infinite values)"
        assert spoilt_in_words(range(9)) == "1, 2, 3 and 6 more are spoilt (NaN or infinite values)"


class TestBestOfN:
    @pytest.mark.parametrize("bad", [NAN, INF, -INF])
    @pytest.mark.parametrize("kind", ["batch", "channels first", "array", "list"])
    def test_one_costs_the_others_nothing(self, kind: str, bad: float) -> None:
        pixels = grey(0.2, 0.9, 0.5)
        pixels[1, 2, 2, 0] = bad
        images: Any = {
            "batch": pixels,
            "channels first": pixels.movedim(-1, 1),
            "array": pixels.numpy(),
            "list": [pixels[0].numpy(), pixels[1], pixels[[2]]],
        }[kind]
        result = best_of_n(Brightness(), images, keep=3)
        assert result.kept == (2, 0)
        assert result.selection.ranks == (2, 3, 1)
        assert result.selection.spoilt == (1,)
        assert result.spoilt == {1: "it holds NaN or infinite values"}
        assert result.scores.logit.tolist() == [pytest.approx(0.2), -INF, pytest.approx(0.5)]
        assert result.scores.score[1] == result.scores.uncertainty[1] == 0
        assert result.close == ((),)

    def test_without_one_nothing_is_spoilt(self) -> None:
        assert best_of_n(Brightness(), grey(0.2, 0.9)).spoilt == {}

    def test_a_score_that_is_no_number(self) -> None:
        class Broken(Brightness):
            def score(self, *args: Any, **options: Any) -> Scores:
                scores = super().score(*args, **options)
                return Scores(
                    scores.logit.masked_fill(scores.logit > 0.8, NAN), scores.score, scores.uncertainty
                )

        result = best_of_n(Broken(), grey(0.2, 0.9))
        assert (result.kept, result.spoilt) == ((0,), {1: "it has no finite score"})
        with pytest.raises(DataError, match="None of the 2 candidates was given a finite score"):
            best_of_n(Broken(), grey(0.9, 0.95))

    def test_all_of_them(self) -> None:
        with pytest.raises(
            ImageError, match=r"All 2 pictures hold NaN or infinite values.*half precision.*fp32"
        ):
            best_of_n(Brightness(), grey(NAN, INF))

    def test_other_faults_keep_their_number(self) -> None:
        with pytest.raises(ImageError, match="Image 3 of 3"):
            best_of_n(Brightness(), list(grey(NAN, 0.5, 200.0)))

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        paths = [tmp_path / f"{number}.png" for number in range(4)]
        for path, level in ((paths[0], 50), (paths[2], 200)):
            Image.new("RGB", (8, 8), (level, level, level)).save(path)
        paths[1].write_bytes(b"no picture")
        result = best_of_n(Brightness(), [*map(str, paths), paths[0]], keep=5)
        assert result.kept == (2, 0, 4)
        assert set(result.spoilt) == {1, 3}
        assert all(why.startswith("it cannot be read: ") for why in result.spoilt.values())
        single = best_of_n(Brightness(), paths[2])
        assert single.scores.logit.tolist() == [pytest.approx(float(to_float(read_image(paths[2])).mean()))]
        with pytest.raises(ImageError, match=r"No picture could be read.*1\.png"):
            best_of_n(Brightness(), [paths[1], paths[3]])

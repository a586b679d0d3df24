from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganrm_core.leakage import invariance_test
from ganrm_core.leakage.invariance_test import InvarianceTest, ScoreImages, measure_invariance
from ganrm_core.leakage.perturbations import SAME_PICTURE, same_pixels
from ganrm_core.metrics.binary import FloatArray
from ganrm_core.utils.progress import Progress, no_progress

LABELS = np.repeat([1, 0], 25)
ScoreBy = Callable[[Callable[[int], dict[str, float]]], ScoreImages]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    made = []
    for index in range(50):
        path = folder / f"{index}.png"
        Image.fromarray(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)).save(path)
        made.append(path)
    return made


def judge(measure: Callable[[Tensor], float]) -> ScoreImages:
    """A logit that spreads by 1 from picture to picture, plus what `measure` sees in the file."""
    spread = np.random.default_rng(1).standard_normal(len(LABELS))
    return lambda images, position: np.array([spread[position] + measure(image) for image in images])


@pytest.fixture
def judge_of(monkeypatch: pytest.MonkeyPatch) -> ScoreBy:
    """A judge for twins that are told by their height: by how much it scores each kind lower, at each position."""
    names = list(SAME_PICTURE)
    for place, name in enumerate(names):
        monkeypatch.setitem(SAME_PICTURE, name, lambda image, place=place: image[:, : 48 - place])
    spread = np.random.default_rng(1).standard_normal(len(LABELS))

    def of(moves: Callable[[int], dict[str, float]]) -> ScoreImages:
        def judged(images: Sequence[Tensor], position: int) -> FloatArray:
            twins = [names[48 - image.shape[-2]] for image in images[1:]]
            return spread[position] - np.array([0.0, *(moves(position).get(name, 0.0) for name in twins)])

        return judged

    return of


def roughness(image: Tensor) -> float:
    return float(image.float().diff(dim=-1).abs().mean() / 255)


def test_a_model_that_sees_the_picture_alone_is_clean(paths: list[Path]) -> None:
    result = measure_invariance(paths, LABELS, judge(lambda _: 0.0), progress=no_progress)
    assert result.word == "clean"
    assert result.pictures == 16, "more could not change the verdict"
    assert {each.name for each in result.results} == set(SAME_PICTURE)
    assert {(each.outranks, each.shift, each.wobble) for each in result.results} == {(0.5, 0.0, 0.0)}


@pytest.mark.parametrize(
    ("factor", "word"), [(30.0, "prefers uncompressed files"), (-30.0, "prefers compressed files")]
)
def test_a_model_that_sees_compression_is_found_out(factor: float, word: str, paths: list[Path]) -> None:
    result = measure_invariance(paths, LABELS, judge(lambda i: factor * roughness(i)), progress=no_progress)
    assert result.word == word
    assert "JPEG" in result.sentence or "WebP" in result.sentence
    by_name = {each.name: each for each in result.results}
    assert by_name["JPEG 75"].outranks == (1.0 if factor > 0 else 0.0)
    assert by_name["JPEG 75"].shift * factor > 0
    assert by_name["PNG"].shift == 0


def test_a_model_that_sees_size(paths: list[Path]) -> None:
    result = measure_invariance(paths, LABELS, judge(lambda i: float(i.shape[-1])), progress=no_progress)
    assert result.word == "reacts to size"


def test_a_taste_for_crispness_is_called_taste(paths: list[Path]) -> None:
    def crispness(image: Tensor) -> float:
        return 4.0 if roughness(image) > 0.14 else 0.0

    result = measure_invariance(paths, LABELS, judge(crispness), progress=no_progress)
    assert result.word == "prefers crisp pictures"
    assert "taste" in result.sentence


@pytest.mark.parametrize("strength", [0.0, 3.0, 30.0])
def test_of_both_classes_as_many_are_judged(strength: float, paths: list[Path]) -> None:
    asked: list[int] = []
    whole = judge(lambda image: strength * roughness(image))

    def one(images: Sequence[Tensor], position: int) -> FloatArray:
        asked.append(position)
        assert all(image.dtype == torch.uint8 for image in images)
        return whole(images, position)

    result = measure_invariance(paths, LABELS, one, progress=no_progress)
    assert len(set(asked)) == len(asked) == result.pictures
    assert 2 * sum(LABELS[asked]) == result.pictures


def test_a_twin_that_moves_one_way_is_not_hidden_by_one_that_jumps(
    paths: list[Path], judge_of: ScoreBy
) -> None:
    one = judge_of(lambda position: {"JPEG 75": 0.8, "WebP 80": 5.0 if position % 5 == 0 else -0.1})
    result = measure_invariance(paths, LABELS, one, progress=no_progress)
    assert result.word == "prefers uncompressed files"
    assert "JPEG 75" in result.sentence


def test_a_shift_that_only_luck_could_hide_is_looked_at_in_all_pictures(paths: list[Path]) -> None:
    luck = np.random.default_rng(2)

    def nervous(image: Tensor) -> float:
        return float(luck.normal(0.3, 0.5)) if image.shape[-1] != 48 else 0.0

    assert measure_invariance(paths, LABELS, judge(nervous), progress=no_progress).pictures == 40


def test_only_of_what_is_not_clear_more_is_looked_at(paths: list[Path]) -> None:
    asked: list[int] = []
    luck = np.random.default_rng(4)
    spread = np.random.default_rng(1).standard_normal(len(LABELS))

    def one(images: Sequence[Tensor], position: int) -> FloatArray:
        asked.append(len(images))
        larger = np.array([image.shape[-1] > 48 for image in images])
        return spread[position] + larger * luck.normal(0.3, 0.5)

    result = measure_invariance(paths, LABELS, one, progress=no_progress)
    assert (result.pictures, len(asked)) == (40, 40)
    changed = len(SAME_PICTURE) - len(("PNG", "colour tags"))
    assert asked == [1 + changed] * 16 + [2] * 24, "only the larger ones"
    assert {each.name: each.wobble > 0 for each in result.results} == {
        name: name == "2 % larger" for name in SAME_PICTURE
    }


@pytest.mark.parametrize(
    ("clear", "doubtful", "pictures"),
    [("JPEG 75", "shifted by a pixel", 16), ("shifted by a pixel", "JPEG 75", 40)],
)
def test_once_a_verdict_stands_only_what_could_come_before_it_is_looked_at(
    clear: str, doubtful: str, pictures: int, paths: list[Path], judge_of: ScoreBy
) -> None:
    """Compression is named before framing."""
    one = judge_of(lambda position: {clear: 3.0, doubtful: (1.0, -0.5)[position % 2]})
    result = measure_invariance(paths, LABELS, one, progress=no_progress)
    assert result.pictures == pictures
    assert result.word == ("prefers uncompressed files" if clear == "JPEG 75" else "reacts to framing")


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.35, 0.4, 0.6, 1.5])
@pytest.mark.parametrize("wobble", [0.1, 0.4, 0.8])
def test_looking_at_fewer_pictures_changes_no_verdict(
    shift: float, wobble: float, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wobble`: by how much the shift differs from picture to picture."""
    spread = np.random.default_rng(1).standard_normal(len(LABELS))
    moved = np.random.default_rng(2).normal(shift, wobble, len(LABELS))

    def one(images: Sequence[Tensor], position: int) -> FloatArray:
        changed = np.array([not same_pixels(image, images[0]) for image in images])
        return spread[position] - changed * moved[position]

    early = measure_invariance(paths, LABELS, one, progress=no_progress)
    monkeypatch.setattr(invariance_test, "_FEWEST", 40)
    full = measure_invariance(paths, LABELS, one, progress=no_progress)
    assert full.pictures == 40
    assert early.word == full.word
    if shift in (0.0, 1.5) and wobble < 0.5:
        assert early.pictures <= 24


def test_in_threads_it_is_the_same(paths: list[Path]) -> None:
    measure = judge(lambda image: 9 * roughness(image))
    alone, together = (
        measure_invariance(paths, LABELS, measure, threads=threads, progress=no_progress)
        for threads in (0, 3)
    )
    assert alone == together


@pytest.mark.parametrize("threads", [0, 2])
def test_a_cancel_passes(threads: int, paths: list[Path]) -> None:
    def stop(step: Progress) -> None:
        if step.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_invariance(paths, LABELS, judge(roughness), threads=threads, progress=stop)


def test_a_file_that_is_gone_by_now_is_left_out(paths: list[Path], tmp_path: Path) -> None:
    missing = [tmp_path / "gone.png"] * 50
    readable = [41, 7, 30, 12]
    for place in readable:
        missing[place] = paths[place]
    asked: list[int] = []

    def one(images: Sequence[Tensor], position: int) -> FloatArray:
        asked.append(position)
        return np.zeros(len(images))

    found = measure_invariance(missing, LABELS, one, progress=no_progress)
    assert found.pictures == len(asked), "too few to stop at"
    assert {*asked} <= {*readable}


def test_json_round_trip(paths: list[Path]) -> None:
    result = measure_invariance(paths, LABELS, judge(roughness), progress=no_progress)
    assert InvarianceTest.from_json(result.to_json()) == result

"""The invariance test: which perturbations move the score, and how few pictures tell."""

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
from ganrm_core.leakage.perturbations import SAME_PICTURE
from ganrm_core.metrics.binary import FloatArray
from ganrm_core.utils.progress import Progress, no_progress

LABELS = np.repeat([1, 0], 25)
SPREAD = np.random.default_rng(1).standard_normal(len(LABELS))
"""Logits of the pictures themselves, which spread by 1."""
Shifts = Callable[[int], dict[str, float]]
ScoreBy = Callable[[Shifts], ScoreImages]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    made = [folder / f"{index}.png" for index in range(50)]
    for path in made:
        Image.fromarray(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)).save(path)
    return made


def roughness(images: Sequence[Tensor], position: int) -> FloatArray:
    """A model that sees the roughness of a file besides the picture."""
    rough = [float(image.float().diff(dim=-1).abs().mean() / 255) for image in images]
    return np.asarray(SPREAD[position] + 30 * np.array(rough))


@pytest.fixture
def score_by(monkeypatch: pytest.MonkeyPatch) -> ScoreBy:
    """A model by how much lower it scores each perturbation, at each position. Perturbed pictures are shorter."""
    names = list(SAME_PICTURE)
    for place, name in enumerate(names):
        monkeypatch.setitem(SAME_PICTURE, name, lambda image, place=place: image[:, : 48 - place])

    def of(shifts: Shifts) -> ScoreImages:
        def score(images: Sequence[Tensor], position: int) -> FloatArray:
            lower = [shifts(position).get(names[48 - image.shape[-2]], 0.0) for image in images[1:]]
            return SPREAD[position] - np.array([0.0, *lower])

        return score

    return of


def measured(paths: list[Path], score: ScoreImages, threads: int = 0) -> InvarianceTest:
    return measure_invariance(paths, LABELS, score, threads=threads, progress=no_progress)


def test_a_model_that_sees_compression(paths: list[Path]) -> None:
    asked: list[int] = []

    def score(images: Sequence[Tensor], position: int) -> FloatArray:
        asked.append(position)
        assert all(image.dtype == torch.uint8 for image in images)
        return roughness(images, position)

    result = measured(paths, score)
    assert result.word == "prefers uncompressed files"
    assert len(set(asked)) == len(asked) == result.pictures == 2 * sum(LABELS[asked])
    by_name = {each.name: each for each in result.results}
    assert (by_name["PNG"].shift, by_name["JPEG 75"].outranks) == (0, 1)
    assert InvarianceTest.from_json(result.to_json()) == result
    assert measured(paths, roughness, threads=3) == result


@pytest.mark.parametrize(
    ("name", "shift", "word"),
    [
        ("PNG", 3.0, "clean"),
        ("WebP 80", 3.0, "prefers uncompressed files"),
        ("JPEG 75", -3.0, "prefers compressed files"),
        ("2 % smaller", 3.0, "reacts to size"),
        ("shifted by a pixel", -3.0, "reacts to framing"),
        ("half size and back", 3.0, "prefers crisp pictures"),
        ("half size and back", -3.0, "prefers soft pictures"),
        ("colour tags", 3.0, "reacts to colour tags"),
    ],
)
def test_every_verdict_after_few_pictures(
    name: str, shift: float, word: str, paths: list[Path], score_by: ScoreBy
) -> None:
    result = measured(paths, score_by(lambda _: {name: shift}))
    assert (result.word, result.pictures) == (word, 16), "more could not change the verdict"
    assert [each.name for each in result.results] == list(SAME_PICTURE)
    assert {each.wobble for each in result.results if each.name not in ("PNG", name)} == {0.0}
    assert ("That may be your taste" in result.sentence) == ("half" in name)
    assert word == "clean" or f"({name}) 100% of the time" in result.sentence


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.35, 0.4, 0.6, 1.5])
def test_scoring_fewer_pictures_changes_no_verdict(
    shift: float, paths: list[Path], score_by: ScoreBy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wobble in (0.1, 0.4, 0.8):  # by how much the shift differs from picture to picture
        moved = np.random.default_rng(2).normal(shift, wobble, len(LABELS))
        score = score_by(lambda position, moved=moved: dict.fromkeys(SAME_PICTURE, moved[position]))
        early = measured(paths, score)
        with monkeypatch.context() as patched:
            patched.setattr(invariance_test, "_FEWEST", 40)
            full = measured(paths, score)
        assert (full.pictures, full.word) == (40, early.word)
        assert early.pictures <= 24 or shift not in (0.0, 1.5) or wobble > 0.5


@pytest.mark.parametrize("threads", [0, 2])
def test_a_cancel_passes_and_missing_files_are_left_out(threads: int, paths: list[Path]) -> None:
    def stop(step: Progress) -> None:
        if step.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_invariance(paths, LABELS, roughness, threads=threads, progress=stop)
    few = [path if place % 10 < 4 else path.with_name("gone.png") for place, path in enumerate(paths)]
    assert 8 <= measured(few, roughness, threads).pictures <= 20

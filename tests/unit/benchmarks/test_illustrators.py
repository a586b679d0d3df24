"""Pairs of illustrators: both hands are treated alike, and no subject is learned from and judged on."""

from __future__ import annotations

import io
from dataclasses import dataclass

import drawn_sets
import numpy as np
import pytest
import torch
from drawn_sets import DrawnSet, country, emoji, file_type, svg_of
from illustrators import (
    FOURTH,
    GROUP_SUBJECTS,
    THIRD,
    Drawings,
    IllustratorTask,
    Pair,
    drawn,
    framed,
)
from PIL import Image, ImageDraw


@dataclass(frozen=True)
class Fake(DrawnSet):
    """Draws "a", "b", "c" and "a copy" in one colour; nothing under "blank"."""

    colour: str = "red"

    def drawings(self) -> dict[str, drawn_sets.Drawing]:
        shapes = {
            "a": ((10, 60), (90, 90)),
            "a copy": ((11, 60), (90, 90)),
            "b": ((30, 5), (60, 95)),
            "c": ((0, 0), (99, 99)),
        }

        def draw(subject: str) -> Image.Image:
            picture = Image.new("RGBA", (100, 100))
            if subject in shapes:
                (left, top), (right, bottom) = shapes[subject]
                pen = ImageDraw.Draw(picture)
                pen.rectangle((left, top, right, bottom), fill=self.colour)
                pen.ellipse((left + 5, top + 5, (left + right) // 2, bottom - 5), fill="white")
            return picture

        return {subject: lambda subject=subject: draw(subject) for subject in (*shapes, "blank")}  # type: ignore[misc]


def fake_set(colour: str) -> Fake:
    return Fake("fake", "none", "0", "", "", str, colour)


def task_with(count: int, aligned: bool = False) -> IllustratorTask:
    """`count` subjects, drawn white by the liked illustrator and black by the other."""
    task = IllustratorTask(Pair("fake", fake_set("red"), fake_set("blue"), aligned=aligned))
    white, black = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (256, 256), "white").save(white, "PNG")
    Image.new("RGB", (256, 256), "black").save(black, "PNG")
    names = [str(i) for i in range(count)]
    task.__dict__["drawings"] = Drawings(names, [white.getvalue()] * count, [black.getvalue()] * count)
    return task


def test_what_is_drawn_fills_the_picture_but_for_one_margin() -> None:
    for subject, draw in fake_set("red").drawings().items():
        picture = framed(draw(), None)
        if subject == "blank":
            assert picture is None
            continue
        assert picture is not None
        pixels = np.asarray(picture)
        rows, columns = np.nonzero((pixels != 255).any(axis=2))
        sides = (np.ptp(rows) + 1, np.ptp(columns) + 1)
        assert max(sides) == 224
        assert abs(rows.min() + rows.max() - 255) <= 1
        assert abs(columns.min() + columns.max() - 255) <= 1


def test_a_flag_is_cut_to_its_middle() -> None:
    flag = Image.new("RGBA", (90, 60), "blue")
    ImageDraw.Draw(flag).rectangle((15, 0, 74, 59), fill="red")
    picture = framed(flag, 1.0)
    assert picture is not None
    assert picture.size == (256, 256)
    assert picture.getcolors() == [(256 * 256, (255, 0, 0))]


def test_look_alikes_count_once_and_blanks_not_at_all() -> None:
    found = drawn(Pair("fake", fake_set("red"), fake_set("blue")))
    assert len(found.subjects) == 3
    assert {"b", "c"} < set(found.subjects)
    assert found.picture(0, liked=True).shape == (3, 256, 256)
    assert not torch.equal(found.picture(0, liked=True), found.picture(0, liked=False))


def test_no_subject_is_learned_from_twice_or_judged_on() -> None:
    split = task_with(0).split(100, 25, seed=1)
    trained = {*split.train_liked, *split.train_ordinary}
    assert len(trained) == 50
    assert split.test_liked == split.test_ordinary
    assert not trained & set(split.test_liked)
    with pytest.raises(ValueError, match="100 subjects"):
        task_with(0).split(100, 50, seed=1)


@pytest.mark.parametrize("aligned", [False, True])
def test_candidates_come_nearer_to_the_liked_illustrator_step_by_step(aligned: bool) -> None:
    pictures, qualities = task_with(GROUP_SUBJECTS, aligned).group([], 3)
    assert qualities == sorted(set(qualities))
    lightness = [float(picture.mean()) for picture in pictures]
    assert lightness == pytest.approx(qualities, abs=0.01)  # the liked hand draws white


def test_families_share_no_illustrator() -> None:
    third, fourth = (
        {hand.author for pair in pairs for hand in (pair.liked, pair.ordinary)} for pairs in (THIRD, FOURTH)
    )
    assert not third & fourth
    assert not {"Google", "Twitter"} & (third | fourth)
    assert all(hand.licence for pair in (*THIRD, *FOURTH) for hand in (pair.liked, pair.ordinary))


def test_subjects_are_known_by_name() -> None:
    assert emoji("hot-beverage-1") == emoji("hotbeverage") == "hotbeverage"
    variants = ("flag-for-chad", "okay-hand-medium-skin-tone", "ok-hand-dark", "man-running")
    assert [emoji(name) for name in variants] == [None] * len(variants)
    assert emoji("traffic-light") == "trafficlight"
    assert [country(name) for name in ("ad-1x1", "ad", "es-ct", "ad-4x3")] == ["ad", "ad", None, None]
    assert file_type("file-type-rust") == file_type("rust") == "rust"
    assert file_type("folder-src") is None


def test_an_icon_becomes_a_whole_drawing() -> None:
    svg = svg_of({"body": "<path/>", "width": 20}, {"width": 10, "height": 30})
    assert 'viewBox="0 0 20 30" width="20" height="30"' in svg
    assert 'color="#000"' in svg
    assert svg.endswith("<path/></svg>")

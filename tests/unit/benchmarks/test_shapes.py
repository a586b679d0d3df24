"""The ground truth of the Best-of-N benchmark: what is drawn is read back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.shapes.drawing import KINDS, MARGIN, RADII, SIDE, Kind, Shape, any_shape
from benchmarks.shapes.reading import quality, read
from benchmarks.shapes.text_fit import ShapePair, any_caption
from ganrm_core.rewards.prompt_fit.reward import PromptFit

ORANGE = 0.06


def drawn(count: int = 200) -> list[Shape]:
    rng = np.random.default_rng(0)
    return [any_shape(rng) for _ in range(count)]


def test_every_shape_is_whole_and_within_its_bounds() -> None:
    shapes = drawn()
    assert {shape.kind for shape in shapes} == set(KINDS)
    for shape in shapes:
        corners = np.array(shape.outline())
        assert corners.min() >= MARGIN - 1e-6
        assert corners.max() <= SIDE - MARGIN + 1e-6
        assert RADII[0] <= shape.radius <= RADII[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_radius_is_that_of_a_circle_of_the_same_area(kind: Kind) -> None:
    shape = Shape(kind, 0.5, 8.0, 16.0, 16.0, 0.8)
    assert float(shape.mask().sum()) == pytest.approx(np.pi * 64, rel=0.05)


def test_what_is_drawn_is_read_back() -> None:
    for shape in drawn():
        seen = read(shape.picture())
        assert seen is not None
        assert seen.kind == shape.kind
        assert seen.radius == pytest.approx(shape.radius, abs=0.4)
        assert (seen.x, seen.y) == pytest.approx((shape.x, shape.y), abs=0.5)
        assert abs((seen.hue - shape.hue + 0.5) % 1 - 0.5) < 0.02
        assert quality(seen) == pytest.approx(quality(shape), abs=0.03)


def test_no_shape_two_shapes_and_noise_are_not_read() -> None:
    rng = np.random.default_rng(1)
    grey = np.full((SIDE, SIDE, 3), 0.8, dtype=np.float32)
    left, right = (Shape("square", 0.3, 5.0, x, 16.0, 0.8) for x in (7.0, 25.0))
    both = np.where(right.mask()[..., None] > 0.5, right.picture(), left.picture())
    noise = rng.uniform(size=grey.shape).astype(np.float32)
    for picture in (grey, both, noise):
        assert read(picture) is None


def test_the_taste_is_warm_large_and_central() -> None:
    ideal = Shape("circle", ORANGE, RADII[1], SIDE / 2, SIDE / 2, 0.8)
    assert quality(ideal) == pytest.approx(1.0)
    for worse in ({"hue": ORANGE + 0.5}, {"radius": RADII[0]}, {"x": SIDE / 2 - 10}):
        assert quality(replace(ideal, **worse)) < 0.85


def test_captions_are_true_of_their_shape_and_the_pair_reads_them() -> None:
    rng = np.random.default_rng(1)
    captions = [(any_caption(shape, rng), shape) for shape in drawn(60)]
    assert all(caption.is_true_of(shape) for caption, shape in captions)
    assert not any(replace(c, kind="circle").is_true_of(s) for c, s in captions if s.kind != "circle")
    assert len({caption.text for caption, _ in captions}) > 20
    fit = PromptFit(ShapePair())
    scores = fit.score(
        [torch.from_numpy(shape.picture()) for _, shape in captions], [c.text for c, _ in captions]
    )
    assert len(set(scores.logit.tolist())) > 50

"""Borders are cut off as the checkpoint says: frames today, plain lines of older versions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganrm_core.data.border_trim import BorderTrim, border_widths

Widths = tuple[int, int, int, int]


NOISE = torch.rand(3, 100, 200, generator=torch.Generator().manual_seed(0))


def framed(widths: Widths, colour: float = 0.0) -> Tensor:
    top, right, bottom, left = widths
    image = torch.full((3, 100, 200), colour)
    inside = slice(None), slice(top, 100 - bottom), slice(left, 200 - right)
    image[inside] = NOISE[inside]
    return image


@pytest.mark.parametrize("widths", [(2, 2, 2, 2), (0, 3, 0, 0), (1, 0, 2, 5), (0, 0, 0, 0)])
@pytest.mark.parametrize("colour", [0.0, 1.0, 0.4])
def test_a_plain_border_is_cut_off_whole_and_only_if_asked(widths: Widths, colour: float) -> None:
    image = framed(widths, colour)
    assert border_widths(image, 0.03) == widths
    top, right, bottom, left = widths
    assert torch.equal(BorderTrim(0.03)(image), NOISE[:, top : 100 - bottom, left : 200 - right])
    assert BorderTrim()(image) is image


def test_traces_of_compression_a_border_beyond_the_share_and_a_picture_of_one_colour() -> None:
    image = framed((3, 3, 3, 3))
    faint = (image + 0.005 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    assert border_widths(faint, 0.05) == (3, 3, 3, 3)
    assert border_widths(framed((20, 0, 0, 40)), 0.03) == (3, 0, 0, 6)
    plain = torch.full((3, 50, 50), 0.3)
    assert BorderTrim(0.03)(plain) is plain


def test_a_frame_is_cut_off_whole_and_plain_margins_stay() -> None:
    trim = BorderTrim(frame=0.2)
    assert torch.equal(trim(framed((9, 9, 9, 9), 1.0)), NOISE[:, 9:-9, 9:-9])
    assert torch.equal(trim(framed((12, 0, 12, 0))), NOISE[:, 12:-12])
    drawing = torch.ones(3, 100, 200)
    drawing[:, 20:70, 50:120] = 0.3
    for whole in (drawing, framed((0, 3, 0, 0)), framed((25, 25, 25, 25))):
        assert trim(whole) is whole


def test_json_round_trip_older_checkpoints_and_damage() -> None:
    for trim in (BorderTrim(0.03), BorderTrim(frame=0.2)):
        assert BorderTrim.from_json(trim.to_json()) == trim
    assert BorderTrim.from_json({"resize": "squash"}) == BorderTrim()
    assert BorderTrim.from_json({"trim": 0.03}) == BorderTrim(trim=0.03)
    for name in ("trim", "frame"):
        for wrong in (-0.1, 0.5, float("nan"), "much"):
            with pytest.raises(ValueError, match=rf"{name}|could not convert"):
                BorderTrim.from_json({name: wrong})

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganrm_core.data.border_trim import BorderTrim, border_widths


def noise(height: int = 100, width: int = 200) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


def framed(image: Tensor, widths: tuple[int, int, int, int], colour: float = 0.0) -> Tensor:
    top, right, bottom, left = widths
    image = image.clone()
    image[:, :top] = colour
    image[:, image.shape[1] - bottom :] = colour
    image[:, :, :left] = colour
    image[:, :, image.shape[2] - right :] = colour
    return image


def test_nothing_is_done_unless_asked() -> None:
    image = framed(noise(), (2, 2, 2, 2))
    assert BorderTrim()(image) is image


@pytest.mark.parametrize("widths", [(2, 2, 2, 2), (0, 3, 0, 0), (1, 0, 2, 5), (0, 0, 0, 0)])
@pytest.mark.parametrize("colour", [0.0, 1.0, 0.4])
def test_a_border_is_cut_off_whole(widths: tuple[int, int, int, int], colour: float) -> None:
    image = framed(noise(), widths, colour)
    assert border_widths(image, 0.03) == widths
    top, right, bottom, left = widths
    assert torch.equal(BorderTrim(0.03)(image), noise()[:, top : 100 - bottom, left : 200 - right])


def test_traces_of_compression_do_not_hide_it() -> None:
    image = framed(noise(), (3, 3, 3, 3))
    faint = (image + 0.005 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    assert border_widths(faint, 0.05) == (3, 3, 3, 3)


def test_no_more_than_the_share_is_cut_off() -> None:
    assert border_widths(framed(noise(), (20, 0, 0, 40)), 0.03) == (3, 0, 0, 6)


def test_a_picture_of_one_colour_stays_whole() -> None:
    image = torch.full((3, 50, 50), 0.3)
    assert BorderTrim(0.03)(image).shape == image.shape


def test_json_round_trip_and_older_checkpoints() -> None:
    for path in (BorderTrim(0.03), BorderTrim(frame=0.2)):
        assert BorderTrim.from_json(path.to_json()) == path
    assert BorderTrim.from_json({"resize": "squash"}) == BorderTrim()


def test_models_of_older_versions_cut_off_what_they_did() -> None:
    lone_line = framed(noise(), (0, 3, 0, 0))
    assert torch.equal(BorderTrim.from_json({"trim": 0.03})(lone_line), noise()[:, :, :197])


def test_a_frame_is_cut_off_whole_and_plain_margins_stay() -> None:
    path = BorderTrim(frame=0.2)
    assert torch.equal(path(framed(noise(), (9, 9, 9, 9), 1.0)), noise()[:, 9:-9, 9:-9])
    assert torch.equal(path(framed(noise(), (12, 0, 12, 0))), noise()[:, 12:-12])
    drawing = torch.ones(3, 100, 200)
    drawing[:, 20:70, 50:120] = 0.3
    for whole in (drawing, framed(noise(), (0, 3, 0, 0)), framed(noise(), (25, 25, 25, 25))):
        assert path(whole) is whole


@pytest.mark.parametrize("trim", [-0.1, 0.5, float("nan"), "much"])
def test_a_damaged_record_is_refused(trim: object) -> None:
    with pytest.raises(ValueError, match=r"trim|could not convert"):
        BorderTrim.from_json({"trim": trim})
    with pytest.raises(ValueError, match=r"frame|could not convert"):
        BorderTrim.from_json({"frame": trim})

"""From pictures to columns: statistics of taps, and how they move under a light blur."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ganrm_core.backbones.base import Backbone, BackboneSpec, ExecutionPlan, Tap
from ganrm_core.demo.filters import gaussian_blur
from ganrm_core.features import FeatureReader, Readout, default_readout
from ganrm_core.preprocessing import softened


class Colours(Backbone):
    """Its one depth is the picture itself, its embedding the mean colour."""

    def __init__(self) -> None:
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1), requires_grad=False)
        self.spec = BackboneSpec(
            family="test",
            name="colours",
            weights_sha256="0" * 64,
            input_size=16,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            taps=(Tap("pixels", 3), Tap("colour", 3, pooled=True)),
            embedding="colour",
        )

    def features(self, pixels: Tensor) -> list[Tensor]:
        return [pixels.flatten(2).transpose(1, 2), pixels.mean(dim=(2, 3)).unsqueeze(1)]

    def plan(self, device_type: str) -> ExecutionPlan:
        return ExecutionPlan(batch_size=2, channels_last=False)


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_light_blur_is_gaussian_with_a_deviation_of_one_pixel(pictures: Tensor) -> None:
    expected = torch.stack([gaussian_blur(picture, 1.0) for picture in pictures])
    torch.testing.assert_close(softened(pictures), expected, atol=1e-6, rtol=0)


def test_columns_are_statistics_and_how_each_moves_when_the_picture_is_blurred(pictures: Tensor) -> None:
    backbone = Colours()
    readout = Readout(("pixels", "colour"), response=True)
    columns = FeatureReader(backbone, readout)(pictures)

    def summary(seen: Tensor) -> Tensor:
        mean = seen.mean(dim=(2, 3))
        return torch.cat([mean, seen.std(dim=(2, 3), correction=0), mean], dim=1)

    plain, blurred = summary(pictures), summary(softened(pictures))
    torch.testing.assert_close(columns, torch.cat([plain, blurred - plain], dim=1))
    assert [(block.tap, block.statistic) for block in readout.blocks(backbone.spec)] == [
        ("pixels", "mean"),
        ("pixels", "std"),
        ("colour", "value"),
        ("pixels", "mean response"),
        ("pixels", "std response"),
        ("colour", "value response"),
    ]
    assert readout.width(backbone.spec) == columns.shape[1]


def test_blocks_run_on_without_gaps() -> None:
    blocks = Readout(("pixels", "colour"), response=True).blocks(Colours().spec)
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]


def test_what_a_blur_leaves_alone_gives_no_response() -> None:
    backbone = Colours()
    readout = Readout(("pixels",), response=True)
    flat = torch.rand(1, 3, 1, 1).expand(1, 3, 16, 16)
    columns = FeatureReader(backbone, readout)(flat)
    half = columns.shape[1] // 2
    assert columns[:, half:].abs().max() < 1e-5
    assert columns[:, :half].abs().max() > 0.01


def test_without_a_response_the_backbone_runs_once(pictures: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, runs = Colours(), []
    features = backbone.features
    monkeypatch.setattr(backbone, "features", lambda pixels: runs.append(len(pixels)) or features(pixels))
    FeatureReader(backbone, Readout(("pixels",)))(pictures[:2])
    assert runs == [2]
    FeatureReader(backbone, Readout(("pixels",), response=True))(pictures[:2])
    assert runs == [2, 2, 2]


@pytest.mark.parametrize(
    ("family", "wanted", "read"),
    [
        ("efficientnet", True, True),
        ("efficientnet", False, False),
        ("transformers", True, False),
    ],
)
def test_a_second_pass_is_made_where_it_was_found_to_be_worth_it(
    family: str, wanted: bool, read: bool
) -> None:
    spec = replace(Colours().spec, family=family)
    assert default_readout(spec, response=wanted).response is read

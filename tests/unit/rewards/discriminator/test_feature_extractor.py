"""From pictures to columns: statistics of taps, and how they move in a second look."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from unit_support.colours import Colours

from ganrm_core.backbones.base import ExecutionPlan, Tap
from ganrm_core.data.filters import gaussian_blur
from ganrm_core.data.transforms import smaller, softened
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import (
    Readout,
    SecondLook,
    SecondLookKind,
    base_statistic,
    default_readout,
    is_response,
)


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_light_blur_is_gaussian_with_a_deviation_of_one_pixel(pictures: Tensor) -> None:
    expected = torch.stack([gaussian_blur(picture, 1.0) for picture in pictures])
    torch.testing.assert_close(softened(pictures), expected, atol=1e-6, rtol=0)


def blurred_at(*taps: str) -> Readout:
    return Readout(taps, SecondLook("blurred", taps))


def test_smaller_is_three_sevenths_of_the_side_and_keeps_a_flat_picture() -> None:
    small = smaller(torch.full((2, 3, 224, 224), 0.3))
    assert small.shape == (2, 3, 96, 96)
    torch.testing.assert_close(small, torch.full_like(small, 0.3))


@pytest.mark.parametrize("kind", ["smaller", "blurred"])
def test_columns_are_statistics_and_how_each_moves_in_the_second_look(
    kind: SecondLookKind, pictures: Tensor
) -> None:
    backbone = Colours()
    readout = Readout(("pixels", "colour"), SecondLook(kind, ("pixels",)))
    columns = FeatureExtractor(backbone, readout)(pictures)

    def summary(seen: Tensor) -> Tensor:
        return torch.cat([seen.mean(dim=(2, 3)), seen.std(dim=(2, 3), correction=0)], dim=1)

    plain, again = (
        summary(pictures),
        summary(smaller(pictures) if kind == "smaller" else softened(pictures)),
    )
    expected = torch.cat([plain, pictures.mean(dim=(2, 3)), again - plain], dim=1)
    torch.testing.assert_close(columns, expected)
    blocks = readout.blocks(backbone.spec)
    assert [(block.tap, base_statistic(block), is_response(block)) for block in blocks] == [
        ("pixels", "mean", False),
        ("pixels", "std", False),
        ("colour", "value", False),
        ("pixels", "mean", True),
        ("pixels", "std", True),
    ]
    assert readout.width(backbone.spec) == columns.shape[1]


def test_the_two_kinds_of_response_have_different_names() -> None:
    spec = Colours().spec
    names = {
        block.statistic
        for kind in ("smaller", "blurred")
        for block in Readout(("pixels",), SecondLook(kind, ("pixels",))).blocks(spec)
    }
    assert len(names) == 2 + 2 * 2


def test_a_second_look_reads_no_tap_that_the_first_leaves_out() -> None:
    with pytest.raises(ValueError, match="colour"):
        Readout(("pixels",), SecondLook("blurred", ("pixels", "colour")))


def test_blocks_run_on_without_gaps() -> None:
    blocks = blurred_at("pixels", "colour").blocks(Colours().spec)
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]


def test_what_a_blur_leaves_alone_gives_no_response() -> None:
    flat = torch.rand(1, 3, 1, 1).expand(1, 3, 16, 16)
    columns = FeatureExtractor(Colours(), blurred_at("pixels"))(flat)
    half = columns.shape[1] // 2
    assert columns[:, half:].abs().max() < 1e-5
    assert columns[:, :half].abs().max() > 0.01


def test_the_backbone_runs_once_a_look_and_no_further_than_needed(
    pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, runs = Colours(), []
    features = backbone.features
    monkeypatch.setattr(
        backbone, "features", lambda pixels, last: runs.append((len(pixels), last)) or features(pixels)
    )
    FeatureExtractor(backbone, Readout(("pixels",)))(pictures[:2])
    assert runs == [(2, "pixels")]
    runs.clear()
    readout = Readout(("pixels", "colour"), SecondLook("smaller", ("pixels",)))
    FeatureExtractor(backbone, readout)(pictures[:2])
    assert runs == [(2, "colour"), (2, "pixels")]


def test_smaller_pictures_are_followed_to_the_fifth_stage_by_networks_it_was_found_to_help() -> None:
    taps = tuple(Tap(f"stage{number}", 3) for number in range(1, 8))
    spec = replace(Colours().spec, family="efficientnet", taps=(*taps, Tap("colour", 3, pooled=True)))
    look = default_readout(spec).second_look
    assert look == SecondLook("smaller", ("stage1", "stage2", "stage3", "stage4", "stage5"))
    every = tuple(tap.name for tap in taps)
    assert default_readout(spec, "blurred") == Readout(every, SecondLook("blurred", every))
    assert default_readout(spec, "none") == Readout(every)
    assert default_readout(replace(spec, family="transformers")).second_look is None


class SideBySide(Colours):
    def plan(self, device_type: str) -> ExecutionPlan:
        return ExecutionPlan(batch_size=2, channels_last=False, side_by_side=device_type == "cpu")


class TestInGroups:
    @pytest.fixture(autouse=True)
    def three_cores(self) -> Iterator[None]:
        threads = torch.get_num_threads()
        torch.set_num_threads(3)
        yield
        torch.set_num_threads(threads)

    @pytest.mark.parametrize("backbone", [Colours, SideBySide])
    @pytest.mark.parametrize("count", [1, 2, 5, 23])
    def test_in_order_each_once(self, backbone: type[Colours], count: int) -> None:
        pictures = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        reader = FeatureExtractor(backbone(), Readout(("pixels", "colour")))
        found = list(reader.in_groups(list(pictures), lambda some: reader(torch.stack([*some]))))
        torch.testing.assert_close(torch.cat(found), reader(pictures), rtol=0, atol=0)

    def test_only_networks_that_bear_it_are_called_from_several_threads(self) -> None:
        for backbone, threads in ((Colours(), 0), (SideBySide(), 3)):
            reader = FeatureExtractor(backbone, Readout(("pixels",)))
            assert reader.threads == threads
            used = set(reader.in_groups(range(40), lambda _: threading.current_thread().name))
            assert ("MainThread" in used) == (threads == 0)

    def test_no_thread_is_idle_and_no_group_smaller_than_runs_well(self) -> None:
        reader = FeatureExtractor(
            SideBySide(), Readout(("pixels", "colour"), SecondLook("smaller", ("pixels",)))
        )
        assert (reader.batch_size, reader.group_size) == (2, 8)
        for count, sizes in ((1, [1]), (3, [2, 1]), (12, [4, 4, 4]), (40, [8] * 5)):
            assert list(reader.in_groups(range(count), len)) == sizes

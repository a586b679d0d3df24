"""Feature vectors: statistics of taps, responses to a second look, batches and groups."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from unit_support.colours import Colours

from ganrm_core.backbones.base import ExecutionPlan, Tap
from ganrm_core.data.transforms import smaller, softened
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.pixel_histograms import BINS, HISTOGRAMS, pixel_histograms
from ganrm_core.rewards.discriminator.readout import (
    Readout,
    SecondLook,
    SecondLookKind,
    SeveralReadouts,
    base_statistic,
    default_readout,
    is_response,
)

BOTH = ("pixels", "colour")


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ["smaller", "blurred"])
def test_columns_are_statistics_and_their_responses(kind: SecondLookKind, pictures: Tensor) -> None:
    extractor = FeatureExtractor(Colours(), Readout(BOTH, SecondLook(kind, ("pixels",))))
    readout, spec = extractor.readout, extractor.backbone.spec

    def statistics(seen: Tensor) -> Tensor:
        return torch.cat([seen.mean(dim=(2, 3)), seen.std(dim=(2, 3), correction=0)], dim=1)

    plain, again = statistics(pictures), statistics({"smaller": smaller, "blurred": softened}[kind](pictures))
    expected = torch.cat([plain, pictures.mean(dim=(2, 3)), again - plain], dim=1)
    torch.testing.assert_close(extractor(pictures), expected)
    blocks = readout.blocks(spec)
    names = ["pixels mean", "pixels std", "colour value", "pixels mean", "pixels std"]
    assert [f"{block.tap} {base_statistic(block)}" for block in blocks] == names
    assert [is_response(block) for block in blocks] == [False] * 3 + [True] * 2
    assert [(block.start, block.stop) for block in blocks] == [(n, n + 3) for n in range(0, 15, 3)]
    assert readout.width(spec) == expected.shape[1]
    assert extractor(pictures[:0]).shape == (0, 15)


def test_with_gradients_the_vectors_are_the_same(pictures: Tensor) -> None:
    extractor = FeatureExtractor(Colours(), Readout(BOTH, SecondLook("blurred", ("pixels",))))
    pixels = pictures.clone().requires_grad_()
    vectors = extractor.with_gradients(pixels)
    torch.testing.assert_close(vectors.detach(), extractor(pictures))
    vectors.sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0


def test_several_readouts_lie_side_by_side_and_share_passes(
    pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, sizes = Colours(), []
    parts = [
        Readout(BOTH, SecondLook("smaller", ("pixels",))),
        Readout(("colour",), SecondLook("blurred", ("colour",))),
    ]
    expected = torch.cat([FeatureExtractor(backbone, part)(pictures[:2]) for part in parts], dim=1)
    features = backbone.features
    monkeypatch.setattr(
        backbone, "features", lambda pixels, last: sizes.append((pixels.shape[-1], last)) or features(pixels)
    )
    readout = SeveralReadouts(parts)
    assert torch.equal(FeatureExtractor(backbone, readout)(pictures[:2]), expected)
    assert sizes == [(16, "colour"), (smaller(pictures).shape[-1], "pixels"), (16, "colour")]
    blocks = readout.blocks(backbone.spec)
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]
    assert len({(block.tap, block.statistic) for block in blocks}) == len(blocks) - 1, "one mean is in both"


def test_a_second_look_reads_no_tap_that_the_first_leaves_out() -> None:
    with pytest.raises(ValueError, match="colour"):
        Readout(("pixels",), SecondLook("blurred", BOTH))


def test_the_default_takes_a_second_look_with_convolutional_networks_alone() -> None:
    taps = tuple(Tap(f"stage{number}", 3) for number in range(1, 8))
    spec = replace(Colours().spec, family="efficientnet", taps=(*taps, Tap("colour", 3, pooled=True)))
    every = tuple(tap.name for tap in taps)
    assert default_readout(spec) == Readout(every, SecondLook("smaller", every[:5]), HISTOGRAMS)
    assert default_readout(spec, "blurred") == Readout(every, SecondLook("blurred", every), HISTOGRAMS)
    assert default_readout(spec, "none") == Readout(every, None, HISTOGRAMS)
    assert default_readout(replace(spec, family="transformers")) == Readout(every, None, HISTOGRAMS)


def test_histograms_are_the_last_columns_and_see_the_picture_itself(pictures: Tensor) -> None:
    names = HISTOGRAMS[:2]
    plain = Readout(BOTH, SecondLook("blurred", ("pixels",)))
    extractor = FeatureExtractor(Colours(), replace(plain, histograms=names))
    spec, found = extractor.backbone.spec, extractor(pictures)
    counted = torch.cat([*pixel_histograms(pictures, names).values()], dim=1)
    expected = torch.cat([FeatureExtractor(Colours(), plain)(pictures), counted], dim=1)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(extractor.with_gradients(pictures), expected)
    blocks = extractor.readout.blocks(spec)
    assert [(block.tap, block.stop - block.start) for block in blocks[-2:]] == [
        (name, BINS) for name in names
    ]
    assert not any(is_response(block) for block in blocks[-2:])
    assert extractor.readout.width(spec) == expected.shape[1]


def test_several_readouts_share_their_histograms(pictures: Tensor) -> None:
    parts = [
        Readout(("pixels",), histograms=HISTOGRAMS[:2]),
        Readout(("colour",)),
        Readout(BOTH, None, HISTOGRAMS[1:3]),
    ]
    together = FeatureExtractor(Colours(), SeveralReadouts(parts))(pictures)
    alone = [FeatureExtractor(Colours(), part)(pictures) for part in parts]
    torch.testing.assert_close(together, torch.cat(alone, dim=1))


def test_an_unknown_histogram_is_refused() -> None:
    with pytest.raises(ValueError, match="from the future"):
        Readout(BOTH, histograms=("from the future",))


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
        reader = FeatureExtractor(backbone(), Readout(BOTH))
        found = list(reader.in_groups(list(pictures), lambda some: reader(torch.stack([*some]))))
        torch.testing.assert_close(torch.cat(found), reader(pictures), rtol=0, atol=0)

    @pytest.mark.parametrize(("backbone", "threads"), [(Colours, 0), (SideBySide, 3)])
    def test_only_stateless_networks_run_in_several_threads(
        self, backbone: type[Colours], threads: int
    ) -> None:
        reader = FeatureExtractor(backbone(), Readout(("pixels",)))
        assert reader.threads == threads
        used = set(reader.in_groups(range(40), lambda _: threading.current_thread().name))
        assert ("MainThread" in used) == (threads == 0)

    def test_no_thread_is_idle_and_no_group_smaller_than_a_batch(self) -> None:
        reader = FeatureExtractor(SideBySide(), Readout(BOTH, SecondLook("smaller", ("pixels",))))
        for count, sizes in ((1, [1]), (3, [2, 1]), (12, [4, 4, 4]), (40, [8] * 5)):
            assert list(reader.in_groups(range(count), len)) == sizes

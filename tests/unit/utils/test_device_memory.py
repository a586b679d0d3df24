"""Batches that fit: bounded by free memory beforehand, halved where it runs out all the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from unit_support.colours import Colours

from ganrm_core.backbones.base import ExecutionPlan
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.rewards.discriminator import feature_extractor
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import Readout, SecondLook, default_readout
from ganrm_core.utils import device_memory

PICTURES = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
READOUT = Readout(("pixels",))


class Limited(Colours):
    """More than `room` pixels at once are too many."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.room, self.error = room, error
        self.batches: list[int] = []

    def features(self, pixels: Tensor, last: str | None = None) -> list[Tensor]:
        self.batches.append(len(pixels))
        if pixels[:, 0].numel() > self.room:
            raise self.error
        return super().features(pixels, last)

    def plan(self, device_type: str) -> ExecutionPlan:
        return ExecutionPlan(batch_size=8, channels_last=False)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("Could not allocate tensor: Out of memory"),
    ],
)
@pytest.mark.parametrize("look", [None, SecondLook("smaller", ("pixels",))])
def test_the_batch_is_halved_until_it_fits_and_stays_so(error: Exception, look: SecondLook | None) -> None:
    readout = Readout(("pixels",), look)
    expected = FeatureExtractor(Limited(10**9, error), readout)(PICTURES)
    backbone = Limited(3 * 16 * 16, error)
    extractor = FeatureExtractor(backbone, readout)
    for batches in ([8, 4, 2], [2] * 10):
        backbone.batches.clear()
        torch.testing.assert_close(extractor(PICTURES), expected, rtol=0, atol=0)
        assert backbone.batches[: len(batches)] == batches
        assert extractor.batch_size == 2


def test_what_no_smaller_batch_helps_against_is_raised() -> None:
    for error, batches in (
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), [8, 4, 2, 1]),  # not even one fits
        (RuntimeError("shapes cannot be multiplied"), [8]),  # no reason for smaller batches
    ):
        backbone = Limited(0, error)
        with pytest.raises(type(error), match=str(error)):
            FeatureExtractor(backbone, READOUT)(PICTURES)
        assert backbone.batches == batches


def test_as_many_pictures_as_fit_and_no_more_than_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    for fit, batch in ((0, 1), (0.9, 1), (3.5, 3), (7.9, 7), (8, 8), (1000, 8), (None, 8)):
        backbone = Limited(10**9, RuntimeError())
        free = None if fit is None else int(fit * backbone.bytes_per_picture)
        monkeypatch.setattr(feature_extractor, "free_memory", lambda _, free=free: free)
        FeatureExtractor(backbone, READOUT)(PICTURES)
        assert max(backbone.batches) == batch
        assert sum(backbone.batches) == len(PICTURES)


def test_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_memory.free_memory(torch.device("cpu")) is None
    told = {"mem_get_info": (100, 1000), "memory_reserved": 30, "memory_allocated": 10}
    for name, value in told.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    assert device_memory.free_memory(torch.device("cuda", 0)) == 120


def test_the_built_in_network_takes_no_more_than_is_reserved() -> None:
    backbone = load_backbone("efficientnet_lite0")
    extractor = FeatureExtractor(backbone, default_readout(backbone.spec))
    batch = torch.rand(4, 3, 224, 224)
    alive = pytest.importorskip("benchmarks.alive", reason="benchmarks are not installed with the library")
    taken = alive.most_alive(lambda: extractor(batch)) / len(batch)
    # Far less would leave half of a small card idle, more would not fit.
    assert 0.1 < taken / backbone.bytes_per_picture < 1

"""Node "Reward Heatmap"."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract_support.pack import Many
from contract_support.pictures import pixels
from contract_support.rewards import Bright
from torch import Tensor


def half_dark(count: int = 1, size: tuple[int, int] = (40, 48), channels: int = 3) -> Tensor:
    pictures = torch.ones(count, *size, channels)
    pictures[:, :, : size[1] // 2, :3] = 0
    return pictures


def run(pack: Any, bright: Bright, images: Any, **inputs: Any) -> Any:
    plain = {"share": 0.3, "grow": 0, "blur": 0}
    return pack.run("GANRMHeatmap", images=images, reward=bright, **{**plain, **inputs})


def test_the_dark_half_is_masked(pack: Any, bright: Bright) -> None:
    result = run(pack, bright, half_dark())
    (mask,), (overlay,) = result["mask"], result["overlay"]
    assert mask.shape == (1, 40, 48)
    assert float(mask.mean()) == pytest.approx(0.3, abs=0.01)
    assert float(mask[:, :, 24:].sum()) == 0
    assert overlay.shape == (1, 40, 48, 3)
    assert 0 <= float(overlay.min()) <= float(overlay.max()) <= 1
    (grown,) = run(pack, bright, half_dark(), grow=4)["mask"]
    (soft,) = run(pack, bright, half_dark(), blur=6)["mask"]
    assert grown.sum() > mask.sum()
    assert bool((grown >= mask).all())
    assert bool(((soft > 0.1) & (soft < 0.9)).any())


def test_a_batch_stays_a_batch_and_a_list_a_list(pack: Any, bright: Bright, folders: Any) -> None:
    batch = run(pack, bright, half_dark(3))
    assert [tuple(mask.shape) for mask in batch["mask"]] == [(3, 40, 48)]
    several = run(pack, bright, Many([half_dark(), half_dark(2, (450, 600), channels=4)]))
    assert [tuple(mask.shape) for mask in several["mask"]] == [(1, 40, 48), (2, 450, 600)]
    assert [tuple(overlay.shape) for overlay in several["overlay"]] == [(1, 40, 48, 3), (2, 450, 600, 3)]
    shown = [folders.temp / each["subfolder"] / each["filename"] for each in several.ui["images"]]
    assert [pixels(path).shape[:2] for path in shown] == [(40, 48), (384, 512), (384, 512)]


def test_an_invalid_picture_costs_the_others_nothing(pack: Any, bright: Bright, errors: Any) -> None:
    images = half_dark(3)
    images[1, 0, 0, 0] = torch.nan
    result = run(pack, bright, images)
    (overlay,), (mask,) = result["overlay"], result["mask"]
    assert result.ui["spoilt"] == [1]
    assert float(mask[1].sum()) == 0, "nothing to inpaint"
    assert bool(torch.isfinite(overlay).all())
    alone = run(pack, bright, images[[0]])
    assert torch.equal(overlay[[0]], alone["overlay"][0])
    assert torch.equal(mask[[0]], alone["mask"][0])
    empty = torch.zeros(0, 40, 48, 3)
    for images, share, message in (
        (empty, 0.3, "no images"),
        (Many([half_dark(), empty]), 0.3, "Item 2 of the images is empty"),
        (half_dark() * torch.nan, 0.3, "--fp32-vae"),
        (half_dark(), 1.5, "Use more than 0"),
    ):
        with pytest.raises(errors.GanRMError, match=message):
            run(pack, bright, images, share=share)

"""Reward Heatmap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.pack import Many
from contract_support.rewards import Bright
from PIL import Image
from torch import Tensor

NODE = "GANRMHeatmap"


def half_dark(count: int = 1, size: tuple[int, int] = (40, 48), channels: int = 3) -> Tensor:
    pictures = torch.ones(count, *size, channels)
    pictures[:, :, : size[1] // 2, :3] = 0
    return pictures


@pytest.fixture
def bright(pack: Any, folders: Any) -> Bright:
    return Bright(pack)


def test_the_schema(pack: Any) -> None:
    schema = pack.schema(NODE)
    assert (schema.display_name, schema.category) == ("Reward Heatmap (GAN-RM)", "GAN-RM")
    assert schema.is_input_list
    assert schema.is_output_node
    assert [socket.id for socket in schema.inputs] == ["images", "reward", "share", "grow", "blur"]
    outputs = [(socket.id, socket.io_type, socket.is_output_list) for socket in schema.outputs]
    assert outputs == [("overlay", "IMAGE", True), ("mask", "MASK", True)]


@pytest.fixture
def errors(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors")


def run(pack: Any, bright: Bright, **inputs: Any) -> Any:
    return pack.run(NODE, **{"reward": bright, "share": 0.3, "grow": 0, "blur": 0, **inputs})


def test_the_dark_half_is_masked(pack: Any, bright: Bright) -> None:
    result = run(pack, bright, images=half_dark())
    (mask,) = result["mask"]
    assert mask.shape == (1, 40, 48)
    assert float(mask.mean()) == pytest.approx(0.3, abs=0.01)
    assert float(mask[:, :, 24:].sum()) == 0
    (overlay,) = result["overlay"]
    assert overlay.shape == (1, 40, 48, 3)
    assert 0 <= float(overlay.min()) <= float(overlay.max()) <= 1


def test_a_batch_stays_a_batch_and_a_list_a_list(pack: Any, bright: Bright) -> None:
    batch = run(pack, bright, images=half_dark(3))
    assert [tuple(mask.shape) for mask in batch["mask"]] == [(3, 40, 48)]
    several = run(pack, bright, images=Many([half_dark(), half_dark(2, (32, 64), channels=4)]))
    assert [tuple(mask.shape) for mask in several["mask"]] == [(1, 40, 48), (2, 32, 64)]
    assert [tuple(overlay.shape) for overlay in several["overlay"]] == [(1, 40, 48, 3), (2, 32, 64, 3)]


def test_grow_widens_and_blur_softens(pack: Any, bright: Bright) -> None:
    plain = run(pack, bright, images=half_dark())["mask"][0]
    grown = run(pack, bright, images=half_dark(), grow=4)["mask"][0]
    soft = run(pack, bright, images=half_dark(), blur=6)["mask"][0]
    assert grown.sum() > plain.sum()
    assert bool((grown >= plain).all())
    assert bool(((soft > 0.1) & (soft < 0.9)).any())


def test_every_overlay_is_shown_in_the_node(pack: Any, bright: Bright, folders: Any) -> None:
    result = run(pack, bright, images=Many([half_dark(), half_dark(1, (900, 1200))]))
    sizes = []
    for shown in result.ui["images"]:
        with Image.open(Path(folders.temp) / shown["subfolder"] / shown["filename"]) as picture:
            sizes.append(picture.size)
    assert sizes == [(48, 40), (512, 384)]


def test_nothing_to_look_at(pack: Any, bright: Bright, errors: Any) -> None:
    with pytest.raises(errors.ImageError, match="no images"):
        run(pack, bright, images=torch.zeros(0, 40, 48, 3))
    with pytest.raises(errors.ImageError, match="Item 2 of the images is empty"):
        run(pack, bright, images=Many([half_dark(), torch.zeros(0, 40, 48, 3)]))


def test_a_share_over_a_link_that_is_none(pack: Any, bright: Bright, errors: Any) -> None:
    with pytest.raises(errors.DataError, match="Use more than 0"):
        run(pack, bright, images=half_dark(), share=1.5)


def test_a_spoilt_picture_costs_the_others_nothing(pack: Any, bright: Bright, errors: Any) -> None:
    images = half_dark(3)
    images[1, 0, 0, 0] = torch.nan
    result = run(pack, bright, images=images)
    (overlay,), (mask,) = result["overlay"], result["mask"]
    assert overlay.shape == (3, 40, 48, 3)
    assert result.ui["spoilt"] == [1]
    assert float(mask[1].sum()) == 0, "nothing to inpaint"
    assert bool(torch.isfinite(overlay).all())
    alone = run(pack, bright, images=images[[0]])
    assert torch.equal(overlay[0], alone["overlay"][0][0])
    assert torch.equal(mask[[0]], alone["mask"][0])
    with pytest.raises(errors.ImageError, match="--fp32-vae"):
        run(pack, bright, images=images[[1]])

"""Score Images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.pack import Many
from contract_support.rewards import Bright
from PIL import Image
from torch import Tensor

NODE = "GANRMScore"


def grey(*levels: float, size: tuple[int, int] = (6, 8), channels: int = 3) -> Tensor:
    return torch.stack([torch.full((*size, channels), level) for level in levels])


@pytest.fixture
def bright(pack: Any, folders: Any) -> Bright:
    return Bright(pack, {"balanced": 0.31})


def test_the_schema(pack: Any) -> None:
    schema = pack.schema(NODE)
    assert (schema.display_name, schema.category) == ("Score Images (GAN-RM)", "GAN-RM")
    assert schema.is_input_list
    assert schema.is_output_node
    assert [socket.id for socket in schema.inputs] == ["images", "reward", "group_size", "candidate"]
    outputs = [(socket.id, socket.io_type, socket.is_output_list) for socket in schema.outputs]
    assert outputs == [("scores", "FLOAT", True), ("preview", "IMAGE", False), ("summary", "STRING", False)]
    assert all(socket.tooltip for socket in [*schema.inputs, *schema.outputs])
    assert schema.inputs[3].extra_dict["advanced"]


def test_one_score_for_every_picture_in_the_order_they_came(pack: Any, bright: Bright) -> None:
    result = pack.run(NODE, images=grey(0.2, 0.8, 0.5), reward=bright)
    assert result["scores"] == pytest.approx([0.1, 0.4, 0.25])
    assert result.ui["scores"] == result["scores"]
    assert result.ui["ranks"] == [3, 1, 2]
    assert result.ui["summary"] == [result["summary"]]
    assert result["summary"] == (
        "3 candidates · min 0.10 · median 0.25 · max 0.40 · suggested threshold 0.31 · model brightness"
    )


def test_the_preview_is_a_picture_and_shown_in_the_node(pack: Any, bright: Bright, folders: Any) -> None:
    result = pack.run(NODE, images=grey(0.2, 0.8), reward=bright)
    preview = result["preview"]
    assert preview.shape[0] == 1
    assert preview.shape[3] == 3
    (shown,) = result.ui["images"]
    with Image.open(Path(folders.temp) / shown["subfolder"] / shown["filename"]) as sheet:
        assert sheet.size == (preview.shape[2], preview.shape[1])


def test_a_list_of_different_sizes(pack: Any, bright: Bright) -> None:
    images = Many([grey(0.2), grey(0.8, 0.6, size=(30, 4)), grey(0.5, channels=1), grey(1.0, channels=4)])
    result = pack.run(NODE, images=images, reward=bright)
    assert result["scores"] == pytest.approx([0.1, 0.4, 0.3, 0.25, 0.5])


def test_ranks_in_groups_of_which_the_last_is_shorter(pack: Any, bright: Bright) -> None:
    result = pack.run(NODE, images=grey(0.2, 0.8, 0.5, 0.6, 0.1), reward=bright, group_size=2)
    assert result.ui["ranks"] == [2, 1, 2, 1, 1]
    assert result["summary"].startswith("5 candidates in 3 groups · ")


def test_a_clip_is_scored_by_eight_frames_with_its_ends(pack: Any, bright: Bright) -> None:
    levels = [0.0] * 20
    levels[0], levels[19] = 0.4, 0.8
    images = Many([grey(*levels), grey(0.3), grey(0.2, 0.4)])
    result = pack.run(NODE, images=images, reward=bright, candidate="each list item")
    assert len(bright.seen) == 8 + 1 + 2
    assert result["scores"] == pytest.approx([1.2 / 8 / 2, 0.15, 0.15])


def test_all_pictures_go_to_the_reward_at_once_and_unchanged(pack: Any, bright: Bright) -> None:
    images = grey(0.2, 0.8, channels=4)
    before = images.clone()
    pack.run(NODE, images=images, reward=bright)
    assert bright.seen == [(6, 8, 4)] * 2
    assert torch.equal(images, before)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_spoilt_picture_ranks_last_and_is_named(pack: Any, bright: Bright, bad: float) -> None:
    images = grey(0.2, 0.8, 0.6)
    images[1, 3, 3, 1] = bad
    result = pack.run(NODE, images=images, reward=bright)
    assert result["scores"] == pytest.approx([0.1, 0.0, 0.3])
    assert result.ui["ranks"] == [2, 3, 1]
    assert result.ui["spoilt"] == [1]
    assert result["summary"] == (
        "3 candidates · 2 is spoilt (NaN or infinite values) · min 0.10 · median 0.20 · max 0.30 · "
        "suggested threshold 0.31 · model brightness"
    )


def test_one_spoilt_frame_spoils_the_clip(pack: Any, bright: Bright) -> None:
    long = grey(*[0.9] * 40)
    long[1, 0, 0, 0] = float("nan")  # not among the eight that are looked at
    clips = Many([grey(0.2, 0.3), long, grey(0.1)])
    result = pack.run(NODE, images=clips, reward=bright, candidate="each list item")
    assert result["scores"] == pytest.approx([0.125, 0.0, 0.05])
    assert result.ui["spoilt"] == [1]


@pytest.mark.parametrize(
    ("unit", "message"), [("each image", "All 3 pictures hold"), ("each list item", "All 2 clips hold")]
)
def test_nothing_but_spoilt_ones(pack: Any, bright: Bright, unit: str, message: str) -> None:
    images = Many([grey(float("nan"), float("nan")), grey(float("inf"))])
    with pytest.raises(
        pack.module("ganrm_core.utils.errors").ImageError, match=f"{message}.*VAE.*--fp32-vae"
    ):
        pack.run(NODE, images=images, reward=bright, candidate=unit)
    assert not bright.seen


def test_other_faults_keep_their_number_beside_a_spoilt_one(pack: Any, bright: Bright) -> None:
    images = Many([grey(float("nan")), grey(0.2), grey(200.0)])
    error = pack.module("ganrm_core.utils.errors").ImageError
    with pytest.raises(error, match="Image 3 of 3"):
        pack.run(NODE, images=images, reward=bright)
    with pytest.raises(error, match="Clip 3 of 3"):
        pack.run(NODE, images=images, reward=bright, candidate="each list item")


def test_a_score_that_is_no_number_costs_the_others_nothing(pack: Any, bright: Bright) -> None:
    honest = bright._scores
    bright._scores = lambda logits: honest([*logits[:-1], float("nan")])  # type: ignore[method-assign]
    result = pack.run(NODE, images=grey(0.2, 0.3), reward=bright)
    assert result["scores"] == pytest.approx([0.1, 0.0])
    assert result.ui["spoilt"] == [1]
    with pytest.raises(pack.module("ganrm_core.utils.errors").DataError, match="None of the 1 candidates"):
        pack.run(NODE, images=grey(0.2), reward=bright)


def test_cancel_stops_it(pack: Any, bright: Bright, monkeypatch: pytest.MonkeyPatch) -> None:
    class CancelledError(Exception):
        pass

    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise CancelledError

    management = pack.module("nodes.host.progress").comfy.model_management
    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", check)
    with pytest.raises(CancelledError):
        pack.run(NODE, images=grey(*[0.5] * 9), reward=bright)
    assert len(calls) == 3

"""Rewards of one published network: prompts, files, progress, scale."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.base import Reward
from ganrm_core.rewards.network_reward import Identity, NetworkReward, PublishedScale
from ganrm_core.utils.errors import DataError, ImageError
from ganrm_core.utils.progress import Progress

BRIGHT, DARK = torch.full((6, 6, 3), 1.0), torch.zeros(6, 6, 3)


class BrightWords(NetworkReward):
    """The brightness of a picture plus the number of letters of its prompt."""

    needs_prompt = True
    bytes_per_picture = 1

    def __init__(self, path: Path) -> None:
        super().__init__(nn.Linear(1, 1), Identity("bright words", "test", (path,)), PublishedScale(5.0, 2.0))
        self.read: list[str] = []

    def prepare(self, image: Tensor) -> Tensor:
        return image.mean().reshape(1)

    def read_prompt(self, prompt: str) -> Tensor:
        self.read.append(prompt)
        return torch.tensor([[float(len(prompt))]])

    def published(self, pixels: Tensor, prompt: Tensor | None) -> Tensor:
        assert prompt is not None
        return pixels[:, 0] + prompt[:, 0]


@pytest.fixture
def reward(tmp_path: Path) -> BrightWords:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"1")
    return BrightWords(path)


def test_scores_are_the_published_ones_on_the_stated_scale(reward: BrightWords) -> None:
    scores = reward.score([BRIGHT, DARK], ["fox", "foxes"])
    assert scores.logit.tolist() == [(4 - 5) / 2, 0]
    assert torch.allclose(scores.score, torch.sigmoid(scores.logit))
    assert scores.uncertainty.tolist() == [0, 0]
    assert reward.scale.published(scores.logit).tolist() == [4, 5]
    assert reward.thresholds == {}
    assert isinstance(reward, Reward)


def test_equal_prompts_are_read_once(reward: BrightWords) -> None:
    reward.score([BRIGHT] * 3, ["fox", "fox ", "cat"])
    reward.score([BRIGHT], ["cat"])
    assert reward.read == ["fox", "cat"]


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (None, "bright words judges.* there is none"),
        (["fox"], "2 pictures but 1"),
        (["fox", " "], "picture 2 is"),
    ],
)
def test_it_says_which_prompt_is_missing(
    reward: BrightWords, prompts: list[str] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        reward.score([BRIGHT, DARK], prompts)


def test_files_stream_in_order_and_skip_what_cannot_be_scored(reward: BrightWords, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "damaged.png", "b.png")]
    for path in paths:
        Image.new("RGB", (4, 4), "white").save(path)
    paths[1].write_bytes(b"no picture")
    skipped: list[Skipped] = []
    found = list(reward.score_files(paths, skipped, ["fox", "x", "foxes"]))
    assert [(path.name, float(scores.logit)) for path, scores in found] == [("a.png", -0.5), ("b.png", 0.5)]
    assert [entry.path.name for entry in skipped] == ["damaged.png"]
    with pytest.raises(DataError, match="there is none"):
        reward.score_files(paths, skipped)


def test_progress_is_reported_after_every_picture_and_cancels(reward: BrightWords) -> None:
    def cancel(step: Progress) -> None:
        if step.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reward.score([BRIGHT] * 3, ["one", "two", "three"], cancel)
    assert reward.read == ["one", "two"]


def test_unreadable_files_are_all_named(reward: BrightWords, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"2 of 2 files.*a\.png.*b\.png"):
        reward.score([tmp_path / "a.png", tmp_path / "b.png"], ["x", "y"])


def test_the_identity_is_that_of_kind_and_weights(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    ids = [Identity("n", kind, (tmp_path / file,)).sha256() for kind, file in ("ka", "kb", "la")]
    assert len(set(ids)) == 3
    assert Identity("other name", "k", (tmp_path / "a",)).sha256() == ids[0]

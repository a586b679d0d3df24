"""A clip scores the mean over evenly spaced frames."""

from __future__ import annotations

from typing import Any

import torch

from ganrm_core.rewards.base import Scores, joined
from ganrm_core.rewards.clips import sample_frames, score_clips


def test_at_most_eight_frames_from_first_to_last() -> None:
    for length, expected in (
        (1, [0]),
        (3, [0, 1, 2]),
        (8, list(range(8))),
        (9, [0, 1, 2, 3, 5, 6, 7, 8]),
        (15, list(range(0, 15, 2))),
    ):
        clip = torch.arange(length).view(-1, 1, 1, 1).expand(-1, 2, 2, 3)
        assert [int(frame[0, 0, 0]) for frame in sample_frames(clip)] == expected


def test_logit_score_and_uncertainty_are_means_over_the_frames_of_each_clip() -> None:
    given: list[Any] = []

    class Brightness:
        def score(self, images: Any, prompts: Any, progress: Any) -> Scores:
            given.append((len(images), prompts, progress))
            logit = torch.stack([image.mean() for image in images])
            return Scores(logit, logit.square(), 1 - logit)

    def clip(*levels: float) -> list[torch.Tensor]:
        return [torch.full((2, 2, 3), level) for level in levels]

    reward: Any = Brightness()
    scores = score_clips(reward, [clip(0.2, 0.6), clip(0.5)], print)
    assert given == [(3, None, print)]
    torch.testing.assert_close(scores.logit, torch.tensor([0.4, 0.5]))
    torch.testing.assert_close(scores.score, torch.tensor([0.2, 0.25]))
    torch.testing.assert_close(scores.uncertainty, torch.tensor([0.6, 0.5]))


def test_a_clip_has_the_remarks_of_all_its_frames_and_scores_joined_keep_theirs() -> None:
    class Talker:
        def score(self, images: Any, *_: Any) -> Scores:
            zeros = torch.zeros(len(images))
            return Scores(zeros, zeros, zeros, tuple(str(number) for number in range(len(images))))

    reward: Any = Talker()
    frame = torch.zeros(2, 2, 3)
    said = score_clips(reward, [[frame, frame], [frame]])
    assert said.remarks == ("0\n1", "2")
    assert said.of(1).remarks == ("2",)
    silent = Scores(*(torch.zeros(1) for _ in range(3)))
    assert joined([silent, said]).remarks == ("", "0\n1", "2")
    assert joined([silent, silent]).remarks == ()

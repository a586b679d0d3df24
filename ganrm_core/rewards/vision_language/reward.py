"""Vision-language reward: the log-odds of a chat model's yes, about a picture alone or against reference pictures.

With z the logits of the first token of the answer and Y, N the tokens that spell yes and no,

    absolute      logit = log Σ_Y exp z − log Σ_N exp z,   score = sigmoid(logit) = P(yes) / (P(yes) + P(no))
    reference r   a = the logit of "is the picture better than r", b = of "is r better than the picture"
                  logit = (a − b) / 2,   uncertainty = |a + b| / 2

after RewardDance (Wu et al. 2025, arXiv 2509.08826), which asks in one order. A liking β for the second place adds to a
and b alike: it cancels in the logit and is all of the gap a + b = 2β where the model is otherwise of one mind. Several
references are averaged. Q-Align's five levels take the place of yes and no for a picture alone (`level_log_odds`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ...backbones.base import sha256_of_files
from ...data.image_io import read_image, to_float
from ...data.skipped_files import Skipped
from ...data.streaming import decoders_beside, stream_files
from ...metrics.calibration import Calibration
from ...utils.errors import DataError
from ...utils.progress import Progress, ProgressCallback, no_progress
from ..base import Images, Scores, all_unreadable_named, checked_prompts, each_of, how_many, opened
from .chat_model import ChatModel, as_picture
from .questions import Answer, Questions
from .wording import Wording

MOST_REASON_TOKENS = 120


@dataclass(frozen=True)
class Judgement:
    """What is known about one picture.

    `logit` is NaN where every question failed, `problem` says why one did. `position_bias` is (a + b) / 2, positive
    where the model prefers whatever is in second place; `gap` the mean of its absolute value over the references.
    """

    logit: float
    gap: float = 0.0
    position_bias: float = 0.0
    reasons: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class VisionLanguageIdentity:
    """Of weights, wording and references."""

    files: tuple[Path, ...]
    settings: str

    def sha256(self) -> str:
        """Hex. Slow for large files at first, cached then."""
        return hashlib.sha256(f"{self.settings} {sha256_of_files(self.files)}".encode()).hexdigest()


class VisionLanguageReward:
    """Follows the `Reward` protocol; asks about one picture at a time, so that no score depends on its neighbours."""

    calibration = Calibration()
    """The logit is the log-odds of the score, which combinations read from it."""

    def __init__(
        self,
        model: ChatModel,
        wording: Wording | None = None,
        references: Sequence[Tensor] = (),
        *,
        name: str = "vision-language",
        most_reason_tokens: int = MOST_REASON_TOKENS,
    ) -> None:
        """`references` are pictures, float [3, H, W] in 0–1, to compare with; without any the question is absolute.

        Raises DataError for five levels with references, BackboneError for a model whose answers cannot be read.
        """
        self.wording = wording or Wording()
        if references and self.wording.answering != "yes or no":
            raise DataError(
                "The five levels rate a picture alone. Answer with yes or no to compare it with references, or leave the "
                "references out."
            )
        self.network = model
        self.name = name
        self._references = [as_picture(each) for each in references]
        self._most_reason_tokens = most_reason_tokens
        self._questions = Questions(model, self.wording, most_reason_tokens)

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Empty: nothing was measured on the user's own pictures."""
        return {}

    @property
    def needs_prompt(self) -> bool:
        """Whether the instruction has a place for it."""
        return self.wording.needs_prompt

    @property
    def bytes_per_picture(self) -> int:
        return self.network.bytes_per_picture

    @property
    def identity(self) -> VisionLanguageIdentity:
        pixels = [hashlib.sha256(f"{p.size}".encode() + p.tobytes()).hexdigest() for p in self._references]
        return VisionLanguageIdentity(
            self.network.files, f"vision-language {self.wording} {self._most_reason_tokens} {pixels}"
        )

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        """As `judge`, which also gives the reasons. A picture without an answer has NaN everywhere."""
        return as_scores(self.judge(images, prompts, progress))

    def judge(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> list[Judgement]:
        """Judge pictures one by one. Raises DataError where a prompt is needed and absent, ImageError as `Reward` does.

        `progress` is called before every question and for every token of a reason; its exception cancels.
        """
        pictures = each_of(images)
        texts = self._texts(how_many(images), prompts)
        found: list[Judgement] = []

        def step() -> None:
            progress(Progress("scoring", len(found), len(pictures)))

        with all_unreadable_named(pictures):
            for picture, text in zip(pictures, texts, strict=True):
                found.append(self._judgement(as_picture(opened(picture)), text, step))
        step()
        return found

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        """Score files one by one, in order, decoding ahead. Raises DataError as `score` does."""
        return self._scored_files(list(paths), self._texts(len(paths), prompts), skipped)

    def compare(
        self,
        first: Image.Image,
        second: Image.Image,
        prompt: str = "",
        step: Callable[[], None] = lambda: None,
    ) -> Judgement:
        """Whether `second` is better than `first`, asked in both orders."""
        forward = self._questions.comparison(first, second, prompt, step)
        backward = self._questions.comparison(second, first, prompt, step)
        bias = (forward.log_odds + backward.log_odds) / 2
        logit = (forward.log_odds - backward.log_odds) / 2
        return Judgement(logit, abs(bias), bias, *_said(forward, backward))

    def _scored_files(
        self, paths: Sequence[Path], texts: Sequence[str], skipped: list[Skipped]
    ) -> Iterator[tuple[Path, Scores]]:
        workers = decoders_beside(next(self.network.parameters()).device.type)
        pictures = stream_files(
            paths, lambda _, path: as_picture(to_float(read_image(path))), workers=workers, skipped=skipped
        )
        for place, picture in pictures:
            yield paths[place], as_scores([self._judgement(picture, texts[place], lambda: None)])

    def _texts(self, count: int, prompts: Sequence[str] | None) -> Sequence[str]:
        return checked_prompts(self.name, prompts, count) if self.needs_prompt else [""] * count

    def _judgement(self, picture: Image.Image, prompt: str, step: Callable[[], None]) -> Judgement:
        if not self._references:
            answer = self._questions.absolute(picture, prompt, step)
            gap = 0.0 if math.isfinite(answer.log_odds) else math.nan
            return Judgement(answer.log_odds, gap, gap, *_said(answer))
        return _mean([self.compare(reference, picture, prompt, step) for reference in self._references])


def as_scores(judgements: Sequence[Judgement]) -> Scores:
    logit = torch.tensor([each.logit for each in judgements], dtype=torch.float64)
    gap = torch.tensor([each.gap for each in judgements], dtype=torch.float32)
    return Scores(logit.float(), torch.sigmoid(logit).float(), gap)


def _mean(parts: Sequence[Judgement]) -> Judgement:
    """Over the references that were answered for; NaN where none was."""
    answered = [part for part in parts if math.isfinite(part.logit)] or parts[:1]
    logit, gap, bias = (
        sum(values) / len(answered)
        for values in zip(*((part.logit, part.gap, part.position_bias) for part in answered), strict=True)
    )
    problem = next((part.problem for part in parts if part.problem), "")
    return Judgement(logit, gap, bias, tuple(text for part in parts for text in part.reasons), problem)


def _said(*answers: Answer) -> tuple[tuple[str, ...], str]:
    reasons = tuple(answer.reason for answer in answers if answer.reason)
    return reasons, next((answer.problem for answer in answers if answer.problem), "")

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from ...backbones.base import sha256_of_files
from ...data.image_io import read_image, to_float
from ...data.skipped_files import Skipped
from ...data.streaming import decoders_beside, stream_files
from ...metrics.calibration import Calibration
from ...utils.progress import Progress, ProgressCallback, no_progress
from ..base import Images, Scores, all_unreadable_named, checked_prompts, each_of, how_many, opened
from .chat_model import ChatModel, as_picture
from .questions import Answer, Asked, Questions
from .wording import Wording, check_references_fit

MOST_REASON_TOKENS = 120

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Judgement:
    """What is known about one picture.

    `logit` is NaN where every question failed, `problem` says why one did. `position_bias` is (a + b) / 2, positive
    where the model prefers whatever is in second place; `gap` the mean of its absolute value over the references. It is
    None without references.
    """

    logit: float
    gap: float = 0.0
    position_bias: float | None = None
    reasons: tuple[str, ...] = ()
    problem: str = ""

    @property
    def remark(self) -> str:
        """The same in words: what went wrong, the bias to a position, and the reasons, a line each."""
        lines = list(self.reasons)
        if self.position_bias is not None and math.isfinite(self.position_bias):
            lines.insert(0, f"position bias {self.position_bias:+.2f}")
        if self.problem:
            some = math.isfinite(self.logit)
            lines.insert(0, f"{'not every question was answered' if some else 'no answer'}: {self.problem}")
        return "\n".join(lines)


@dataclass(frozen=True)
class VisionLanguageIdentity:
    """Of weights, wording and references."""

    files: tuple[Path, ...]
    settings: str

    def sha256(self) -> str:
        """Hex. Slow for large files at first, cached then."""
        return hashlib.sha256(f"{self.settings} {sha256_of_files(self.files)}".encode()).hexdigest()


class VisionLanguageReward:
    """Follows the `Reward` protocol. Asks about one picture at a time unless told otherwise."""

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
        at_once: int = 1,
    ) -> None:
        """`references` are pictures, float [3, H, W] in 0–1, to compare with; without any the question is absolute.

        `at_once`: pictures, and questions per forward pass. With 1, scores are the same in any batch to the last bit; with
        more they differ by rounding: in float32 by less than 1e-5, in 16 bits by up to a few hundredths.
        Raises DataError for five levels with references, BackboneError for a model whose answers cannot be read.
        """
        self.wording = wording or Wording()
        check_references_fit(self.wording, len(references))
        self.network = model
        self.name = name
        self._references = [as_picture(each) for each in references]
        self._most_reason_tokens = most_reason_tokens
        self._at_once = max(1, at_once)
        self._questions = Questions(model, self.wording, most_reason_tokens, self._at_once)

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
        """Estimated activation memory of a forward pass, with all pictures in it."""
        return self.network.bytes_per_question * self._at_once

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
        asked = list(zip(pictures, self._texts(how_many(images), prompts), strict=True))
        found: list[Judgement] = []

        def step() -> None:
            progress(Progress("scoring", len(found), len(asked)))

        with all_unreadable_named(pictures):
            for chunk in _chunks(asked, self._at_once):
                opened_ones = [(as_picture(opened(picture)), text) for picture, text in chunk]
                found += self._judgements(opened_ones, step)
        step()
        return found

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        """Score files one by one, in order, decoding ahead. Raises DataError as `score` does.

        Files about which the model gives no answer are added to `skipped`, too.
        """
        return self._scored_files(list(paths), self._texts(len(paths), prompts), skipped)

    def compare(
        self,
        first: Image.Image,
        second: Image.Image,
        prompt: str = "",
        step: Callable[[], None] = lambda: None,
    ) -> Judgement:
        """Whether `second` is better than `first`, asked in both orders."""
        return _compared(*self._questions.answers(_both_orders(first, second, prompt), step))

    def _scored_files(
        self, paths: Sequence[Path], texts: Sequence[str], skipped: list[Skipped]
    ) -> Iterator[tuple[Path, Scores]]:
        workers = decoders_beside(next(self.network.parameters()).device.type)
        pictures = stream_files(
            paths, lambda _, path: as_picture(to_float(read_image(path))), workers=workers, skipped=skipped
        )
        for chunk in _chunks(pictures, self._at_once):
            judged = self._judgements([(picture, texts[place]) for place, picture in chunk], lambda: None)
            for (place, _), judgement in zip(chunk, judged, strict=True):
                if math.isfinite(judgement.logit):
                    yield paths[place], as_scores([judgement])
                else:
                    skipped.append(Skipped(paths[place], f"{self.name} gives no answer: {judgement.problem}"))

    def _texts(self, count: int, prompts: Sequence[str] | None) -> Sequence[str]:
        return checked_prompts(self.name, prompts, count) if self.needs_prompt else [""] * count

    def _judgements(
        self, pictures: Sequence[tuple[Image.Image, str]], step: Callable[[], None]
    ) -> list[Judgement]:
        """One per picture with its prompt, asked about together."""
        if not self._references:
            answers = self._questions.answers([Asked((picture,), text) for picture, text in pictures], step)
            return [_alone(answer) for answer in answers]
        asked = [
            each
            for picture, text in pictures
            for reference in self._references
            for each in _both_orders(reference, picture, text)
        ]
        answers = self._questions.answers(asked, step)
        compared = [_compared(*pair) for pair in _chunks(answers, 2)]
        return [_mean(parts) for parts in _chunks(compared, len(self._references))]


def as_scores(judgements: Sequence[Judgement]) -> Scores:
    logit = torch.tensor([each.logit for each in judgements], dtype=torch.float64)
    gap = torch.tensor([each.gap for each in judgements], dtype=torch.float32)
    remarks = tuple(each.remark for each in judgements)
    return Scores(logit.float(), torch.sigmoid(logit).float(), gap, remarks if any(remarks) else ())


def _both_orders(first: Image.Image, second: Image.Image, prompt: str) -> list[Asked]:
    return [Asked((first, second), prompt), Asked((second, first), prompt)]


def _alone(answer: Answer) -> Judgement:
    gap = 0.0 if math.isfinite(answer.log_odds) else math.nan
    return Judgement(answer.log_odds, gap, None, (answer.reason,) if answer.reason else (), answer.problem)


def _compared(forward: Answer, backward: Answer) -> Judgement:
    """From whether the second is better than the first, and whether the first is better than the second."""
    bias = (forward.log_odds + backward.log_odds) / 2
    logit = (forward.log_odds - backward.log_odds) / 2
    reasons, problem = _said(forward, backward)
    return Judgement(logit, abs(bias), bias, reasons, problem)


def _mean(parts: Sequence[Judgement]) -> Judgement:
    """Over the references that were answered for; NaN where none was."""
    answered = [part for part in parts if math.isfinite(part.logit)] or parts[:1]
    logit, gap, bias = (
        sum(values) / len(answered)
        for values in zip(
            *((part.logit, part.gap, part.position_bias or 0.0) for part in answered), strict=True
        )
    )
    problem = next((part.problem for part in parts if part.problem), "")
    return Judgement(logit, gap, bias, tuple(text for part in parts for text in part.reasons), problem)


def _said(forward: Answer, backward: Answer) -> tuple[tuple[str, ...], str]:
    """Both reasons, with the place that the judged picture had, and one problem."""
    reasons = (("as image 2", forward.reason), ("as image 1", backward.reason))
    return tuple(f"({where}) {text}" for where, text in reasons if text), forward.problem or backward.problem


def _chunks(items: Iterable[_Item], count: int) -> Iterator[list[_Item]]:
    """Lists of `count` items, the last one possibly shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, count)):
        yield chunk

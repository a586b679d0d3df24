"""Asks a chat model about pictures and reads the log-odds of its answer; a failed answer is not-a-number, never an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ...utils.device_memory import is_out_of_memory
from ...utils.error_text import reason
from .answer_tokens import level_log_odds, token_ids, yes_log_odds
from .chat_model import ChatModel
from .wording import ANSWER_AFTER_REASON, Wording

NO_NUMBER = "the model's probabilities are not numbers"
_FAILURES = (ValueError, IndexError, KeyError, TypeError, RuntimeError)


@dataclass(frozen=True)
class Answer:
    """`log_odds` of yes, or of Q-Align's score, NaN where there is no answer: `problem` then says why."""

    log_odds: float
    reason: str = ""
    problem: str = ""


class Questions:
    """Asks one question about given pictures after another."""

    def __init__(self, model: ChatModel, wording: Wording, most_reason_tokens: int) -> None:
        """Raises BackboneError where an answer has no token of its own."""
        self._model = model
        self._wording = wording
        self._most = most_reason_tokens
        self._ids = token_ids(model.tokenizer, wording.words)

    def absolute(self, picture: Image.Image, prompt: str, progress: Callable[[], None]) -> Answer:
        """Whether the picture is good. `progress` is called before every step; its exception passes through."""
        return self._attempt([picture], self._wording.absolute(self._model.plain(prompt)), progress)

    def comparison(
        self, first: Image.Image, second: Image.Image, prompt: str, progress: Callable[[], None]
    ) -> Answer:
        """Whether the second picture is better than the first; `progress` as in `absolute`."""
        return self._attempt([first, second], self._wording.comparison(self._model.plain(prompt)), progress)

    def _attempt(
        self, pictures: Sequence[Image.Image], question: str, progress: Callable[[], None]
    ) -> Answer:
        cancelled: list[BaseException] = []

        def step() -> None:
            try:
                progress()
            except BaseException as error:
                cancelled.append(error)
                raise

        step()
        try:
            answer = self._answer(pictures, question, step)
        except _FAILURES as error:
            if cancelled or is_out_of_memory(error):
                raise
            return Answer(math.nan, problem=reason(error))
        if math.isfinite(answer.log_odds):
            return answer
        return Answer(math.nan, answer.reason, NO_NUMBER)

    def _answer(self, pictures: Sequence[Image.Image], question: str, step: Callable[[], None]) -> Answer:
        turn = self._model.turn(pictures, question)
        start = turn + self._wording.answer_start
        if self._wording.reasoning == "reason first":
            written = self._model.go_on(pictures, turn, self._most, step)
            end = ANSWER_AFTER_REASON
            return Answer(
                self._log_odds(self._model.next_token(pictures, turn + written + end)), written.strip()
            )
        logits = self._model.next_token(pictures, start)
        log_odds = self._log_odds(logits)
        if self._wording.reasoning == "none" or not math.isfinite(log_odds):
            return Answer(log_odds)
        said = self._model.tokenizer.decode([self._likeliest(logits)])
        written = self._model.go_on(pictures, start + said, self._most, step)
        return Answer(log_odds, written.lstrip(" .,:;\n").rstrip())

    def _log_odds(self, logits: Tensor) -> float:
        read = yes_log_odds if self._wording.answering == "yes or no" else level_log_odds
        return read(logits, self._ids)

    def _likeliest(self, logits: Tensor) -> int:
        """The likeliest token that is an answer."""
        ids = torch.cat(self._ids)
        return int(ids[logits[ids.to(logits.device)].argmax()])

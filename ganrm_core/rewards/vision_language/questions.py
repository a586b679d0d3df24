"""Asks a chat model about pictures and reads the log-odds of its answers; a failed one is not-a-number, never an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from PIL import Image
from torch import Tensor

from ...utils.device_memory import free_cached_memory, is_out_of_memory
from ...utils.error_text import reason
from .answer_tokens import AnswerTokens, level_log_odds, yes_log_odds
from .chat_model import ChatModel, Inputs, shape_of
from .wording import ANSWER_AFTER_REASON, Wording

NO_NUMBER = "the model's probabilities are not numbers"
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Asked:
    """One picture, or a reference and the picture that may be better, with the prompt."""

    pictures: tuple[Image.Image, ...]
    prompt: str


@dataclass
class Answer:
    """`log_odds` of yes, or of Q-Align's score, NaN where there is no answer: `problem` then says why."""

    log_odds: float = math.nan
    reason: str = ""
    problem: str = ""


class Questions:
    """Asks questions in batches of equal length, so that nothing is padded; reasons are written one by one."""

    def __init__(self, model: ChatModel, wording: Wording, most_reason_tokens: int, at_once: int) -> None:
        """`at_once`: questions per forward pass at most. Raises BackboneError where an answer has no token of its own."""
        self._model = model
        self._wording = wording
        self._most = most_reason_tokens
        self._at_once = at_once
        self._tokens = AnswerTokens(model.tokenizer, wording.words)

    def answers(self, asked: Sequence[Asked], progress: Callable[[], None]) -> list[Answer]:
        """One per question. `progress` is called before every forward pass and for every token of a reason.

        Its exception passes through, and so does running out of memory with a single question.
        """
        return _Asking(self._model, self._wording, self._most, progress).run(
            asked, self._tokens, self._at_once
        )


class _Asking:
    """One call of `Questions.answers`."""

    def __init__(
        self, model: ChatModel, wording: Wording, most_reason_tokens: int, progress: Callable[[], None]
    ) -> None:
        self._model = model
        self._wording = wording
        self._most = most_reason_tokens
        self._progress = progress
        self._cancelled = False

    def run(self, asked: Sequence[Asked], tokens: AnswerTokens, at_once: int) -> list[Answer]:
        answers = [Answer() for _ in asked]
        texts = [self._turn(each) for each in asked]
        if self._wording.reasoning == "reason first":
            for place, (each, answer) in enumerate(zip(asked, answers, strict=True)):
                written = self._written(each, texts[place], answer)
                texts[place] += written + ANSWER_AFTER_REASON
        else:
            texts = [text + self._wording.answer_start for text in texts]
        found = self._all_logits(asked, texts, answers, tokens, at_once)
        read = yes_log_odds if self._wording.answering == "yes or no" else level_log_odds
        for place, logits in found.items():
            log_odds = read(tokens.masses(logits))
            if not math.isfinite(log_odds):
                answers[place].problem = NO_NUMBER
                continue
            answers[place].log_odds = log_odds
            if self._wording.reasoning == "answer first":
                said = self._model.tokenizer.decode([tokens.likeliest(logits)])
                self._written(asked[place], texts[place] + said, answers[place])
                answers[place].problem = ""  # the answer is there, only its reason may not be
        return answers

    def _turn(self, asked: Asked) -> str:
        prompt = self._model.plain(asked.prompt)
        question = self._wording.comparison if len(asked.pictures) > 1 else self._wording.absolute
        return self._model.turn(len(asked.pictures), question(prompt))

    def _written(self, asked: Asked, text: str, answer: Answer) -> str:
        """What the model writes after `text`; also kept, on one line, as the reason of `answer`."""
        self._step()
        written = self._tried(
            lambda: self._model.go_on(self._model.inputs(asked.pictures, text), self._most, self._step),
            answer,
        )
        answer.reason = " ".join((written or "").split()).lstrip(" .,:;")
        return written or ""

    def _all_logits(
        self,
        asked: Sequence[Asked],
        texts: Sequence[str],
        answers: Sequence[Answer],
        tokens: AnswerTokens,
        at_once: int,
    ) -> dict[int, Tensor]:
        """The logits [K] of `tokens` for each question without a problem, by its place."""
        found: dict[int, Tensor] = {}
        places = [place for place, answer in enumerate(answers) if not answer.problem]
        for start in range(0, len(places), at_once):
            alike: dict[object, dict[int, Inputs]] = {}
            for place in places[start : start + at_once]:
                pictures, text = asked[place].pictures, texts[place]
                made = self._tried(partial(self._model.inputs, pictures, text), answers[place])
                if made is not None:
                    alike.setdefault(shape_of(made), {})[place] = made
            for together in alike.values():
                self._logits(together, answers, tokens, found)
        return found

    def _logits(
        self,
        together: dict[int, Inputs],
        answers: Sequence[Answer],
        tokens: AnswerTokens,
        found: dict[int, Tensor],
    ) -> None:
        """Halves what fails, down to the question that fails alone."""
        self._step()
        places = list(together)
        try:
            logits = self._model.logits(list(together.values()), tokens.ids)
        except Exception as error:
            if len(places) == 1:
                self._note(error, answers[places[0]])
                return
        else:
            found.update(zip(places, logits, strict=True))
            return
        free_cached_memory(next(self._model.parameters()).device)
        half = len(places) // 2
        for part in (places[:half], places[half:]):
            self._logits({place: together[place] for place in part}, answers, tokens, found)

    def _tried(self, work: Callable[[], _Made], answer: Answer) -> _Made | None:
        try:
            return work()
        except Exception as error:
            self._note(error, answer)
            return None

    def _note(self, error: Exception, answer: Answer) -> None:
        """A problem of this question alone; raises `error` again where it is a cancel or memory ran out."""
        if self._cancelled or is_out_of_memory(error):
            raise error
        answer.problem = reason(error)

    def _step(self) -> None:
        try:
            self._progress()
        except BaseException:
            self._cancelled = True
            raise

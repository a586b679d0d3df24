"""A function that is run piece by piece, by whoever holds it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import torch

from .rng_state import RngState

_Question = TypeVar("_Question")
_Result = TypeVar("_Result")


class Finished(Generic[_Result]):
    """What the function returned."""

    def __init__(self, result: _Result) -> None:
        self.result = result


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _GivenUp(BaseException):
    """Not an Exception, so that no sampler takes it for an error to be handled."""


_GIVE_UP = object()


class PausableCall(Generic[_Question, _Result]):
    """Runs `work(ask)` in a thread of its own, which stands still from each `ask(question)` until it is answered.

    A sampler is a function that runs to its end; this is how one can be paused and given up without being
    rewritten. Either the holder runs or the thread, never both, and torch's global random numbers run on from
    `random` for the errand alone: others neither see nor change what it draws.
    """

    def __init__(self, work: Callable[[Callable[[_Question], Any]], _Result], random: RngState) -> None:
        self._work, self.random = work, random
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._questions: SimpleQueue[Any] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._over = False

    def resume(self, answer: Any = None) -> _Question | Finished[_Result]:
        """Let it run on with the answer to its last question, until it asks again or is finished.

        Raises whatever the function raised.
        """
        with self.random.running():
            if self._thread is None:
                self._thread = self._started()
            else:
                self._answers.put(answer)
            question = self._questions.get()
        if isinstance(question, (Finished, _Failed)):
            self._over = True
            self._thread.join()
        if isinstance(question, _Failed):
            raise question.error
        return question  # type: ignore[no-any-return]

    def give_up(self) -> None:
        """End it where it stands. Does nothing to one that is over, or has not begun."""
        if self._thread is None or self._over:
            return
        self._over = True
        self._answers.put(_GIVE_UP)
        self._thread.join()

    def _started(self) -> threading.Thread:
        context = contextvars.copy_context()
        inference = torch.is_inference_mode_enabled()  # threads do not inherit it
        thread = threading.Thread(target=context.run, args=(self._run, inference), daemon=True)
        thread.start()
        return thread

    def _run(self, inference: bool) -> None:
        try:
            if self.random.device.type == "cuda":
                torch.cuda.set_device(self.random.device)
            with torch.inference_mode(inference):
                outcome: Any = Finished(self._work(self._ask))
        except _GivenUp:
            return
        except BaseException as error:  # the holder shall see it, whatever it is
            outcome = _Failed(error)
        self._questions.put(outcome)

    def _ask(self, question: _Question) -> Any:
        if self._over:  # asked while it unwinds: nobody would answer
            raise _GivenUp
        self._questions.put(question)
        answer = self._answers.get()
        if answer is _GIVE_UP:
            raise _GivenUp
        return answer

"""Runs a function in a thread, suspended at each `ask()`."""

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
    """The function has ended; `result` is its return value."""

    def __init__(self, result: _Result) -> None:
        self.result = result


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Abandoned(BaseException):
    """Unwinds the thread. Not an Exception, so that no sampler handles it as an error."""


_ABANDON = object()


class PausableCall(Generic[_Question, _Result]):
    """Runs `work(ask)` in a thread, suspended at each `ask(question)` until `resume(answer)`.

    Lets a sampler, which is a plain function, be paused and abandoned without rewriting it. The caller and the thread
    never run at the same time. The thread has its own torch RNG state, which starts at `random`; the caller's is
    neither seen nor changed.
    """

    def __init__(self, work: Callable[[Callable[[_Question], Any]], _Result], random: RngState) -> None:
        self._work, self.random = work, random
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._questions: SimpleQueue[Any] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._over = False

    def resume(self, answer: Any = None) -> _Question | Finished[_Result]:
        """Continue with the answer to its last question, until it asks again or finishes.

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
        """End the thread at its current `ask()`. No effect once it has ended, or before it has begun."""
        if self._thread is None or self._over:
            return
        self._over = True
        self._answers.put(_ABANDON)
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
        except _Abandoned:
            return
        except BaseException as error:  # raised again in the caller
            outcome = _Failed(error)
        self._questions.put(outcome)

    def _ask(self, question: _Question) -> Any:
        if self._over:  # asked while unwinding: nobody would answer
            raise _Abandoned
        self._questions.put(question)
        answer = self._answers.get()
        if answer is _ABANDON:
            raise _Abandoned
        return answer

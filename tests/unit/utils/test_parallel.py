"""Ordered parallel map: order, bounded look-ahead, torch's threads, exceptions and cancelling."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ganrm_core.utils.parallel import WaitHooks, in_order, threads_to_share


@pytest.fixture(autouse=True)
def four_cores() -> Iterator[None]:
    """Torch believes in four cores; afterwards no thread is left."""
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    assert workers() == []
    torch.set_num_threads(threads)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ganrm-worker")]


def threads_of_torch(_: object = None) -> int:
    return torch.get_num_threads()


def test_so_many_threads_that_few_cores_are_left_over() -> None:
    for cores, threads in {1: 0, 2: 2, 3: 3, 4: 4, 6: 3, 8: 4, 9: 3, 64: 4}.items():
        torch.set_num_threads(cores)
        assert threads_to_share() == threads


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("inference", [False, True])
def test_results_come_in_order_and_in_the_callers_mode(threads: int, inference: bool) -> None:
    def slow_at_first(item: int) -> tuple[int, bool]:
        time.sleep(0.01 if item % 3 == 0 else 0)
        return item * item, torch.is_inference_mode_enabled()

    with torch.inference_mode(inference):
        results = list(in_order(range(9), slow_at_first, threads=threads, ahead=5))
    assert results == [(n * n, inference) for n in range(9)]


def test_nothing_is_drawn_further_ahead_than_allowed() -> None:
    drawn: list[int] = []
    stream = in_order((drawn.append(n) or n for n in range(50)), lambda n: n, threads=2, ahead=3)
    assert drawn == []
    assert next(stream) == 0
    assert len(drawn) <= 3
    assert next(stream) == 1
    assert len(drawn) <= 4
    stream.close()  # type: ignore[attr-defined]


def test_cores_are_shared_out_and_no_other_thread_keeps_a_share() -> None:
    def of_a_new_thread() -> int:
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(threads_of_torch).result()

    stream = in_order(range(6), threads_of_torch, threads=2, ahead=4, share=True)
    assert next(stream) == 2
    assert threads_of_torch() == of_a_new_thread() == 4
    inner = in_order(range(6), threads_of_torch, threads=4, ahead=4, share=True)
    assert next(inner) == 1
    assert list(stream) == [2] * 5
    assert list(inner) == [1] * 5
    assert threads_of_torch() == of_a_new_thread() == 4
    assert list(in_order(range(3), threads_of_torch, threads=2, ahead=2)) == [4] * 3


def test_threads_that_cannot_start_are_no_end_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def only_one(thread: threading.Thread) -> None:
        if workers():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_one)
    with pytest.raises(RuntimeError, match="can't start"):
        next(in_order(range(6), lambda n: n, threads=3, ahead=4))


def test_what_work_raises_passes_through_and_ends_the_threads() -> None:
    stream = in_order([1, 1, 0, 1], lambda item: 1 // item, threads=2, ahead=4, share=True)
    assert [next(stream) for _ in range(2)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert workers() == []
    assert torch.get_num_threads() == 4


def test_hooks_run_in_the_callers_thread_and_may_cancel() -> None:
    release, called = threading.Event(), []

    def cancel() -> None:
        called.append(threading.current_thread())
        if len(called) == 2:
            raise KeyboardInterrupt

    hooks = WaitHooks(poll=cancel, on_exit=release.set)
    stream = in_order(range(3), lambda _: release.wait(10), threads=2, ahead=2, hooks=hooks)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert called == [threading.current_thread()] * 2
    assert release.is_set()

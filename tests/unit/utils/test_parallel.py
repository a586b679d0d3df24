from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures.thread import BrokenThreadPool

import pytest
import torch

from ganrm_core.utils import parallel
from ganrm_core.utils.parallel import WaitHooks, in_order, threads_to_share


@pytest.fixture(autouse=True)
def four_cores() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(threads)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ganrm-worker")]


@pytest.mark.parametrize(
    ("cores", "threads"), [(1, 0), (2, 2), (3, 3), (4, 4), (6, 3), (8, 4), (9, 3), (64, 4)]
)
def test_so_many_threads_that_few_cores_are_left_over(cores: int, threads: int) -> None:
    torch.set_num_threads(cores)
    assert threads_to_share() == threads


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_come_in_order_however_long_each_takes(threads: int) -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item * item

    assert list(in_order(range(20), slow_at_first, threads=threads, ahead=5)) == [n * n for n in range(20)]
    assert workers() == []


def test_nothing_is_drawn_further_ahead_than_allowed() -> None:
    drawn: list[int] = []
    stream = in_order((drawn.append(n) or n for n in range(50)), lambda n: n, threads=2, ahead=3)
    assert drawn == []
    assert next(stream) == 0
    assert len(drawn) <= 3
    assert next(stream) == 1
    assert len(drawn) <= 4


def test_cores_are_shared_out_and_the_callers_are_its_own_again() -> None:
    stream = in_order(range(6), lambda _: torch.get_num_threads(), threads=2, ahead=4, share=True)
    assert next(stream) == 2
    assert torch.get_num_threads() == 4
    assert list(stream) == [2] * 5
    assert torch.get_num_threads() == 4
    assert list(in_order(range(3), lambda _: torch.get_num_threads(), threads=2, ahead=2)) == [4] * 3


def test_no_other_thread_keeps_a_share() -> None:
    def asked() -> int:
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return seen[0]

    stream = in_order(range(6), lambda _: torch.ones(2).sum(), threads=2, ahead=4, share=True)
    next(stream)
    assert asked() == 4
    inner = in_order(range(6), lambda _: torch.get_num_threads(), threads=4, ahead=4, share=True)
    assert next(inner) == 1
    stream.close()  # type: ignore[attr-defined]
    assert list(inner) == [1] * 5
    assert asked() == torch.get_num_threads() == 4


def test_all_have_set_their_share_before_the_first_result(monkeypatch: pytest.MonkeyPatch) -> None:
    set_share: list[int] = []

    def slowly(count: int) -> None:
        time.sleep(0.1 * len(workers()))
        set_share.append(count)

    monkeypatch.setattr(parallel, "_use_cores", slowly)
    stream = in_order(range(6), lambda n: n, threads=3, ahead=4, share=True)
    assert next(stream) == 0
    assert set_share == [1] * 3
    assert list(stream) == [1, 2, 3, 4, 5]


def test_a_thread_that_cannot_start_is_no_end_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def only_one(thread: threading.Thread) -> None:
        if workers():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_one)
    with pytest.raises(RuntimeError, match="can't start"):
        next(in_order(range(6), lambda n: n, threads=3, ahead=4))
    assert workers() == []


def test_a_share_that_cannot_be_set_is_no_end_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def fail_the_second(count: int) -> None:
        asked.append(count)
        if len(asked) == 2:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(parallel, "_use_cores", fail_the_second)
    with pytest.raises(BrokenThreadPool):
        next(in_order(range(6), lambda n: n, threads=3, ahead=4, share=True))
    assert workers() == []


@pytest.mark.parametrize("inference", [False, True])
def test_work_runs_in_the_callers_mode(inference: bool) -> None:
    with torch.inference_mode(inference):
        modes = set(in_order(range(4), lambda _: torch.is_inference_mode_enabled(), threads=2, ahead=2))
    assert modes == {inference}


def test_what_work_raises_passes_through_and_ends_the_threads() -> None:
    def fail(item: int) -> int:
        if item == 3:
            raise KeyError("of ours")
        return item

    stream = in_order(range(9), fail, threads=2, ahead=4, share=True)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="of ours"):
        next(stream)
    assert workers() == []
    assert torch.get_num_threads() == 4


def test_while_waiting_is_called_in_the_callers_thread_and_may_cancel() -> None:
    class Cancelled(BaseException):
        pass

    release, called = threading.Event(), []

    def cancel() -> None:
        called.append(threading.current_thread())
        if len(called) == 2:
            release.set()
            raise Cancelled

    stream = in_order(
        range(3), lambda _: release.wait(10), threads=2, ahead=2, hooks=WaitHooks(cancel, lambda: None)
    )
    with pytest.raises(Cancelled):
        next(stream)
    assert set(called) == {threading.current_thread()}
    assert workers() == []

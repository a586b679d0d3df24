"""Work shared out among the processor's cores: a few threads, each with its part of those that torch may use.

torch splits every operation among its threads, which then wait for one another; between operations, and in Python,
all but one are idle. Whole pieces of work side by side leave fewer idle (docs/performance.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from threading import Barrier, Lock, Thread
from typing import TypeVar

import torch

_MOST = 4  # each needs memory of its own
_LOOK_UP = 0.1

Item = TypeVar("Item")
Result = TypeVar("Result")


def threads_to_share() -> int:
    """In how many threads to work side by side; 0 where torch has one core, and there is nothing to share."""
    cores = torch.get_num_threads()
    # As many as leave the fewest cores without a thread: of six, three with two each.
    return max(range(2, min(_MOST, cores) + 1), key=lambda n: (n * (cores // n), n), default=0)


def in_order(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    *,
    threads: int,
    ahead: int,
    share: bool = False,
    while_waiting: Callable[[], None] | None = None,
    when_left: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield what `work` makes of each item, in order, working ahead in `threads`; without any, in the caller's.

    At most `ahead` results are waiting or being worked out, however many items there are. With `share`, torch's
    threads are shared out among these. `while_waiting` is called ten times a second while a result is not there yet.
    The threads end with the generator: when it is exhausted, closed or dropped, or when `work` or `while_waiting`
    raises, which passes through. `when_left` is called before they are waited for, and may tell them to be quick.
    """
    if not threads:
        yield from map(work, items)
        return
    share_of_cores = partial(_use_cores, max(1, torch.get_num_threads() // threads)) if share else None
    worked = partial(_in_mode, torch.is_inference_mode_enabled(), work)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ganrm-worker", initializer=share_of_cores)
    upcoming, waiting = iter(items), deque[Future[Result]]()
    all_there = Barrier(threads)
    try:
        # One that came later would set its share while the caller, who has the first result, starts threads of its own.
        for there in wait(
            [pool.submit(all_there.wait) for _ in range(threads)], return_when=FIRST_EXCEPTION
        ).done:
            there.result()
        while True:
            waiting.extend(pool.submit(worked, item) for item in islice(upcoming, ahead - len(waiting)))
            if not waiting:
                return
            while while_waiting and not wait([waiting[0]], _LOOK_UP).done:
                while_waiting()
            # No name is given to the result: it would live on here while the next is worked out.
            yield waiting.popleft().result()
    finally:
        all_there.abort()  # were one not to start, the others would wait for it
        if when_left:
            when_left()
        pool.shutdown(wait=True, cancel_futures=True)


def _use_cores(count: int) -> None:
    """Let torch use so many in this thread, and in no other.

    A thread's number is its own, but setting it also sets the one that threads new to torch begin with.
    """
    with _SETTING:
        of_new_threads = torch.get_num_threads()  # which this one still is
        torch.set_num_threads(count)
        restoring = Thread(target=torch.set_num_threads, args=(of_new_threads,))
        restoring.start()
        restoring.join()


_SETTING = Lock()


def _in_mode(inference: bool, work: Callable[[Item], Result], item: Item) -> Result:
    with torch.inference_mode(inference):
        return work(item)

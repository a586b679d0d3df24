"""Ordered parallel map over a few threads, each with its share of torch's intra-op threads.

torch splits every operation among its threads; between operations, and in Python, all but one are idle. Running whole
items in parallel leaves fewer idle (docs/performance.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from threading import Barrier, Lock, Thread
from typing import TypeVar

import torch

_MOST_THREADS = 4  # each needs memory of its own
_POLL_SECONDS = 0.1

Item = TypeVar("Item")
Result = TypeVar("Result")


def threads_to_share() -> int:
    """How many items to run in parallel; 0 where torch uses one core only."""
    cores = torch.get_num_threads()
    # The count that leaves the fewest cores idle: for six, three threads of two cores each.
    return max(range(2, min(_MOST_THREADS, cores) + 1), key=lambda n: (n * (cores // n), n), default=0)


@dataclass(frozen=True)
class WaitHooks:
    """Callbacks in the caller's thread: `poll` ten times a second while a result is pending, and `on_exit`
    before the threads are joined, for example to tell them to stop early."""

    poll: Callable[[], None]
    on_exit: Callable[[], None]


def in_order(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    *,
    threads: int,
    ahead: int,
    share: bool = False,
    hooks: WaitHooks | None = None,
) -> Iterator[Result]:
    """Yield `work(item)` in the order of the items, computed ahead in `threads`; with 0 in the caller's thread.

    At most `ahead` results are pending or finished, however many items there are. With `share`, torch's intra-op
    threads are divided among them. The threads end with the generator: when it is exhausted, closed or dropped, or
    when `work` or `hooks.poll` raises, which passes through.
    """
    if not threads:
        yield from map(work, items)
        return
    set_cores = partial(_use_cores, max(1, torch.get_num_threads() // threads)) if share else None
    work_in_mode = partial(_in_mode, torch.is_inference_mode_enabled(), work)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ganrm-worker", initializer=set_cores)
    upcoming, waiting = iter(items), deque[Future[Result]]()
    all_started = Barrier(threads)
    try:
        # All threads set their share before the first result: setting it later would change torch's default for
        # threads that the caller starts meanwhile.
        for started in wait(
            [pool.submit(all_started.wait) for _ in range(threads)], return_when=FIRST_EXCEPTION
        ).done:
            started.result()
        while True:
            waiting.extend(pool.submit(work_in_mode, item) for item in islice(upcoming, ahead - len(waiting)))
            if not waiting:
                return
            while hooks and not wait([waiting[0]], _POLL_SECONDS).done:
                hooks.poll()
            # Not bound to a name, which would keep the result alive while the next one is computed.
            yield waiting.popleft().result()
    finally:
        all_started.abort()  # if one thread did not start, the others would wait for it
        if hooks:
            hooks.on_exit()
        pool.shutdown(wait=True, cancel_futures=True)


def _use_cores(count: int) -> None:
    """Let torch use `count` cores in this thread only.

    `set_num_threads` also sets the default of threads that are new to torch, so another thread restores it.
    """
    with _SETTING:
        of_new_threads = torch.get_num_threads()  # still the default here
        torch.set_num_threads(count)
        restoring = Thread(target=torch.set_num_threads, args=(of_new_threads,))
        restoring.start()
        restoring.join()


_SETTING = Lock()


def _in_mode(inference: bool, work: Callable[[Item], Result], item: Item) -> Result:
    with torch.inference_mode(inference):
        return work(item)

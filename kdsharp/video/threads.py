"""Threads of video: work on a stream of items in its order, at no more than ordinary priority."""

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["ordered_map", "ordinary_priority"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    items: Generator[Item], work: Callable[[Item], Result], workers: int, ahead: int
) -> Generator[Result]:
    """Yield `work(item)` for each of `items`, in their order.

    `items` is drawn in a thread of its own and closed there, `work` runs in `workers` threads, and
    the caller is the third stage. At most `ahead` items are under way. What `items` or `work`
    raises is raised here, after the results before it. Closing this generator stops the threads.
    """
    slots = threading.Semaphore(ahead)
    results: SimpleQueue[Future[Result] | None] = SimpleQueue()
    stop = threading.Event()

    def draw() -> None:
        try:
            with contextlib.closing(items):
                for item in items:
                    results.put(pool.submit(work, item))
                    slots.acquire()
                    if stop.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            failed: Future[Result] = Future()
            failed.set_exception(error)
            results.put(failed)
        finally:
            results.put(None)

    with ThreadPoolExecutor(workers, "kdsharp-work") as pool:
        reader = threading.Thread(target=draw, name="kdsharp-read", daemon=True)
        reader.start()
        try:
            while (future := results.get()) is not None:
                yield future.result()
                slots.release()
        finally:
            stop.set()
            slots.release()
            reader.join()
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """Inside, no thread, old or new, keeps a real-time priority.

    Run by root, as in a container, SVT-AV1 gives the thread that opens it and all that it starts
    the highest there is (SCHED_FIFO 99), and everything else on the machine waits for them.
    """
    before = _in_real_time()
    try:
        yield
    finally:
        for thread in _in_real_time() - before:
            with contextlib.suppress(OSError):  # it may have ended
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _in_real_time() -> set[int]:
    """Our threads that run before all others; empty where the system does not say."""
    tasks = Path("/proc/self/task")
    if not (hasattr(os, "sched_getscheduler") and tasks.is_dir()):
        return set()
    found = set()
    for task in tasks.iterdir():
        with contextlib.suppress(OSError):
            if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                found.add(int(task.name))
    return found

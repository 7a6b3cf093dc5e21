"""Work on a stream of items in threads, with the order kept and the memory bounded."""

import contextlib
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["ordered_map"]

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

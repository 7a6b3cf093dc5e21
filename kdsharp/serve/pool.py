"""The threads that do the work, in the order in which it came; what nobody waits for is dropped."""

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from kdsharp.serve.metrics import Metrics
from kdsharp.serve.refusal import Gone, Refused

__all__ = ["Pool", "Ticket"]

T = TypeVar("T")

_NEWEST = 0.1  # weight of the last job in the mean that Retry-After goes by


class Ticket:
    """Tells a job whether somebody still waits for it; `with ticket:` is `check` at its start."""

    def __init__(self) -> None:
        self._stopped = False

    def stop(self) -> None:
        """Nobody waits any more."""
        self._stopped = True

    def check(self) -> None:
        """Raise `Gone` once nobody waits: for the places between two long steps."""
        if self._stopped:
            raise Gone

    def __enter__(self) -> None:
        self.check()

    def __exit__(self, *_: object) -> None:
        return None


class Pool:
    """Runs jobs in `workers` threads; `run` belongs to one event loop."""

    def __init__(self, workers: int, metrics: Metrics) -> None:
        self.workers, self._metrics = workers, metrics
        self._threads = ThreadPoolExecutor(workers, "kdsharp-serve")
        self._lock, self._mean = threading.Lock(), 0.1
        self.waiting, self.running = 0, 0

    @property
    def retry_after(self) -> int:
        """Seconds until the queue of now will be done, at least one."""
        ahead = (self.waiting + self.running) * self._mean / self.workers
        return max(1, math.ceil(ahead))

    async def run(
        self, work: Callable[[Ticket], T], gone: Callable[[], Awaitable[object]], seconds: float
    ) -> T:
        """What `work` returns. It is dropped, if it has not begun, once `gone` returns.

        Raises `Gone` then, and `Refused` after `seconds`; what has begun ends at its next `check`.
        """
        ticket, queued = Ticket(), time.perf_counter()

        def job() -> T:
            start = time.perf_counter()
            self._count(waiting=-1, running=1)
            try:
                ticket.check()
                self._metrics.wait.observe(start - queued)
                return work(ticket)
            finally:
                self._count(running=-1, seconds=time.perf_counter() - start)

        self._count(waiting=1)
        future = self._threads.submit(job)
        answer = asyncio.wrap_future(future)
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        left: asyncio.Future[object] = asyncio.ensure_future(gone())
        try:
            both: list[asyncio.Future[Any]] = [answer, left]
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if left.done():
                raise Gone
            raise Refused(
                503, f"took longer than {seconds:g} s", reason="time", retry_after=self.retry_after
            )
        finally:
            ticket.stop()
            left.cancel()
            if future.cancel():
                self._count(waiting=-1)

    def close(self) -> None:
        """End the threads; what waits is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _count(self, waiting: int = 0, running: int = 0, seconds: float | None = None) -> None:
        with self._lock:
            self.waiting += waiting
            self.running += running
            if seconds is not None:
                self._mean += _NEWEST * (seconds - self._mean)
            self._metrics.depth.set(self.waiting)
            self._metrics.running.set(self.running)

"""Run all jobs in a few threads: while one photo is in the network, others are read and written."""

import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from kdsharp.batch.plan import Job
from kdsharp.errors import describe, exit_code
from kdsharp.files import discard_unfinished

__all__ = ["BUDGET", "Done", "Outcome", "Status", "Work", "Writing", "attempt", "run"]

BUDGET = 64_000_000
"""Pixels that may be under way at once; a photo with more goes alone."""

Status = Literal["written", "left as it is", "there already", "failed"]

_GRACE = 1.0  # seconds that an interrupted run waits for files that are being written
_WAKE = 0.5  # seconds; on Windows Ctrl-C does not end a wait
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Done:
    """The outcome for one photo: `size` is (width, height) of the output, if that is known."""

    status: Status
    size: tuple[int, int] | None = None
    message: str = ""


@dataclass(frozen=True)
class Outcome:
    """`Done` with its job, how long it took, and for a failure its exit code."""

    job: Job
    done: Done
    seconds: float = 0.0
    code: int = 0


class Writing:
    """Held while a file is written, so that an interrupted run knows when it may end."""

    def __init__(self) -> None:
        self._changed, self._writers, self._stopped = threading.Condition(), 0, False

    def __enter__(self) -> None:
        with self._changed:
            if self._stopped:
                raise InterruptedError("the run was interrupted")
            self._writers += 1

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._writers -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Let no write begin, and give running ones a second; what is left of them is removed."""
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: self._writers == 0, _GRACE)
        discard_unfinished()


Work = Callable[[Job, Writing], Done]
"""Does one job, holding `Writing` while it writes; raises what goes wrong."""


def run(
    jobs: Sequence[Job],
    work: Work,
    weigh: Callable[[Job], int],
    report: Callable[[Outcome], None],
    *,
    workers: int,
    budget: int = BUDGET,
) -> None:
    """Do `jobs`, `workers` at a time, and `report` each from this thread as it ends.

    `weigh` says how many pixels a job will hold; all that are under way hold `budget` together. A
    job that raises is reported as failed and the rest are done, except on a full disk, which is
    raised. Whatever ends the run, even Ctrl-C, ends it at once: a file being written is completed
    within a second or removed, and the rest are left as they are.
    """
    pool, writing = ThreadPoolExecutor(workers, "kdsharp"), Writing()
    waiting: dict[Future[Outcome], int] = {}
    try:
        for job in jobs:
            weight = min(weigh(job), budget)
            while waiting and (len(waiting) >= workers or sum(waiting.values()) + weight > budget):
                for outcome in _finished(waiting):
                    report(outcome)
            waiting[pool.submit(attempt, job, work, writing)] = weight
        while waiting:
            for outcome in _finished(waiting):
                report(outcome)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        writing.stop()
        raise
    pool.shutdown()


def _finished(waiting: dict[Future[Outcome], int]) -> Iterator[Outcome]:
    for future in wait(waiting, _WAKE, FIRST_COMPLETED).done:
        del waiting[future]
        yield future.result()


def attempt(job: Job, work: Work, writing: Writing) -> Outcome:
    """Do one job; an error becomes its outcome, except a full disk, which is raised."""
    start = time.monotonic()
    try:
        if job.problem:
            return Outcome(job, Done("failed", message=job.problem), code=2)
        done, code = work(job, writing), 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        done, code = Done("failed", message=describe(error)), exit_code(error)
    return Outcome(job, done, time.monotonic() - start, code)

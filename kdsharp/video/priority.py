"""SVT-AV1 takes real-time priority where it may: give it back."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ordinary_priority"]


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """No thread gets a real-time priority for good inside, be it its own or that of a new one.

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
    """Our threads that run before all others; empty where the system does not tell."""
    tasks = Path("/proc/self/task")
    if not (hasattr(os, "sched_getscheduler") and tasks.is_dir()):
        return set()
    found = set()
    for task in tasks.iterdir():
        with contextlib.suppress(OSError):
            if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                found.add(int(task.name))
    return found

"""One process at a time, also when the other one was killed."""

import contextlib
import fcntl
import logging
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked"]

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`; wait, and say so, while another process holds it.

    The system gives the lock up when a process ends, however it ends. The file stays: whoever
    removed it would let a third process in beside one that waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("another process is busy with %s: waiting for it", what)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

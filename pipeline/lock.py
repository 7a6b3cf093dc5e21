"""One process at a time, on this machine, for what must not happen twice at once.

The system frees a lock when its holder ends, however it ends. The file of a lock stays: whoever
removed it would let a third process in beside one that waits.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock, Timeout

from kdsharp.errors import TransientError
from pipeline.paths import PRODUCTION

__all__ = ["PATIENT", "Lock", "locked", "waiting"]

PATIENT = 120.0
"""Seconds to wait for work that takes some."""

_log = logging.getLogger(__name__)


class Lock:
    """A lock that is held."""

    def __init__(self, what: str, path: Path) -> None:
        self._what, self._path = what, path
        self._lock = _file_lock(path, _note)

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Let others in for a while, such as until a person has answered."""
        self._lock.release()
        try:
            yield
        finally:
            self._take(PATIENT)

    def _take(self, wait_s: float) -> AcquireReturnProxy[FileLock]:
        try:
            return self._lock.acquire(wait_s)
        except Timeout:
            raise TransientError(
                f"another {self._what} is at work here{self._holder()}: wait for it, "
                "then look at python -m pipeline status"
            ) from None

    def _holder(self) -> str:
        """Who wrote the lock file, as far as it says."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            note = json.loads(self._path.read_text(encoding="utf-8"))
            return f" (process {note['pid']}, since {note['since']})"
        return ""


@contextlib.contextmanager
def locked(what: str, wait_s: float = 0.0) -> Iterator[Lock]:
    """Hold the lock `what` of this checkout and all worktrees that share its production model.

    Raises `TransientError` that names the holder when it is not free within `wait_s` seconds.
    """
    lock = Lock(what, PRODUCTION.with_name(f".{what}.lock"))
    with lock._take(wait_s):
        yield lock


def waiting(
    path: Path,
    what: str,
    log: Callable[[str], object] = _log.info,
    *,
    through_exec: bool = False,
) -> AcquireReturnProxy[FileLock]:
    """Hold the lock file `path`, until a `with` over the result ends or nothing refers to it.

    Waits, and reports it to `log`, while another process is busy with `what`. With `through_exec` a
    program that takes this process's place keeps holding it.
    """
    lock = _file_lock(path, _keep if through_exec else None)
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        log(f"another process is busy with {what}: waiting for it")
        return lock.acquire()


def _file_lock(path: Path, on_acquired: Callable[[int], None] | None) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A lock belongs to the process: the thread that took it may end earlier.
    return FileLock(path, thread_local=False, on_acquired=on_acquired)


def _note(handle: int) -> None:
    """Note in the lock file who holds it."""
    text = json.dumps({"pid": os.getpid(), "since": time.strftime("%H:%M:%S")})
    os.ftruncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)


def _keep(handle: int) -> None:
    os.set_inheritable(handle, True)

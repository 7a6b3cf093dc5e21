"""One process at a time, on this machine, for what must not happen twice at once."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from typing import IO

from kdsharp.errors import TransientError
from pipeline.paths import PRODUCTION

__all__ = ["PATIENT", "Lock", "locked"]

PATIENT = 120.0
"""Seconds to wait for work that takes some."""


class Lock:
    """A lock that is held."""

    def __init__(self, what: str, file: IO[str]) -> None:
        self._what, self._file = what, file

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Let others in for a while, such as until a person has answered."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
        try:
            yield
        finally:
            self.take(PATIENT)

    def take(self, wait_s: float) -> None:
        """Take the lock; `TransientError` that names the holder if that takes too long."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TransientError(
                        f"another {self._what} is at work here{self._holder()}: wait for it, "
                        "then look at python -m pipeline status"
                    ) from None
                time.sleep(0.1)
            else:
                break
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid(), "since": time.strftime("%H:%M:%S")}))
        self._file.flush()

    def _holder(self) -> str:
        """Who wrote the lock file, as far as it says."""
        with contextlib.suppress(ValueError, TypeError, KeyError):
            self._file.seek(0)
            note = json.loads(self._file.read())
            return f" (process {note['pid']}, since {note['since']})"
        return ""


@contextlib.contextmanager
def locked(what: str, wait_s: float = 0.0) -> Iterator[Lock]:
    """Hold the lock `what` of this checkout and all worktrees that share its production model.

    The system frees it when the process ends, however it ends. Raises `TransientError` that names
    the holder when it is not free within `wait_s` seconds.
    """
    path = PRODUCTION.with_name(f".{what}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        lock = Lock(what, file)
        lock.take(wait_s)
        yield lock

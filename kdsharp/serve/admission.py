"""Who comes in: so many requests in all, of one caller, and so many bytes of theirs in memory."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kdsharp.serve.refusal import Refused

__all__ = ["Admission"]


class Admission:
    """Counts the requests under way. It belongs to the event loop: no other thread may use it."""

    def __init__(self, places: int, per_caller: int, most_bytes: int) -> None:
        self._places, self._per_caller, self._most_bytes = places, per_caller, most_bytes
        self._callers, self._bytes = Counter[str](), 0
        self.closed = False

    @property
    def count(self) -> int:
        """Requests that are in."""
        return self._callers.total()

    @contextmanager
    def enter(self, caller: str, size: int, retry_after: int) -> Iterator[None]:
        """Be in for the time of the block, with a body of `size` bytes.

        Raises `Refused`: 503 once `closed`, else 429 with `retry_after` seconds.
        """
        if self.closed:
            raise Refused(503, "the service is stopping", reason="stopping", retry_after=1)
        if self.count >= self._places:
            raise _full("the queue is full", "queue", retry_after)
        if self._callers[caller] >= self._per_caller:
            raise _full(f"more than {self._per_caller} requests at once", "caller", retry_after)
        if self._bytes and self._bytes + size > self._most_bytes:
            raise _full("too many bytes are under way", "bytes", retry_after)
        self._callers[caller] += 1
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]


def _full(what: str, reason: str, retry_after: int) -> Refused:
    return Refused(
        429, f"{what}: try again in {retry_after} s", reason=reason, retry_after=retry_after
    )

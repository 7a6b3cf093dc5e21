"""Progress on stderr: a bar in a terminal, now and then a line elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

__all__ = ["progress"]

Unit = Literal["bytes", "photos"]
_QUIET = 2.0  # seconds; what is over sooner needs no bar
_EVERY = 15.0  # seconds between two lines where there is no terminal


class _Display(Protocol):
    def show(self, done: int) -> None: ...
    def close(self) -> None: ...


@contextlib.contextmanager
def progress(label: str, total: int, unit: Unit, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how much is done so far, of `total`.

    `done` is what an earlier run had done already: it does not count for the speed.
    """
    started = time.monotonic()
    bar = sys.stderr.isatty()
    display: _Display = _Bar(label, total, unit) if bar else _Lines(label, total, unit, done)

    def update(now_done: int) -> None:
        if time.monotonic() - started >= _QUIET:
            display.show(now_done)

    try:
        yield update
    finally:
        display.close()


class _Bar:
    def __init__(self, label: str, total: int, unit: Unit) -> None:
        sizes: tuple[ProgressColumn, ...] = (MofNCompleteColumn(),)
        if unit == "bytes":
            sizes = (DownloadColumn(), TransferSpeedColumn())
        columns = (TextColumn("{task.description}"), BarColumn(), *sizes, TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(label, total=total)
        self._live = False

    def show(self, done: int) -> None:
        if not self._live:
            self._progress.start()
            self._live = True
        self._progress.update(self._task, completed=done)

    def close(self) -> None:
        if self._live:
            self._progress.stop()


class _Lines:
    def __init__(self, label: str, total: int, unit: Unit, done: int) -> None:
        self._label, self._total, self._unit, self._first = label, total, unit, done
        self._started = time.monotonic()
        self._last = float("-inf")

    def show(self, done: int) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            print(self._line(done, now - self._started), file=sys.stderr, flush=True)

    def close(self) -> None:
        pass

    def _line(self, done: int, seconds: float) -> str:
        speed = max(done - self._first, 0) / seconds
        left = f"{_time((self._total - done) / speed)} left" if speed else "stalled"
        if self._unit == "photos":
            return f"{self._label}: {done} of {self._total}, {left}"
        amount = f"{decimal(done)} of {decimal(self._total)}"
        return f"{self._label}: {amount}, {decimal(round(speed))}/s, {left}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

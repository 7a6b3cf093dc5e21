"""Progress on stderr, once there is time to read it: a bar on a terminal, else a line at times."""

import contextlib
import sys
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

__all__ = ["Progress"]

_PATIENCE = 2.0  # seconds; what is over sooner needs no bar
_EVERY = 0.2  # seconds between two looks of a bar
_LINES = 15.0  # and between two lines without a terminal


class Progress:
    """Counts to `total`; after two seconds on a terminal a bar appears, and at the end it goes.

    The bar says how many a second, and how long the rest takes at that. `total` is None where
    nobody knows it. `unit` is what is counted, in the plural; `bytes` are given in kB and MB.
    `done` is what an earlier run already did: it does not count for the speed. With `lines` a
    line now and then takes the bar's place where stderr is not a terminal; without, nothing does.
    With `quiet` nothing is printed, and nothing is imported before there is something to draw.

    Counting costs less than a microsecond, whatever is drawn: a thread draws what it finds.
    """

    def __init__(
        self,
        total: int | None,
        title: str,
        unit: str = "",
        *,
        done: int = 0,
        lines: bool = False,
        quiet: bool = False,
    ) -> None:
        self.total, self.title, self.done, self.note = total, title, done, ""
        self._unit, self._first, self._start = unit, done, time.monotonic()
        self._bar: Any = None
        self._ended = threading.Event()
        terminal = sys.stderr.isatty()
        draw = self._draw_bar if terminal else self._draw_lines
        shown = (terminal or lines) and not quiet
        self._thread = threading.Thread(target=draw, daemon=True) if shown else None

    def __enter__(self) -> Self:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()  # else a bar that starts just now would outlive us
        if self._bar:
            self._bar.stop()

    def step(self, note: str = "") -> None:
        """One more is done; `note` is what else there is to say, such as a loss."""
        self.done, self.note = self.done + 1, note

    def at(self, done: int, total: int | None = None) -> None:
        """`done` of them are done, of `total` if that is known."""
        self.done, self.total = done, self.total if total is None else total

    def log(self, line: str) -> None:
        """Print `line` on stderr, above the bar."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def __str__(self) -> str:
        """Such as `60 of 100 photos, 5.0 per second, 0:00:08 left, loss 0.01`."""
        rate = (self.done - self._first) / max(time.monotonic() - self._start, 1e-9)
        parts = [self._amount(), self._speed(rate) if rate > 0 else "", self._left(rate), self.note]
        return ", ".join(filter(None, parts))

    def _amount(self) -> str:
        if self._unit == "bytes":
            from rich.filesize import decimal

            whole = "" if self.total is None else f" of {decimal(self.total)}"
            return decimal(self.done) + whole
        whole = "" if self.total is None else f" of {self.total}"
        return f"{self.done}{whole} {self._unit}".rstrip()

    def _speed(self, rate: float) -> str:
        if self._unit == "bytes":
            from rich.filesize import decimal

            return f"{decimal(round(rate))} per second"
        return f"{rate:.1f} per second"

    def _left(self, rate: float) -> str:
        if self.total is None or rate <= 0:
            return ""
        return f"{timedelta(seconds=round(max(self.total - self.done, 0) / rate))} left"

    def _draw_bar(self) -> None:
        if self._ended.wait(_PATIENCE):
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
        bar = Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        # Markup in a name would be a colour, or an error.
        task = bar.add_task(self.title.replace("[", r"\["), total=self.total, text="")
        bar.start()
        self._bar = bar
        drawn = True
        while drawn:
            text = str(self).replace("[", r"\[")
            bar.update(task, completed=self.done, total=self.total, text=text, refresh=True)
            drawn = not self._ended.wait(_EVERY)

    def _draw_lines(self) -> None:
        wait = _PATIENCE
        # Nobody may be left to read them.
        with contextlib.suppress(OSError, ValueError):
            while not self._ended.wait(wait):
                print(f"{self.title}: {self}", file=sys.stderr, flush=True)
                wait = _LINES

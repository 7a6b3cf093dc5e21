"""A progress bar on stderr that only shows itself when there is time to read it."""

import sys
import threading
import time
from types import TracebackType
from typing import Any, Self

__all__ = ["Progress"]

_PATIENCE = 2.0


class Progress:
    """Counts to `total`; after two seconds on a terminal a bar appears, at the end it goes.

    The bar says how many a second (in words: `pace`), and how long the rest takes at that. `total`
    is None where nobody knows it. Nothing is drawn, and nothing imported, when the work is done
    sooner or stderr is no terminal.
    """

    def __init__(self, total: int | None, title: str, pace: str = "per second") -> None:
        self.total, self.title, self.done, self._words = total, title, 0, pace
        self._bar: Any = None
        self._start = time.monotonic()
        self._timer = threading.Timer(_PATIENCE, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._timer.is_alive():
            self._timer.join()  # else a bar that starts just now would outlive us
        if self._bar:
            self._bar.stop()

    def step(self) -> None:
        """One more is done."""
        self.at(self.done + 1)

    def at(self, done: int, total: int | None = None) -> None:
        """So many are done, of `total` if that is known by now."""
        self.done, self.total = done, self.total if total is None else total
        if self._bar:
            self._bar.update(
                self._bar.task_ids[0], completed=done, total=self.total, pace=self._pace()
            )

    def say(self, line: str) -> None:
        """Print `line` on stderr, above the bar."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        pace = TextColumn("{task.fields[pace]}")
        bar = Bar(*columns, pace, console=Console(stderr=True), transient=True)
        bar.add_task(self.title, total=self.total, completed=self.done, pace=self._pace())
        bar.start()
        self._bar = bar

    def _pace(self) -> str:
        """How many a second, and how long the rest takes at that, from the start on."""
        rate = self.done / (time.monotonic() - self._start)
        if not rate:
            return ""
        pace = f"{rate:.1f} {self._words}"
        if self.total is None:
            return pace
        minutes, seconds = divmod(round((self.total - self.done) / rate), 60)
        return f"{pace}, {minutes}:{seconds:02} left"

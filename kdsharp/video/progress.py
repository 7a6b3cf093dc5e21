"""How far a video is: frames, frames per second and the time left, on stderr."""

import sys
import time
from types import TracebackType
from typing import Any, Self

__all__ = ["FrameProgress"]

_PATIENCE = 2.0


class FrameProgress:
    """A bar on a terminal, after two seconds; nothing elsewhere. Call it after each frame."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._shown = sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, done: int, total: int | None) -> None:
        """`done` frames of `total` are written; None where nobody knows how many there are."""
        seconds = time.monotonic() - self._start
        if not self._shown or seconds < _PATIENCE:
            return
        if self._bar is None:
            self._bar = _bar(self._title)
        fps = f"{done / seconds:.1f} fps"
        self._bar.update(self._bar.task_ids[0], completed=done, total=total, fps=fps)


def _bar(title: str) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        transient=True,
    )
    bar.add_task(title, total=None, fps="")
    bar.start()
    return bar

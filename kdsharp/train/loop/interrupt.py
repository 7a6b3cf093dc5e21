"""Ctrl-C in the middle of a training: the step is finished first, so that its state can be kept."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["StopSignals"]


class StopSignals:
    """Notes SIGINT and SIGTERM instead of acting on them; a second SIGINT acts at once.

    SIGTERM may come twice: torchrun passes on what a terminal has sent already. Outside the main
    thread, where Python knows no signals, nothing changes.
    """

    def __init__(self) -> None:
        self.asked = False
        """Whether somebody wants the training to stop."""
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

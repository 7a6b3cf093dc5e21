"""Processes that end when the one that started them is gone.

SIGKILL, and the system when memory runs out, reach one process and not those that it started.
A stage that nobody waits for would train on beside the next run, and write into its files.
"""

import contextlib
import os
import signal
import threading
import time

__all__ = ["PARENT", "end_with_parent"]

PARENT = "KDSHARP_PARENT"
"""The variable by which a process tells the one that it starts who it is."""

_LOOK_S = 0.5
_PATIENCE_S = {signal.SIGINT: 20.0, signal.SIGTERM: 5.0}
"""How long this process may take to end: a training writes its checkpoint meanwhile."""


def end_with_parent(*, group: bool = False) -> None:
    """From now on end soon after the parent has: as by Ctrl-C, then by harder means.

    With `group` all processes of this one's group are told, which it must lead. A parent that ended
    before the call is noticed if it set `PARENT`, or else if it was of the same session, as DVC is
    for a stage.
    """
    if os.name != "posix":
        return
    told = os.environ.pop(PARENT, None)
    parent = os.getppid()
    gone = parent != int(told) if told else _is_adopted(parent)
    threading.Thread(
        target=_watch, args=(0 if gone else parent, group), name="kdsharp-parent", daemon=True
    ).start()


def _is_adopted(parent: int) -> bool:
    """Whether the parent is one that takes in orphans: it has a session of its own.

    The workers of torchrun have one too.
    """
    try:
        return "RANK" not in os.environ and os.getsid(parent) != os.getsid(0)
    except OSError:
        return False


def _watch(parent: int, group: bool) -> None:
    time.sleep(_LOOK_S)
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    leads = os.getpgrp() == os.getpid()
    for number, seconds in _PATIENCE_S.items():
        _tell(number, group and leads)
        time.sleep(seconds)
    _tell(signal.SIGKILL, leads)


def _tell(number: signal.Signals, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        if group:
            os.killpg(0, number)
        else:
            os.kill(os.getpid(), number)
